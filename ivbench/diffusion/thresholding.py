"""Thresholding of the predicted clean video: none, static or dynamic.

Samplers update from (x_hat, z), so eps and v are recomputed from the clipped x_hat by construction.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

from array_api_compat import array_namespace, is_jax_namespace, is_torch_namespace

from ivbench.diffusion.arrays import Array
from ivbench.errors import ConfigError

__all__ = ["Thresholding", "ThresholdingKind", "dynamic_threshold", "percentile_of_magnitude", "static_threshold"]

ThresholdingKind = Literal["none", "static", "dynamic"]


@dataclass(frozen=True)
class Thresholding:
    """Which thresholding to apply to x_hat.

    Args:
        kind: none, static or dynamic.
        percentile: of |x_hat| over the whole video, in [0, 100]; read by `dynamic` only. 99.5 is Imagen's.

    Raises:
        ConfigError: no such kind, or a percentile out of range.
    """

    kind: ThresholdingKind = "none"
    percentile: float = 99.5

    def __post_init__(self) -> None:
        if self.kind not in get_args(ThresholdingKind):
            raise ConfigError(f'no thresholding is called "{self.kind}". Allowed: none, static, dynamic.')
        if not 0.0 <= self.percentile <= 100.0:
            raise ConfigError(f"thresholding: percentile is {self.percentile:g}; it must be in [0, 100].")

    def __call__(self, x: Array) -> Array:
        """[B, T, H, W, C] float -> the same shape and dtype, thresholded; infinity becomes NaN, which no step hides."""
        if self.kind == "none":
            return x
        xp = array_namespace(x)
        marked = xp.where(xp.isfinite(x), x, xp.full_like(x, math.nan))
        return static_threshold(marked) if self.kind == "static" else dynamic_threshold(marked, self.percentile)


def static_threshold(x: Array) -> Array:
    """Clip to [-1, 1].

    Args:
        x: [B, ...] float.

    Returns:
        The same shape and dtype, in [-1, 1].

    Source: Imagen (2205.11487), section 2.3.
    """
    return array_namespace(x).clip(x, -1.0, 1.0)


def dynamic_threshold(x: Array, percentile: float = 99.5) -> Array:
    """Clip to [-s, s] and divide by s, where s = max(percentile of |x| over the video, 1).

    Args:
        x: [B, ...] float.
        percentile: in [0, 100].

    Returns:
        The same shape and dtype, in [-1, 1]; `x` itself where nothing exceeds 1.

    Source: Imagen (2205.11487), section 2.3.
    """
    xp = array_namespace(x)
    s = percentile_of_magnitude(x, percentile)
    s = xp.reshape(xp.maximum(s, xp.ones_like(s)), (x.shape[0],) + (1,) * (x.ndim - 1))
    return xp.minimum(xp.maximum(x, -s), s) / s


def percentile_of_magnitude(x: Array, percentile: float) -> Array:
    """The percentile of |x| over each sample: two order statistics and linear interpolation (NumPy's "linear").

    Args:
        x: [B, ...] float.
        percentile: in [0, 100].

    Returns:
        [B], dtype of `x`.
    """
    xp = array_namespace(x)
    magnitude = xp.reshape(xp.abs(x), (x.shape[0], -1))
    position = percentile / 100.0 * (magnitude.shape[1] - 1)
    below = math.floor(position)
    low, high = _neighbours(magnitude, below)
    return low + (position - below) * (high - low)


def _neighbours(magnitude: Array, below: int) -> tuple[Array, Array]:
    """The values of rank `below` and `below` + 1 (or the last) of each row of [B, M], counted from the smallest."""
    xp = array_namespace(magnitude)
    size = magnitude.shape[1]
    if is_torch_namespace(xp):  # ~100 times faster there than its sort, and the same values
        largest = xp.topk(magnitude, size - below, dim=-1).values
        return largest[:, -1], largest[:, max(size - below - 2, 0)]
    if is_jax_namespace(xp):  # likewise
        rank = size - 1 - below
        smallest = xp.partition(-magnitude, rank, axis=-1)
        low = -smallest[:, rank]
        return low, -xp.max(smallest[:, :rank], axis=-1) if rank else low
    ordered = xp.sort(magnitude, axis=-1, stable=False)
    return ordered[:, below], ordered[:, min(below + 1, size - 1)]
