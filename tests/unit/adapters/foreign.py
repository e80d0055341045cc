"""A cascade of two tiny stages, its weights in every dtype, and cards that import them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import yaml
from numpy.typing import NDArray

from ivbench.config import parse_cascade
from ivbench.spec import parameters

__all__ = ["CASCADE", "DTYPES", "FOREIGN_RULES", "STAGES", "bits", "foreign", "weights", "write_card"]

UNET = {
    "channels": 8,
    "multipliers": [1],
    "blocks": [1],
    "spatial_attention": [True],
    "temporal": ["convolution"],
    "head_dim": 4,
    "groups": 4,
    "text_dim": 6,
    "embedding_dim": 12,
}
BASE = {"name": "base", "kind": "base", "frames": 2, "height": 4, "width": 6, "fps": 3.0, "unet": UNET}
LATER = {"name": "tsr1", "kind": "tsr", "frames": 4, "height": 4, "width": 6, "fps": 6.0}
CASCADE = {
    "name": "mine",
    "text": {"encoder": "no-such-encoder", "dim": 6, "length": 5},
    "stages": [BASE, LATER | {"unet": UNET | {"conditioning": True}}],
}
STAGES = parse_cascade(CASCADE).stages
DTYPES = {"float16": np.float16, "float32": np.float32, "bfloat16": ml_dtypes.bfloat16}

FOREIGN_RULES = [
    {"match": r"(.*)conv_t/kernel".replace("/", r"\."), "name": r"\1temporal.weight", "layout": "t i o -> o i t 1"},
    {"match": r"(.*)\.conv_kernel", "name": r"\1.weight", "layout": "h w i o -> o i h w"},
    {"match": r"(.*)\.kernel", "name": r"\1.weight", "layout": "i o -> o i"},
    {"match": r"(.*)\.scale", "name": r"\1.weight"},
]


def weights(stage: int = 0, dtype: str = "float32", seed: int = 0) -> dict[str, NDArray[Any]]:
    """Random weights of a stage, with every bit of the dtype in use."""
    rng = np.random.default_rng([seed, stage])
    shapes = parameters(STAGES[stage].unet)
    return {name: rng.standard_normal(shape).astype(DTYPES[dtype]) for name, shape in shapes.items()}


def foreign(native: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """The same weights as another project in JAX would name and lay them out; `FOREIGN_RULES` undo it."""
    found = {}
    for name, array in native.items():
        stem = name.removesuffix(".weight")
        if name.endswith("temporal.weight") and array.ndim == 4:
            found[f"{name.removesuffix('temporal.weight')}conv_t.kernel"] = np.transpose(array[..., 0], (2, 1, 0))
        elif name.endswith(".weight") and array.ndim == 4:
            found[f"{stem}.conv_kernel"] = np.transpose(array, (2, 3, 1, 0))
        elif name.endswith(".weight") and array.ndim == 2:
            found[f"{stem}.kernel"] = array.T
        elif name.endswith(".weight"):
            found[f"{stem}.scale"] = array
        else:
            found[name] = array
    return found


def bits(arrays: dict[str, NDArray[Any]]) -> dict[str, tuple[str, tuple[int, ...], bytes]]:
    """What must be equal for two sets of weights to be the same bit for bit."""
    return {name: (array.dtype.name, array.shape, array.tobytes()) for name, array in arrays.items()}


def write_card(folder: Path, checkpoint: dict[str, Any] | None = None, stages: int = 2) -> Path:
    """A card to import with, its cascade.yaml beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cascade.yaml").write_text(json.dumps({**CASCADE, "stages": CASCADE["stages"][:stages]}))  # type: ignore[index]
    card: dict[str, Any] = {"name": "mine", "kind": "cascade", "licence": "Apache-2.0", "author": "a test"}
    (folder / "card.yaml").write_text(yaml.safe_dump(card | ({"checkpoint": checkpoint} if checkpoint else {})))
    return folder / "card.yaml"
