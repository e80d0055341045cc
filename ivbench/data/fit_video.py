"""A given video at the size and rate of a stage: frames skipped, edges cropped, resized.

The paper (section 2.3) resizes "antialiased bilinear" in space and skips frames in time; the crop is ours.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ivbench.errors import ShapeError
from ivbench.spec import GeneratorSpec, StageSpec

__all__ = ["fit_video"]

Frames = NDArray[np.uint8]


def fit_video(frames: Frames, fps: float | None, stage: StageSpec | GeneratorSpec, name: str) -> Frames:
    """A video as the stage makes them: its first frames at the stage's rate, the centre of each.

    Args:
        frames: [T', H', W', C] uint8, C = 3.
        fps: their rate; None: that of the stage.
        stage: gives T, H, W and the rate.
        name: how messages call the video.

    Returns:
        [T, H, W, C] uint8.

    Raises:
        ShapeError: too short for the stage, or of a lower rate.
    """
    stride = 1.0 if fps is None else fps / stage.fps
    if stride < 1:
        raise ShapeError(f"{name} has {fps:g} frames a second, {stage.fps:g} are needed. Give a video of that rate.")
    chosen = np.rint(np.arange(stage.frames) * stride).astype(int)
    if chosen[-1] >= len(frames):
        raise ShapeError(
            f"{name} has {len(frames)} frames, {chosen[-1] + 1} are needed for {stage.frames} at {stage.fps:g} fps. "
            "Give a longer video."
        )
    return np.stack([_fit_frame(frames[index], stage.height, stage.width) for index in chosen])


def _fit_frame(frame: Frames, height: int, width: int) -> Frames:
    """The largest centred part of the target's aspect ratio, resized: bilinear, antialiased where it shrinks."""
    scale = min(frame.shape[0] / height, frame.shape[1] / width)
    top, left = (frame.shape[0] - scale * height) / 2, (frame.shape[1] - scale * width) / 2
    box = (left, top, left + scale * width, top + scale * height)
    resized = Image.fromarray(frame).resize((width, height), Image.Resampling.BILINEAR, box=box)
    return np.asarray(resized, np.uint8)
