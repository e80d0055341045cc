"""A zoo of random weights: a cascade of three small stages, the zoo's own text encoder, and three untrained probes."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from ivbench.config import parse_cascade
from ivbench.extractors.heads import CLIP_HEADS, FRAME_HEADS
from ivbench.spec import parameters

ZOO = Path(__file__).parents[2] / "zoo"
CASCADE = "tiny"
UNET = {
    "channels": 32,
    "multipliers": [1],
    "blocks": [1],
    "middle": 0,
    "spatial_attention": [False],
    "temporal": ["convolution"],
    "text_dim": 128,
    "embedding_dim": 32,
}
LIFTED = {**UNET, "conditioning": True, "augmentation": True}
STAGES = [
    {"name": "base", "kind": "base", "frames": 2, "height": 6, "width": 10, "fps": 3.0, "unet": UNET},
    {"name": "tsr1", "kind": "tsr", "frames": 4, "height": 6, "width": 10, "fps": 6.0, "unet": LIFTED},
    {"name": "ssr1", "kind": "ssr", "frames": 4, "height": 12, "width": 20, "fps": 6.0, "unet": LIFTED},
]
SUITE: dict[str, Any] = {
    "name": "tiny-suite",
    "cascade": CASCADE,
    "prompts": {"source": "shapes:test", "count": 3},
    "runs": 2,
    "metrics": [
        {"name": "frame_fid", "extractor": "frame-probe"},
        {"name": "fvd", "extractor": "video-probe"},
        {"name": "clip_score", "extractor": "clip-probe"},
        {"name": "r_precision", "extractor": "clip-probe"},
    ],
    "reference": {"count": 40},
    "gallery": 2,
    "defaults": {"sampler": "ddim", "steps": 1},
    "grid": {"guidance": [0, {"base": 2, "sr": 0}]},
}


def write_card(folder: Path, kind: str, **more: Any) -> None:
    """The card of a folder, with the digests that its files have now."""
    names = sorted(file.name for file in folder.iterdir() if file.name != "card.yaml")
    files = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names}
    card = {"name": folder.name, "kind": kind, "licence": "Apache-2.0", "files": files, **more}
    (folder / "card.yaml").write_text(json.dumps(card))


def write_cascade(
    folder: Path, stages: list[dict[str, Any]] | None = None, weights: bool = True, seed: int = 0
) -> None:
    """A cascade's folder: random weights for all of its stages, or none."""
    folder.mkdir(parents=True, exist_ok=True)
    spec = {"name": folder.name, "text": {"encoder": "t5-mini", "dim": 128, "length": 24}, "stages": stages or STAGES}
    (folder / "cascade.yaml").write_text(json.dumps(spec))
    generator = np.random.default_rng(seed)
    named = {}
    if weights:
        for stage in parse_cascade(spec).stages:
            arrays = {name: _random(shape, generator) for name, shape in parameters(stage.unet).items()}
            save_file(arrays, folder / f"{stage.name}.safetensors")
            named[stage.name] = f"{stage.name}.safetensors"
    write_card(folder, "cascade", text_encoder="t5-mini", weights=named)


def _random(shape: tuple[int, ...], generator: np.random.Generator) -> Any:
    return (0.1 * generator.standard_normal(shape)).astype(np.float16)


def build(folder: Path) -> None:
    """The whole zoo; loads torch and open_clip."""
    import torch
    from safetensors.torch import save_file as save_tensors

    from ivbench.extractors.torch_probe_nets import FrameProbeNet, VideoProbeNet

    torch.manual_seed(0)
    write_cascade(folder / CASCADE)
    shutil.copytree(ZOO / "t5-mini", folder / "t5-mini")
    widths = (8, 8, 8)
    nets = {"frame-probe": FrameProbeNet(FRAME_HEADS, widths), "video-probe": VideoProbeNet(CLIP_HEADS, widths)}
    for name, net in nets.items():
        heads = CLIP_HEADS if name == "video-probe" else FRAME_HEADS
        (folder / name).mkdir()
        config = {"extractor": name, "widths": widths, "heads": {key: list(values) for key, values in heads.items()}}
        (folder / name / "config.json").write_text(json.dumps(config))
        save_tensors(net.state_dict(), folder / name / "model.safetensors")
        write_card(folder / name, "probe", feature_dim=32)
    _build_clip(folder / "clip-probe")


def _build_clip(folder: Path) -> None:
    import open_clip
    from safetensors.torch import save_file as save_tensors

    from ivbench.train.clip_tokenizer import build_tokenizer

    folder.mkdir()
    tokenizer = build_tokenizer(24, ("<pad>", "<unk>", "<start>"), "<end>")
    tokenizer.save_pretrained(str(folder))
    model = {
        "embed_dim": 16,
        "vision_cfg": {"image_size": 16, "patch_size": 8, "width": 16, "layers": 1, "head_width": 8},
        "text_cfg": {
            "context_length": 24,
            "vocab_size": len(tokenizer),
            "hf_tokenizer_name": "local",
            "width": 16,
            "heads": 2,
            "layers": 1,
        },
    }
    (folder / "open_clip_config.json").write_text(
        json.dumps({"model_cfg": model, "preprocess_cfg": {"resize_mode": "squash"}})
    )
    weights = {name: value.contiguous() for name, value in open_clip.CLIP(**model).state_dict().items()}
    save_tensors(weights, folder / "open_clip_model.safetensors")
    write_card(folder, "probe", feature_dim=16)
