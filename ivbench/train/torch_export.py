"""A trained stage as the zoo ships it: one safetensors file of its averaged weights."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor

from ivbench.results.atomic import write_bytes

__all__ = ["export_weights"]


def export_weights(weights: dict[str, Tensor], path: Path) -> None:
    """Write weights in float16, whole or not at all.

    Args:
        weights: array by flat name.
        path: the safetensors file.

    Raises:
        StoreError: the place cannot be written.
    """
    half = {name: value.to(torch.float16).contiguous() for name, value in weights.items()}
    write_bytes(path, save(half))
