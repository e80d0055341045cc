"""Writes that are whole or absent: a temporary file beside the target, fsync, rename."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import tempfile
from pathlib import Path

from ivbench.errors import StoreError

__all__ = ["remedy", "write_bytes"]

_OWN = {"/dev/stdout": 1, "/dev/stderr": 2}


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file atomically and durably; its folder is made where it's missing.

    A reader sees the old content or the new one, never a part; after a failure the old content stands and no
    temporary file is left. A device or a pipe (/dev/stdout) is written to, and never replaced by a file.

    Raises:
        StoreError: the disk is full, or the place can't be written.
    """
    temporary = None
    try:
        if _is_stream(path):
            _write_through(path, data)
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name[:40]}.", suffix=".tmp", dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
        temporary = None
        _sync_folder(path.parent)
    except OSError as error:
        raise StoreError(f"{path} can't be written: {error.strerror or error}. {remedy(error)}") from error
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(temporary)


def _is_stream(path: Path) -> bool:
    """Whether a path is a device or a pipe, or stands for one: /dev/stdout is one even where it leads to a file."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)) or str(path) in _OWN


def _write_through(path: Path, data: bytes) -> None:
    """Write to a stream; to one of our own by its descriptor, so that what is printed comes before or after it."""
    own = _OWN.get(str(path))
    with open(path if own is None else os.dup(own), "wb") as stream:
        stream.write(data)


def remedy(error: OSError, otherwise: str = "Choose another folder.") -> str:
    """What to do about a place that can't be written: where the disk is full go on, or else what is said."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "Free space and give the same command again: it goes on from there, nothing that was finished is lost."
    return otherwise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _sync_folder(folder: Path) -> None:
    """Make a rename durable, where the system can open folders."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
