"""The judge's own drawings of the five shapes: supersampled masks at a given centre and radius."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

__all__ = ["level", "moments", "rasterise"]

_FINE_HEIGHT = 48

Floats = NDArray[np.float64]
AnyFloats = NDArray[np.floating]


def level(shape: str, u: AnyFloats, v: AnyFloats) -> AnyFloats:
    """Signed depth of points in a shape of radius 1 around the origin: negative inside, v downwards.

    Args:
        shape: circle, square, triangle, cross or ring.
        u, v: coordinates in radii, any shapes that broadcast.
    """
    across, along = abs(u), abs(v)
    if shape == "circle":
        return np.asarray(np.sqrt(u * u + v * v) - 1.0)
    if shape == "ring":
        return np.asarray(abs(np.sqrt(u * u + v * v) - 0.74) - 0.26)
    if shape == "square":
        return np.asarray(np.maximum(across, along) - 0.88)
    if shape == "triangle":
        return np.asarray(np.maximum(v - 0.8, 0.882 * across - 0.471 * (v + 1.0)))
    short, long = np.minimum(across, along), np.maximum(across, along)
    return np.asarray(np.maximum(short - 0.36, long - 1.0))


@cache
def moments(shape: str) -> tuple[float, float]:
    """Area (in radii^2) and the centroid's distance below the centre (in radii) of a shape of radius 1."""
    axis = (np.arange(800) + 0.5) / 400 - 1
    inside = level(shape, axis[None, :], axis[:, None]) <= 0
    return float(inside.sum() / 400**2), float((inside * axis[:, None]).sum() / inside.sum())


def rasterise(shape: str, x: Floats, y: Floats, radius: Floats, height: int, width: int) -> Floats:
    """Coverage of every pixel by a shape, by counting points of a finer grid.

    Args:
        shape: which shape.
        x, y: [B, T] the centre, in heights from the left and the top.
        radius: [B, T] in heights; zero draws nothing.
        height, width: pixels.

    Returns:
        [B, T, H, W] float64 in [0, 1].
    """
    fine = max(2, _FINE_HEIGHT // height)
    rows, columns = ((np.arange(n * fine) + 0.5) / (height * fine) for n in (height, width))
    r = np.maximum(radius, 1e-6)[..., None, None].astype(np.float32)
    u = (columns.astype(np.float32) - x[..., None, None].astype(np.float32)) / r
    v = (rows.astype(np.float32)[:, None] - y[..., None, None].astype(np.float32)) / r
    inside = level(shape, u, v) <= 0
    return np.asarray(inside.reshape(*radius.shape, height, fine, width, fine).mean((-3, -1), dtype=np.float64))
