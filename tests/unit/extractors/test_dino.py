"""DINO through timm: which pixels it sees of frames that are not square; the numbers are VBench's in tests/run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import timm
import torch

from ivbench.config import profile
from ivbench.errors import ConfigError
from ivbench.extractors import find_weights
from ivbench.extractors.torch_dino import DINOExtractor
from ivbench.extractors.torch_random_weights import random_state

CHOICE = profile("vbench").network("frames").model_copy(update={"tap": "small", "resize": ()})


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with torch.device("meta"):
        net = timm.create_model("vit_small_patch16_224", num_classes=0)
    path = tmp_path_factory.mktemp("dino") / "dino.pth"
    torch.save(random_state(net, 9), path)
    return path


@pytest.fixture(scope="module")
def extractor(file: Path) -> DINOExtractor:
    return DINOExtractor(find_weights("dino", {"dino": file}), CHOICE)


def frames(height: int, width: int, count: int = 1) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, height, width, 3), dtype=np.uint8)


def test_rows_and_columns_that_fill_no_patch_are_not_seen(extractor: DINOExtractor) -> None:
    image = frames(56, 70)
    edge, inside = image.copy(), image.copy()
    edge[:, 48:], edge[:, :, 64:] = 0, 0
    inside[:, 47, 63] = 255 - inside[:, 47, 63]
    whole, cut, other = (extractor.extract_many([one])[0] for one in (image, edge, inside))
    assert whole.shape == (1, 384)
    np.testing.assert_array_equal(whole, cut)
    assert np.abs(whole - other).max() > 1e-4 * np.abs(whole).max()


def test_a_frame_of_the_training_size_has_the_positions_of_the_file(extractor: DINOExtractor, file: Path) -> None:
    net = timm.create_model("vit_small_patch16_224", num_classes=0)
    net.load_state_dict(torch.load(file, weights_only=True))
    image = frames(224, 224)
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    with torch.no_grad():
        expected = net.eval()((torch.from_numpy(image).permute(0, 3, 1, 2) / 255 - mean) / std).numpy()
    got = extractor.extract_many([image])[0]
    np.testing.assert_allclose(got, expected, atol=1e-5 * np.abs(expected).max())


def test_videos_of_other_sizes_go_side_by_side(extractor: DINOExtractor) -> None:
    videos = [frames(48, 64, 2), frames(64, 48, 3)]
    found = extractor.extract_many(videos)
    assert [one.shape for one in found] == [(2, 384), (3, 384)]
    assert extractor.name == "dino, unverified weights"
    for one, video in zip(found, videos, strict=True):
        np.testing.assert_allclose(one, extractor.extract_many([video])[0], atol=1e-4 * np.abs(one).max())


def test_another_networks_file_is_refused(file: Path, tmp_path: Path) -> None:
    state = torch.load(file, weights_only=True)
    torch.save({name: value for name, value in state.items() if name != "norm.bias"}, tmp_path / "dino.pth")
    weights = find_weights("dino", {"dino": tmp_path / "dino.pth"})
    with pytest.raises(ConfigError, match="is not DINO, size small, patches of 16"):
        DINOExtractor(weights, CHOICE)
