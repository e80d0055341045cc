"""A set of videos or images in one file: a zip of a folder, or ADM's batch of images, `npz {arr_0}`.

Both are unpacked once into the user's cache folder, under the digest of the file.

Source of the batch: openai/guided-diffusion, `evaluations/evaluator.py`: arr_0 is [N, H, W, 3] uint8.
"""

from __future__ import annotations

import os
import shutil
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO

import numpy as np

from ivbench.config import file_digest
from ivbench.errors import ConfigError, UnreadableError

__all__ = ["set_folder", "unpacked_zip"]

_BATCH = "arr_0.npy"


def set_folder(path: Path) -> Path:
    """The folder of videos and images that a path stands for: itself, or what a zip or a batch of images holds.

    A zip is the folder in it; a batch's images lie in their order, an array each.

    Raises:
        UnreadableError: it cannot be unpacked.
        ConfigError: a zip's file leads out of it.
    """
    if not path.is_file():
        return path
    if path.suffix.lower() == ".zip":
        folder = unpacked_zip(path)
        inside = [one for one in folder.iterdir() if not one.name.startswith((".", "__MACOSX"))]
        return inside[0] if len(inside) == 1 and inside[0].is_dir() else folder
    if path.suffix.lower() == ".npz" and _images(path):
        return _unpacked(path, lambda into: _write_images(path, into))
    return path


def unpacked_zip(archive: Path) -> Path:
    """The folder of what a zip holds.

    Raises:
        UnreadableError, ConfigError: as `set_folder`.
    """

    def write(into: Path) -> None:
        with zipfile.ZipFile(archive) as opened:
            _refuse_outside(opened, archive)
            opened.extractall(into)

    return _unpacked(archive, write)


def _unpacked(archive: Path, write: Callable[[Path], None]) -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "ivbench" / "unpacked" / file_digest(archive)
    if folder.is_dir():
        return folder
    partial = folder.with_name(f"{folder.name}.{os.getpid()}")
    try:
        partial.mkdir(parents=True)
        write(partial)
        partial.rename(folder)
    except (zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError, EOFError, ValueError) as error:
        raise UnreadableError(f"{archive} cannot be unpacked: {error}. Make it again.") from None
    except OSError as error:
        if not folder.is_dir():
            raise UnreadableError(f"{archive} cannot be unpacked to {folder}: {error.strerror or error}.") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder


def _refuse_outside(opened: zipfile.ZipFile, archive: Path) -> None:
    for name in opened.namelist():
        if name.startswith("/") or "\\" in name or ".." in Path(name).parts:
            raise ConfigError(f'{archive}: "{name}" leads out of the folder. A zip may hold files inside it only.')


def _images(path: Path) -> int:
    """How many images a batch holds; 0: it is none."""
    try:
        with zipfile.ZipFile(path) as archive, archive.open(_BATCH) as file:
            shape, by_columns, dtype = _header(file)
    except (KeyError, ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error):
        return 0
    is_batch = dtype == np.uint8 and not by_columns and len(shape) == 4 and shape[-1] == 3 and 0 not in shape
    return shape[0] if is_batch else 0


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[np.generic]]:
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    return read(file)


def _write_images(path: Path, into: Path) -> None:
    """One array [H, W, 3] an image, without ever holding the batch."""
    with zipfile.ZipFile(path) as archive, archive.open(_BATCH) as file:
        (count, *size), _, _ = _header(file)
        for place in range(count):
            content = file.read(int(np.prod(size)))
            np.save(into / f"{place:06d}.npy", np.frombuffer(content, np.uint8).reshape(size))
