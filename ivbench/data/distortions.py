"""Graded distortions of videos: what a metric should notice. A level of 0 changes nothing, 1 is the strongest.

Spatial ones leave the order of frames alone; temporal ones leave every frame's picture alone but for warps.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from ivbench.errors import ConfigError

__all__ = ["SPATIAL", "TEMPORAL", "distort"]

Frames = NDArray[np.uint8]
Floats = NDArray[np.float64]
Distortion = Callable[[Frames, float, np.random.Generator], Frames]


def distort(frames: Frames, name: str, level: float, seed: int) -> Frames:
    """A distorted video.

    Args:
        frames: [T, H, W, 3] uint8.
        name: a key of `SPATIAL` or `TEMPORAL`.
        level: in [0, 1].
        seed: of what is random.

    Returns:
        [T, H, W, 3] uint8.

    Raises:
        ConfigError: no such distortion, or a level that is not in [0, 1].
    """
    known = {**SPATIAL, **TEMPORAL}
    if name not in known or not 0.0 <= level <= 1.0:
        raise ConfigError(f"{name} at {level} is no distortion. Allowed: {', '.join(known)}, at a level in [0, 1].")
    if level == 0.0:
        return frames
    return known[name](frames, level, np.random.Generator(np.random.Philox(key=seed)))


def _bytes(values: Floats) -> Frames:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def _noise(frames: Frames, level: float, draw: np.random.Generator) -> Frames:
    """White noise of a standard deviation up to 80 levels."""
    return _bytes(frames + draw.normal(size=frames.shape) * 80.0 * level)


def _blur(frames: Frames, level: float, draw: np.random.Generator) -> Frames:
    """A Gaussian of up to an eighth of the height."""
    sigma = level * frames.shape[1] / 8.0
    return _bytes(ndimage.gaussian_filter(frames.astype(np.float64), (0, sigma, sigma, 0)))


def _compression(frames: Frames, level: float, draw: np.random.Generator) -> Frames:
    """JPEG, each frame by itself, at a quality from 60 down to 2."""
    found = []
    for frame in frames:
        buffer = io.BytesIO()
        Image.fromarray(frame).save(buffer, "JPEG", quality=round(60 - 58 * level))
        found.append(np.asarray(Image.open(buffer).convert("RGB")))
    return np.stack(found)


def _colour(frames: Frames, level: float, draw: np.random.Generator) -> Frames:
    """More red, less blue, by up to 80 levels."""
    return _bytes(frames + level * np.array([80.0, 0.0, -80.0]))


def _shuffle(frames: Frames, level: float, draw: np.random.Generator) -> Frames:
    """A share of the frames change places among each other."""
    count = max(2, round(level * len(frames)))
    chosen = np.sort(draw.permutation(len(frames))[:count])
    order = np.arange(len(frames))
    order[chosen] = draw.permutation(chosen)
    return frames[order]


def _freeze(frames: Frames, level: float, draw: np.random.Generator) -> Frames:
    """A share of the frames show the frame before them again."""
    held = draw.random(len(frames)) < level
    held[0] = False
    return frames[np.maximum.accumulate(np.where(held, 0, np.arange(len(frames))))]


def _drop(frames: Frames, level: float, draw: np.random.Generator) -> Frames:
    """A share of the frames, of up to a half, is left out; the rest is stretched to the old length: uneven motion."""
    kept = max(1, round(len(frames) * (1.0 - level / 2.0)))
    chosen = np.sort(draw.permutation(len(frames))[:kept])
    return frames[chosen[np.arange(len(frames)) * kept // len(frames)]]


def _reverse(frames: Frames, level: float, draw: np.random.Generator) -> Frames:
    """A share of the videos run backwards."""
    return frames[::-1] if draw.random() < level else frames


def _jitter(frames: Frames, level: float, draw: np.random.Generator) -> Frames:
    """Every frame is moved by itself, by up to an eighth of its size; borders repeat."""
    reach = np.array(frames.shape[1:3]) * level / 8.0
    moved = [ndimage.shift(frame, (*draw.uniform(-reach, reach), 0), order=1, mode="nearest") for frame in frames]
    return np.stack(moved)


def _warp(frames: Frames, level: float, draw: np.random.Generator) -> Frames:
    """Every frame is bent by itself, smoothly, by up to about a twelfth of its height."""
    height, width = frames.shape[1:3]
    grid = np.stack(np.meshgrid(np.arange(height), np.arange(width), indexing="ij")).astype(np.float64)
    found = []
    for frame in frames:
        bend = ndimage.gaussian_filter(draw.normal(size=(2, height, width)), (0, height / 8.0, width / 8.0))
        place = grid + bend / max(float(np.abs(bend).max()), 1e-12) * level * height / 12.0
        channels = [ndimage.map_coordinates(frame[..., c], place, order=1, mode="nearest") for c in range(3)]
        found.append(np.stack(channels, -1))
    return np.stack(found)


SPATIAL: Mapping[str, Distortion] = {
    "noise": _noise,
    "blur": _blur,
    "compression": _compression,
    "colour": _colour,
}
TEMPORAL: Mapping[str, Distortion] = {
    "shuffle": _shuffle,
    "freeze": _freeze,
    "drop": _drop,
    "reverse": _reverse,
    "jitter": _jitter,
    "warp": _warp,
}
