"""What moves in a video, by matching blocks of consecutive frames: no network, nothing learned.

It is no optical flow: a block of even colour shows no motion, and what moves farther than a sixteenth of the shorter
side a frame is not found.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

__all__ = ["MOTION_IDENTITY", "Motion", "block_motion", "colour_shift", "is_dynamic", "mean_change"]

MOTION_IDENTITY = {"name": "block-motion", "version": 2}
"""The version is raised when its answers change. Digested, it is in the protocol of every score that it decides."""

_SIDE = 64  # pixels of the shorter side that blocks are matched at
_REACH = 4  # pixels at that size
_GAIN = 0.5  # a block moved only if its difference falls below this part of the unmoved one's
_LUMA = np.array([0.299, 0.587, 0.114])  # Rec. 601
_TOP = 0.05
_FAST = 6.0 / 256.0
_OFTEN = 4 / 16

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Motion:
    """How blocks move from each frame to the next.

    Attributes:
        length: [T - 1, B] float64: displacement of each block, as a part of the shorter side.
        residual: [T - 1, B] float64: mean squared difference of a block and where it went, luma in [0, 1]; between
            pixels by the parabola.
    """

    length: Floats
    residual: Floats


def mean_change(video: NDArray[np.uint8]) -> float:
    """Mean absolute difference of consecutive frames, in levels of 255; 0 of a single frame.

    Args:
        video: [T, H, W, 3] uint8.

    Source: VBench's temporal flickering is (255 - this) / 255 (Huang et al. 2023, 2311.17982, section 4.1).
    """
    if len(video) < 2:
        return 0.0
    return float(np.mean([np.abs(b.astype(np.int16) - a).mean() for a, b in pairwise(video)]))


def colour_shift(video: NDArray[np.uint8]) -> float:
    """Root mean square distance, over frames, of a frame's mean RGB and the clip's, in levels of 255.

    Args:
        video: [T, H, W, 3] uint8.
    """
    colours = video.mean(axis=(1, 2), dtype=np.float64)
    return float(np.sqrt(np.square(colours - colours.mean(axis=0)).sum(axis=1).mean()))


def block_motion(video: NDArray[np.uint8]) -> Motion:
    """Match every block of a frame with the next frame, within 4 pixels at a shorter side of 64.

    Args:
        video: [T, H, W, 3] uint8, T >= 2; H and W at least 4.

    Blocks have an eighth of the shorter side, 4 to 8 pixels; a matched place is refined by a parabola on each axis.
    """
    frames = _reduced(video)
    side = min(frames.shape[1:])
    size = int(np.clip(side // 8, 4, 8))
    reach = min(_REACH, size)
    costs = np.stack([[_cost(frames, dy, dx, size) for dx in _range(reach)] for dy in _range(reach)])
    return _best(costs, reach, side)


def is_dynamic(motion: Motion) -> bool:
    """VBench's rule: the fastest 5 % of the picture move over 6 pixels of 256 in a quarter of the pairs or more.

    Source: VBench (2311.17982), dynamic degree, whose flow is RAFT's at 8 frames a second.
    """
    top = max(1, int(motion.length.shape[1] * _TOP))
    fastest = np.sort(motion.length, axis=1)[:, -top:].mean(axis=1)
    return int((fastest > _FAST).sum()) >= max(1, round(_OFTEN * (len(fastest) + 1)))


def _range(reach: int) -> range:
    return range(-reach, reach + 1)


def _reduced(video: NDArray[np.uint8]) -> Floats:
    """[T, h, w] luma in [0, 1], the shorter side between 64 and 127 where it was larger."""
    luma = np.stack([frame @ _LUMA for frame in video]) / 255.0
    factor = max(1, min(luma.shape[1:]) // _SIDE)
    height, width = (side // factor for side in luma.shape[1:])
    cut = luma[:, : height * factor, : width * factor]
    return np.asarray(cut.reshape(len(cut), height, factor, width, factor).mean(axis=(2, 4)))


def _cost(frames: Floats, dy: int, dx: int, size: int) -> Floats:
    """[T - 1, B] mean squared difference of blocks and the next frame, moved by (dy, dx); edges are repeated."""
    height, width = frames.shape[1:]
    rows, columns = np.clip(np.arange(height) + dy, 0, height - 1), np.clip(np.arange(width) + dx, 0, width - 1)
    square = np.square(frames[:-1] - frames[1:][:, rows][:, :, columns])
    down, across = height // size, width // size
    blocks = square[:, : down * size, : across * size].reshape(len(square), down, size, across, size)
    return np.asarray(blocks.mean(axis=(2, 4)).reshape(len(square), -1))


def _best(costs: Floats, reach: int, side: int) -> Motion:
    """The least cost of [2r + 1, 2r + 1, T - 1, B], of equals the nearest place."""
    offsets = np.array([(dy, dx) for dy in _range(reach) for dx in _range(reach)])
    near = np.argsort(np.square(offsets).sum(axis=1), kind="stable")
    flat = costs.reshape(len(offsets), *costs.shape[2:])
    place = near[flat[near].argmin(axis=0)]
    least, still = np.take_along_axis(flat, place[None], axis=0)[0], flat[near[0]]
    (down, gain), (across, other) = (_parabola(costs, offsets[place], axis, reach) for axis in (0, 1))
    least = np.maximum(least - gain - other, 0.0)
    moved = least < _GAIN * still
    length = np.hypot(offsets[place, 0] + down, offsets[place, 1] + across)
    return Motion(np.where(moved, length, 0.0) / side, np.where(moved, least, still))


def _parabola(costs: Floats, offset: NDArray[np.int64], axis: int, reach: int) -> tuple[Floats, Floats]:
    """[T - 1, B] how far off, within 1/2, and how much lower the least of a parabola through three places is."""
    step = np.array([1, 0]) if axis == 0 else np.array([0, 1])
    pair, block = np.indices(offset.shape[:2])

    def at(shift: int) -> Floats:
        where = np.clip(offset + shift * step, -reach, reach) + reach
        return np.asarray(costs[where[..., 0], where[..., 1], pair, block])

    before, here, after = at(-1), at(0), at(1)
    bend = before - 2.0 * here + after
    inside = (np.abs(offset[..., axis]) < reach) & (bend > 0)
    off = np.where(inside, np.clip((before - after) / np.where(inside, 2.0 * bend, 1.0), -0.5, 0.5), 0.0)
    return off, off * (before - after) / 4.0
