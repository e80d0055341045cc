"""A zoo with a tiny trained cascade to distil, and its recipe."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from ivbench.config import parse_cascade
from ivbench.spec import parameters
from tests.unit.train.tiny import UNET

__all__ = ["RECIPE", "write_recipe", "write_teacher"]

LATER = {"conditioning": True, "augmentation": True}
STAGES: list[dict[str, Any]] = [
    {"name": "base", "kind": "base", "frames": 4, "height": 6, "width": 10, "fps": 3, "unet": UNET},
    {"name": "ssr1", "kind": "ssr", "frames": 4, "height": 12, "width": 20, "fps": 3, "unet": UNET | LATER},
]
RECIPE: dict[str, Any] = {
    "kind": "distillation",
    "cascade": "tiny",
    "stage": "base",
    "batch": 4,
    "seed": 5,
    "images": 0.0,
    "text_dropout": 0.0,
    "checkpoint_every": 2,
    "guidance": {"weights": [0, 16], "updates": 5, "learning_rate": 0.01},
    "halving": [
        {"steps": 8, "updates": 5, "learning_rate": 0.01},
        {"steps": 4, "updates": 3, "learning_rate": 0.01},
    ],
    "stochastic": [{"steps": 8, "updates": 5, "learning_rate": 0.01}],
}


def write_teacher(zoo: Path, encoder: str = "random") -> Path:
    """The folder of the cascade `tiny` in a zoo, with random weights."""
    from safetensors.numpy import save_file

    folder = zoo / "tiny"
    folder.mkdir(parents=True)
    spec = {"name": "tiny", "text": {"encoder": encoder, "dim": 4, "length": 2}, "stages": STAGES}
    (folder / "cascade.yaml").write_text(json.dumps(spec))
    generator = np.random.default_rng(0)
    for stage in parse_cascade(spec).stages:
        shapes = parameters(stage.unet).items()
        arrays = {name: (0.1 * generator.standard_normal(shape)).astype(np.float16) for name, shape in shapes}
        save_file(arrays, folder / f"{stage.name}.safetensors")
    files = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}
    card = {
        "name": "tiny",
        "kind": "cascade",
        "licence": "Apache-2.0",
        "weights": {stage["name"]: f"{stage['name']}.safetensors" for stage in STAGES},
        "files": files,
        "sampling": {"sampler": "ddim", "guidance": 0, "steps": {"base": 16, "sr": 6}, "augmentation_snr": {"ssr1": 5}},
    }
    (folder / "card.yaml").write_text(json.dumps(card))
    return folder


def write_recipe(zoo: Path, **changes: Any) -> Path:
    """The recipe `tiny-distill` in a zoo."""
    path = zoo / "recipes" / "tiny-distill.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({key: value for key, value in (RECIPE | changes).items() if value is not None}))
    return path
