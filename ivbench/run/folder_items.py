"""The videos of a folder as items: known by what their files hold, read with the clip that a profile asks for."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ivbench.config import ClipChoice, Order, digest, file_digest
from ivbench.data.unpacked import set_folder
from ivbench.data.video_files import ZIP, SortKey, Video, by_text, find_videos, natural, read_video
from ivbench.errors import MissingFileError

__all__ = ["Item", "buckets", "clip_of", "fewest_frames", "find_items", "read_clip"]

_CLIP_SEED = 0
_BUCKET = 32
_KEYS: dict[Order, SortKey] = {"natural": natural, "text": by_text}


@dataclass(frozen=True)
class Item:
    """One video of a folder.

    Attributes:
        path: file, or folder of frames.
        digest: sha256 over what it holds, of a folder's frames in their order; a renamed file keeps it.
        order: of a folder's frames.
    """

    path: Path
    digest: str
    order: Order = "natural"


def find_items(folder: Path, order: Order = "natural") -> list[Item]:
    """Every video and image below a folder, in the order of a profile.

    Args:
        folder: or a file that holds a set; see `ivbench.data.unpacked.set_folder`.
        order: of the profile.

    Raises:
        MissingFileError: no such folder, or nothing in it.
        UnreadableError: the file cannot be unpacked.
    """
    return [Item(path, _known_by(path, order), order) for path in find_videos(set_folder(folder), _KEYS[order])]


def buckets(items: Sequence[Item]) -> list[list[Item]]:
    """Items in groups of about 32 by their digests alone: to add, change or rename a file leaves the other groups be.

    Of items with equal contents one stands for all.
    """
    unique = list({item.digest: item for item in items}.values())
    bits = max(0, (len(unique) // _BUCKET).bit_length())
    groups: dict[int, list[Item]] = {}
    for item in sorted(unique, key=lambda item: item.digest):
        groups.setdefault(int(item.digest[:8], 16) >> (32 - bits) if bits else 0, []).append(item)
    return [groups[key] for key in sorted(groups)]


def read_clip(item: Item, choice: ClipChoice | None, is_reference: bool) -> Video | None:
    """The clip of a video that is scored; None where the video is too short for it.

    Raises:
        IvbenchError: as `ivbench.data.video_files.read_video`.
    """
    key = _KEYS[item.order]
    if choice is None:
        return read_video(item.path, key=key)
    random = is_reference and choice.reference_start == "random"
    video = read_video(item.path, None if random else fewest_frames(choice), key)
    picked = clip_of(len(video.frames), choice, item.digest if random else None)
    return None if picked is None else Video(video.frames[picked], video.fps)


def clip_of(frames: int, choice: ClipChoice, place: str | None = None) -> NDArray[np.int64] | None:
    """Indices of a clip's frames in a video of so many; None where it is too short.

    Args:
        frames: of the video.
        choice: how many, and every which.
        place: a digest that a random start is drawn from; None: the clip begins with the video.
    """
    if frames < fewest_frames(choice):
        return None
    start, length = 0, (choice.frames - 1) * choice.every + 1
    if place is not None:
        key = int(hashlib.sha256(f"{_CLIP_SEED}/{place}".encode()).hexdigest()[:16], 16)
        start = int(np.random.Generator(np.random.Philox(key=key)).integers(0, frames - length + 1))
    return start + choice.every * np.arange(choice.frames, dtype=np.int64)


def fewest_frames(choice: ClipChoice) -> int:
    """Frames that a video must have."""
    return max((choice.frames - 1) * choice.every + 1, choice.shortest or 0)


def _known_by(path: Path, order: Order) -> str:
    """Its digest; a file that can't be opened (a link to nowhere, say) goes by its path and fails when it is read."""
    try:
        return _digest(path, order)
    except (MissingFileError, OSError):
        return digest(["not opened", str(path)])


def _digest(path: Path, order: Order) -> str:
    if path.suffix.lower() == ZIP and order != "natural" and path.is_file():
        return digest([file_digest(path), order])
    return digest(list(_frames(path, order))) if path.is_dir() else file_digest(path)


def _frames(folder: Path, order: Order) -> Iterator[str]:
    """Digests of a folder's images in order: their names count only through the order."""
    for path in sorted(folder.iterdir(), key=_KEYS[order]):
        if path.is_file() and not path.name.startswith("."):
            yield file_digest(path)
