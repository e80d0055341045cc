"""A trained stage as the zoo ships it: one safetensors file of its weights in float16."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor

from ivbench.errors import NonFiniteError
from ivbench.results.atomic import write_bytes

__all__ = ["export_weights", "half_precision"]


def export_weights(weights: Mapping[str, Tensor], path: Path) -> None:
    """Write weights in float16, whole or not at all.

    Args:
        weights: array by flat name.
        path: the safetensors file.

    Raises:
        NonFiniteError: a weight is NaN, infinite, or beyond float16.
        StoreError: the place cannot be written.
    """
    write_bytes(path, half_precision(weights))


def half_precision(weights: Mapping[str, Tensor]) -> bytes:
    """Weights in float16 as the bytes of a safetensors file.

    Raises:
        NonFiniteError: a weight is NaN, infinite, or beyond float16.
    """
    half = {name: value.to("cpu", torch.float16).contiguous() for name, value in weights.items()}
    broken = [name for name, value in half.items() if not bool(torch.isfinite(value).all())]
    if broken or not half:
        raise NonFiniteError(f"the weight {(broken or ['(none)'])[0]} is not finite in float16. Train anew.")
    return save(half)
