"""DINOv2 through timm against transformers' Dinov2Model: the same random weights, real photographs; its positions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch

from ivbench.config import profile
from ivbench.errors import ConfigError
from ivbench.extractors import find_weights
from ivbench.extractors.torch_dinov2 import DINOv2Extractor, _positions, resized_positions
from ivbench.extractors.torch_random_weights import random_state

GOLDEN = Path(__file__).parents[2] / "golden" / "peers.npz"
CHOICE = profile("fd-dinov2").network("frames").model_copy(update={"tap": "small"})


@pytest.fixture(scope="module")
def state() -> dict[str, torch.Tensor]:
    with torch.device("meta"):
        net = timm.create_model("vit_small_patch14_dinov2", img_size=224, num_classes=0)
    return random_state(net, 9)


def transformers_names(name: str) -> list[tuple[str, int]]:
    """The names there of one of Meta's, each with which third of it."""
    whole = {
        "cls_token": "embeddings.cls_token",
        "pos_embed": "embeddings.position_embeddings",
        "patch_embed.proj": "embeddings.patch_embeddings.projection",
        "norm": "layernorm",
    }
    stem, _, kind = name.rpartition(".")
    if name in whole or stem in whole:
        return [(whole[name] if name in whole else f"{whole[stem]}.{kind}", -1)]
    _, number, inside = stem.split(".", 2)
    layer = f"encoder.layer.{number}."
    if inside == "attn.qkv":
        return [(f"{layer}attention.{part}_proj.{kind}", i) for i, part in enumerate("qkv")]
    if inside in ("ls1", "ls2"):
        return [(f"{layer}layer_scale{inside[-1]}.lambda1", -1)]
    return [(f"{layer}{inside.replace('attn.proj', 'attention.o_proj')}.{kind}", -1)]


def transformers_model(state: dict[str, torch.Tensor]) -> Any:
    from transformers import Dinov2Config, Dinov2Model

    config = Dinov2Config(
        hidden_size=384, num_hidden_layers=12, num_attention_heads=6, image_size=224, patch_size=14, qkv_bias=True
    )
    model = Dinov2Model(config)
    renamed = {
        new: value if third < 0 else value.chunk(3)[third]
        for name, value in state.items()
        for new, third in transformers_names(name)
    }
    missing = model.load_state_dict(renamed, strict=False)
    assert missing.missing_keys == ["embeddings.mask_token"]
    assert not missing.unexpected_keys
    return model.eval()


def test_features_are_transformers(state: dict[str, torch.Tensor], tmp_path: Path) -> None:
    from PIL import Image

    torch.save({**state, "mask_token": torch.zeros(1, 384)}, tmp_path / "dinov2.pth")
    with np.load(GOLDEN) as arrays:
        images = [arrays[f"reference_image_{i}"] for i in range(2)]
    resized = [np.asarray(Image.fromarray(i).resize((224, 224), Image.Resampling.BICUBIC)) for i in images]
    pixels = torch.from_numpy(np.stack(resized)).permute(0, 3, 1, 2) / 255
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    with torch.no_grad():
        expected = transformers_model(state)((pixels - mean) / std).pooler_output.numpy()
    extractor = DINOv2Extractor(find_weights("dinov2", {"dinov2": tmp_path / "dinov2.pth"}), CHOICE)
    got = np.concatenate(extractor.extract_many([image[None] for image in images]))
    assert extractor.name == "dinov2, unverified weights"
    assert np.abs(expected[0] - expected[1]).max() > 0.1
    np.testing.assert_allclose(got, expected, atol=1e-4 * np.abs(expected).max())


def test_positions_of_the_training_size_are_resized_by_the_stated_factor() -> None:
    draw = torch.Generator().manual_seed(0)
    own = torch.randn(1, 1 + 37 * 37, 8, generator=draw)
    got = _positions(own, 16)
    assert got.shape == (1, 257, 8)
    assert torch.equal(got[:, 0], own[:, 0])
    assert torch.equal(_positions(got, 16), got)
    uneven = resized_positions(own, 16, 20)
    assert uneven.shape == (1, 321, 8)
    turned = own[:, 1:].reshape(1, 37, 37, 8).transpose(1, 2).reshape(1, -1, 8)
    back = resized_positions(torch.cat([own[:, :1], turned], 1), 20, 16)[:, 1:].reshape(1, 20, 16, 8).transpose(1, 2)
    torch.testing.assert_close(back.reshape(1, -1, 8), uneven[:, 1:])
    ramp = torch.arange(37.0).expand(37, 37).reshape(1, -1, 1)
    row = _positions(torch.cat([torch.zeros(1, 1, 1), ramp], 1), 16)[0, 1:, 0].reshape(16, 16)[8]
    places = torch.arange(16) + 0.5
    expected, plain = places * 37 / 16.1 - 0.5, places * 37 / 16 - 0.5
    torch.testing.assert_close(row[2:-2], expected[2:-2], atol=0.06, rtol=0)  # its bicubic bends a ramp so much
    assert (row - plain)[9:-2].abs().min() > 0.06


def test_other_files_and_other_sizes_are_refused(state: dict[str, torch.Tensor], tmp_path: Path) -> None:
    torch.save({name: value for name, value in state.items() if name != "norm.bias"}, tmp_path / "dinov2.pth")
    weights = find_weights("dinov2", {"dinov2": tmp_path / "dinov2.pth"})
    with pytest.raises(ConfigError, match="is not DINOv2, size small"):
        DINOv2Extractor(weights, CHOICE)
    with pytest.raises(ConfigError, match="must resize to that"):
        DINOv2Extractor(weights, CHOICE.model_copy(update={"resize": ()}))
