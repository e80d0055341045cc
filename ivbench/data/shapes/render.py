"""Scenes of the shapes domain, drawn anti-aliased at any resolution and frame rate.

Lengths are in units of the frame's height, time in seconds. A clip lasts 4/3 s: 4 frames at 3 fps, 32 at 24 fps show
the same motion. Every stage's training data is the same scene rendered at the stage's own size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ivbench.data.shapes.attributes import BACKGROUNDS, COLOURS, SHAPES, Attributes

__all__ = ["DURATION", "Scene", "coverage", "draw_scene", "render", "render_image", "to_uint8"]

DURATION = 4.0 / 3.0
ASPECT = 5.0 / 3.0
_DIAMETER = {"small": 0.42, "large": 0.54}
_PATH = {"left": (-0.75, 0.0), "right": (0.75, 0.0), "up": (0.0, -0.45), "down": (0.0, 0.45)}
_GROWTH = (0.8, 0.8)
_LAST = 31.0 / 32.0

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Scene:
    """A clip before it is drawn.

    Attributes:
        attributes: what it shows.
        x, y: the centre at time 0, in heights from the left and from the top.
    """

    attributes: Attributes
    x: float
    y: float

    def centre(self, progress: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Centre (x, y) in heights at each progress (time / DURATION, in [0, 1))."""
        dx, dy = _PATH.get(self.attributes.motion, (0.0, 0.0))
        return self.x + dx * progress, self.y + dy * progress

    def diameter(self, progress: NDArray[np.float64]) -> NDArray[np.float64]:
        """Diameter in heights at each progress."""
        scale = _DIAMETER[self.attributes.size]
        if self.attributes.motion != "growing":
            return np.full_like(progress, scale)
        return scale * (_GROWTH[0] + _GROWTH[1] * progress)


def draw_scene(attributes: Attributes, generator: np.random.Generator) -> Scene:
    """A scene with these attributes at a random place, wholly inside the frame from the first frame to the last.

    Args:
        attributes: what the scene shows.
        generator: where the place comes from; two uniform draws.
    """
    largest = _DIAMETER[attributes.size]
    if attributes.motion == "growing":
        largest *= _GROWTH[0] + _GROWTH[1] * _LAST
    path = _PATH.get(attributes.motion, (0.0, 0.0))
    place = []
    for length, travel in zip((ASPECT, 1.0), path, strict=True):
        low = largest / 2 - min(0.0, travel * _LAST)
        high = length - largest / 2 - max(0.0, travel * _LAST)
        place.append(low + (high - low) * generator.random())
    return Scene(attributes, place[0], place[1])


def _signed_distance(shape: str, x: Floats, y: Floats, r: Floats) -> Floats:
    """Distance to the outline, negative inside; x to the right, y downwards, r = half the diameter; all broadcast."""
    if shape == "circle":
        distance = np.hypot(x, y) - r
    elif shape == "square":
        distance = np.maximum(abs(x), abs(y)) - 0.88 * r
    elif shape == "triangle":
        distance = np.maximum(y - 0.8 * r, 0.882 * abs(x) - 0.471 * y - 0.471 * r)
    elif shape == "cross":
        upright = np.maximum(abs(x) - 0.36 * r, abs(y) - r)
        distance = np.minimum(upright, np.maximum(abs(y) - 0.36 * r, abs(x) - r))
    else:
        distance = abs(np.hypot(x, y) - 0.74 * r) - 0.26 * r
    return np.asarray(distance, dtype=np.float32)


def coverage(shape: str, x: Floats, y: Floats, r: Floats, pixel: float) -> Floats:
    """Share of each pixel that the shape covers, in [0, 1].

    Args:
        shape: one of `SHAPES`.
        x, y: [..., H, W] offsets of the pixels' centres from the shape's centre, in heights.
        r: [..., 1, 1] half the diameter, in heights.
        pixel: a pixel's side, in heights.
    """
    return np.asarray(np.clip(0.5 - _signed_distance(shape, x, y, r) / np.float32(pixel), 0.0, 1.0), np.float32)


