"""Write the frames of a folder as ADM's batch of images, `npz {arr_0}`: [N, H, W, 3] uint8.

Source: openai/guided-diffusion, `evaluations/evaluator.py`, which reads such files.
"""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ivbench.data.unpacked import set_folder
from ivbench.data.video_files import find_videos, read_video
from ivbench.errors import ShapeError, StoreError, UnreadableError

__all__ = ["write_image_batch"]


def write_image_batch(folder: Path, out: Path, tell: Callable[[str], None]) -> int:
    """Write all frames of a folder's videos and images, in natural order, whole or not at all; one video at a time.

    Args:
        folder: of videos and images of one size.
        out: the npz.
        tell: told of each file that cannot be read and is left out.

    Returns:
        N, the images written.

    Raises:
        MissingFileError: no such folder, or nothing in it.
        ShapeError: frames of several sizes, or no frame.
        StoreError: the place cannot be written.
    """
    paths = find_videos(set_folder(folder))
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out.parent) as partial:
            shape = _write_pixels(paths, Path(partial) / "pixels", tell)
            _write_npz(Path(partial) / "pixels", shape, Path(partial) / "batch.npz")
            (Path(partial) / "batch.npz").replace(out)
    except OSError as error:
        raise StoreError(f"{out} cannot be written: {error.strerror or error}.") from error
    return shape[0]


def _write_pixels(paths: list[Path], place: Path, tell: Callable[[str], None]) -> tuple[int, int, int, int]:
    """The bytes of all frames, one behind the other; their number and size."""
    count, size, first = 0, None, Path()
    with place.open("wb") as file:
        for path in paths:
            try:
                frames = read_video(path).frames
            except (UnreadableError, ShapeError) as error:
                tell(f"left out: {error}")
                continue
            if size is not None and frames.shape[1:3] != size:
                (h, w), (h2, w2) = size, frames.shape[1:3]
                raise ShapeError(
                    f"{first} is {h}x{w} and {path} {h2}x{w2}. A batch's images have one size: resize them."
                )
            first, size, count = first if count else path, frames.shape[1:3], count + len(frames)
            file.write(np.ascontiguousarray(frames).tobytes())
    if size is None:
        raise ShapeError("no file could be read: there is no image to write.")
    return count, size[0], size[1], 3


def _write_npz(pixels: Path, shape: tuple[int, ...], out: Path) -> None:
    header = {"descr": "|u1", "fortran_order": False, "shape": shape}
    with zipfile.ZipFile(out, "w") as archive, archive.open("arr_0.npy", "w", force_zip64=True) as member:
        np.lib.format.write_array_header_1_0(member, header)
        with pixels.open("rb") as source:
            shutil.copyfileobj(source, member)
