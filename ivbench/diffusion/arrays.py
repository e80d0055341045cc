"""What the mathematics asks of an array: any backend that array-api-compat knows, and nothing of a framework."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

from array_api_compat import array_namespace

from ivbench.errors import ShapeError

__all__ = ["Array", "per_sample", "require_same_shape"]

Array: TypeAlias = Any
"""An array of any array-API backend (NumPy, torch, JAX, ...)."""


def per_sample(value: Array, like: Array) -> Array:
    """Make one number a sample broadcast against a batch of videos.

    Args:
        value: a Python number, a 0-d array, or `[B]`: one number a sample.
        like: [B, ...]: the array that it will be multiplied with.

    Returns:
        A Python float for a number, since a NumPy float64 scalar would widen float32; else
        `value` in the dtype of `like`, shape `[]` or `[B, 1, ...]`.

    Raises:
        ShapeError: `value` is neither a scalar nor one number a sample.
    """
    if isinstance(value, (int, float)):
        return float(value)
    xp = array_namespace(like)
    value = xp.astype(value, like.dtype)
    if value.ndim == 0:
        return value
    if tuple(value.shape) != tuple(like.shape[:1]):
        raise ShapeError(
            f"log SNR has shape {tuple(value.shape)}, the batch {tuple(like.shape)}. Give one number, or one a sample."
        )
    return xp.reshape(value, tuple(value.shape) + (1,) * (like.ndim - 1))


def require_same_shape(arrays: Sequence[Array], what: Sequence[str]) -> None:
    """Refuse arrays that would broadcast silently.

    Raises:
        ShapeError: shapes differ; says both.
    """
    first = tuple(arrays[0].shape)
    for array, name in zip(arrays[1:], what[1:], strict=True):
        if tuple(array.shape) != first:
            raise ShapeError(f"{what[0]} has shape {first}, {name} {tuple(array.shape)}. They must be the same.")
