"""Sprite strips: a clip as one lossless WebP image, its frames side by side, for reports.

A strip needs no codec to play, is accurate to the frame, and has the same bytes for the same pixels.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ivbench.errors import ShapeError
from ivbench.results.atomic import write_bytes

__all__ = ["MAX_WIDTH", "read_sprite", "write_sprite"]

MAX_WIDTH = 16_383
"""Pixels a side that the WebP format can hold."""


def write_sprite(video: NDArray[np.uint8], path: Path) -> None:
    """Write a clip as a sprite strip: atomic, lossless, the same bytes for the same pixels.

    Args:
        video: [T, H, W, C] uint8, C = 3, colours in [0, 255].
        path: the file to write; its folder is made where it is missing.

    Raises:
        ShapeError: not a clip of bytes, or a strip wider than the format holds.
        StoreError: the place can't be written.
    """
    if video.ndim != 4 or video.shape[-1] != 3 or video.dtype != np.uint8 or 0 in video.shape:
        raise ShapeError(f"a sprite strip needs a [T, H, W, 3] uint8 video, got {list(video.shape)} {video.dtype}.")
    frames, height, width, _ = video.shape
    if frames * width > MAX_WIDTH or height > MAX_WIDTH:
        raise ShapeError(
            f"{frames} frames of {width} x {height} pixels make a strip {frames * width} pixels wide; WebP holds "
            f"{MAX_WIDTH}. Show fewer frames or a smaller size."
        )
    strip = np.ascontiguousarray(video.transpose(1, 0, 2, 3)).reshape(height, frames * width, 3)
    content = io.BytesIO()
    Image.fromarray(strip).save(content, "WEBP", lossless=True, quality=100, method=4)
    write_bytes(path, content.getvalue())


def read_sprite(path: Path, frames: int) -> NDArray[np.uint8]:
    """Read a sprite strip back as a clip.

    Args:
        path: a file that `write_sprite` wrote.
        frames: how many frames lie side by side in it.

    Returns:
        [T, H, W, C] uint8.

    Raises:
        ShapeError: the strip's width is not a multiple of `frames`.
    """
    with Image.open(path) as image:
        strip = np.asarray(image.convert("RGB"))
    height, total, _ = strip.shape
    if frames < 1 or total % frames:
        raise ShapeError(
            f"a strip {total} pixels wide cannot hold {frames} frames. Give the number it was written with."
        )
    return np.ascontiguousarray(strip.reshape(height, frames, total // frames, 3).transpose(1, 0, 2, 3))
