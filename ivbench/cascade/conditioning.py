"""The conditioning video: resize in space, fill in frames, on any array backend.

Space: bilinear, half-pixel centres (paper, section 2.3: "bilinear"); nearest where another project's network was
trained so. Time: the input's frame i becomes frame k*i, the phase of frame skipping; what stands between is a repeat of
it, or blank.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from array_api_compat import array_namespace, device
from numpy.typing import NDArray

from ivbench.errors import ShapeError
from ivbench.spec import StageSpec

__all__ = ["conditioning_video", "fill_frames", "upsample"]

Array = Any


def conditioning_video(low: Array, stage: StageSpec) -> Array:
    """The stage's conditioning video, from the previous stage's output.

    Args:
        low: [B, T', H', W', C] float in [-1, 1].
        stage: T' divides its frames, H' and W' its height and width.

    Returns:
        [B, T, H, W, C] of the stage, dtype and backend of `low`.

    Raises:
        ShapeError: the video does not fit the stage; says both.
    """
    if low.ndim != 5 or low.shape[-1] != stage.shape[-1]:
        raise ShapeError(
            f'stage "{stage.name}" expects video [B, T, H, W, {stage.shape[-1]}], got {list(low.shape)}. '
            "Put channels last."
        )
    frames, height, width = low.shape[1:4]
    if stage.frames % frames or stage.height % height or stage.width % width:
        raise ShapeError(
            f'stage "{stage.name}" makes {stage.frames}x{stage.height}x{stage.width} (TxHxW) and cannot start from '
            f"{frames}x{height}x{width}: each must be a whole fraction. Put the stage that it was trained on before it."
        )
    resize = "bilinear" if stage.network is None else stage.network.resize
    return upsample(fill_frames(low, stage.frames, stage.frame_filling), stage.height, stage.width, resize)


def fill_frames(video: Array, frames: int, filling: str) -> Array:
    """Lengthen a video: frame i of T' becomes frame i * frames / T'.

    Args:
        video: [B, T', H, W, C].
        frames: T, a multiple of T'.
        filling: repeat (the frame before) or blank (zeros).

    Returns:
        [B, T, H, W, C].
    """
    batch, before, height, width, channels = video.shape
    factor = frames // before
    if factor == 1:
        return video
    xp = array_namespace(video)
    shape = (batch, before, factor, height, width, channels)
    if filling == "repeat":
        filled = xp.broadcast_to(xp.expand_dims(video, axis=2), shape)
    else:
        blank = xp.zeros((batch, before, factor - 1, height, width, channels), dtype=video.dtype, device=device(video))
        filled = xp.concat([xp.expand_dims(video, axis=2), blank], axis=2)
    return xp.reshape(filled, (batch, frames, height, width, channels))


def upsample(video: Array, height: int, width: int, resize: str = "bilinear") -> Array:
    """Bilinear upsampling with half-pixel centres and edges held, or nearest, as two small matrix products.

    Args:
        video: [B, T, H', W', C].
        height, width: at least H' and W'.
        resize: bilinear or nearest.

    Returns:
        [B, T, height, width, C].
    """
    batch, frames, h, w, channels = video.shape
    if (h, w) == (height, width):
        return video
    xp = array_namespace(video)
    rows, columns = (
        xp.asarray(_weights(n, m, resize), dtype=video.dtype, device=device(video))
        for n, m in ((h, height), (w, width))
    )
    tall = xp.matmul(rows, xp.reshape(video, (batch, frames, h, w * channels)))
    return xp.matmul(columns, xp.reshape(tall, (batch, frames, height, w, channels)))


@cache
def _weights(inputs: int, outputs: int, resize: str) -> NDArray[np.float64]:
    """[outputs, inputs]: each row the two weights of bilinear interpolation, or the one of the nearest."""
    if resize == "nearest":
        return np.eye(inputs)[np.arange(outputs) * inputs // outputs]
    place = np.clip((np.arange(outputs) + 0.5) * inputs / outputs - 0.5, 0, inputs - 1)
    left = np.minimum(place.astype(int), inputs - 1)
    right = np.minimum(left + 1, inputs - 1)
    weights = np.zeros((outputs, inputs))
    np.add.at(weights, (np.arange(outputs), left), 1 - (place - left))
    np.add.at(weights, (np.arange(outputs), right), place - left)
    return weights