def render(scenes: Sequence[Scene], num_frames: int, fps: float, height: int, width: int) -> Floats:
    """Draw scenes as videos.

    Args:
        scenes: B scenes.
        num_frames: frames a video; frame i shows time i / fps.
        fps: frames a second.
        height, width: pixels; the aspect of the domain is 5:3.

    Returns:
        [B, T, H, W, C] float32 in [-1, 1].
    """
    progress = np.arange(num_frames) / fps / DURATION
    return _draw(scenes, np.tile(progress, (len(scenes), 1)), height, width)


def render_image(scenes: Sequence[Scene], progress: NDArray[np.float64], height: int, width: int) -> Floats:
    """Draw one frame of each scene.

    Args:
        scenes: B scenes.
        progress: [B] moment of each frame, time / DURATION in [0, 1).
        height, width: pixels.

    Returns:
        [B, H, W, C] float32 in [-1, 1].
    """
    return _draw(scenes, progress[:, None], height, width)[:, 0]


def _draw(scenes: Sequence[Scene], progress: NDArray[np.float64], height: int, width: int) -> Floats:
    pixel = 1.0 / height
    grid_x = ((np.arange(width, dtype=np.float32) + 0.5) * np.float32(pixel))[None, None, None, :]
    grid_y = ((np.arange(height, dtype=np.float32) + 0.5) * np.float32(pixel))[None, None, :, None]
    videos = np.empty((*progress.shape, height, width, 3), np.float32)
    for shape in SHAPES:
        rows = [i for i, scene in enumerate(scenes) if scene.attributes.shape == shape]
        if not rows:
            continue
        group = [scenes[i] for i in rows]
        centres = [scene.centre(progress[i]) for i, scene in zip(rows, group, strict=True)]
        x = grid_x - _stack([centre[0] for centre in centres])
        y = grid_y - _stack([centre[1] for centre in centres])
        r = _stack([scene.diameter(progress[i]) / 2 for i, scene in zip(rows, group, strict=True)])
        mask = coverage(shape, x, y, r, pixel)[..., None]
        paint = _paint(shape, group, x, y, r, pixel)
        ground = _colours([BACKGROUNDS[scene.attributes.background] for scene in group])
        videos[rows] = ground + mask * (paint - ground)
    return videos


def _paint(shape: str, group: Sequence[Scene], x: Floats, y: Floats, r: Floats, pixel: float) -> Floats:
    """[B, T, H, W, C]: the colour of the shape at each pixel, by style."""
    plain = _colours([COLOURS[scene.attributes.colour] for scene in group])
    styles = np.array([scene.attributes.style for scene in group])
    if (styles == "solid").all():
        return plain
    paint = np.broadcast_to(plain, (*np.broadcast_shapes(x.shape, y.shape), 3)).copy()
    if (outlined := styles == "outlined").any():
        dark = np.array([scene.attributes.background == "white" for scene in group])[outlined]
        line = np.where(dark, np.float32(-0.9), np.float32(0.9))[:, None, None, None, None]
        inside = coverage(shape, x[outlined], y[outlined], r[outlined], pixel)
        depth = _signed_distance(shape, x[outlined], y[outlined], r[outlined]) + 0.22 * r[outlined]
        inner = np.clip(0.5 - depth / pixel, 0, 1)
        paint[outlined] += (inside - inner)[..., None] * (line - paint[outlined])
    if (striped := styles == "striped").any():
        wave = np.sin(np.broadcast_to(x[striped], paint[striped].shape[:-1]) * (2 * np.pi / (0.8 * r[striped])))
        share = np.clip(0.5 + wave * (0.4 * r[striped] / np.pi) / pixel, 0.0, 1.0)[..., None]
        paint[striped] += share * (np.float32(-0.8) - paint[striped])
    return paint


def _stack(rows: Sequence[NDArray[np.float64]]) -> Floats:
    return np.stack(rows).astype(np.float32)[:, :, None, None]


def _colours(rows: Sequence[tuple[int, int, int]]) -> Floats:
    return (np.array(rows, np.float32) / np.float32(127.5) - 1)[:, None, None, None, :]


def to_uint8(videos: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Final videos as bytes: rint(127.5 x + 127.5), clipped.

    Args:
        videos: [B, T, H, W, C] float in [-1, 1].

    Returns:
        [B, T, H, W, C] uint8.
    """
    return np.asarray(np.clip(np.rint(127.5 * videos + 127.5), 0, 255), np.uint8)
