"""Whether a video file ends before its container says that it does.

Decoders give the frames of such a file that are left, without an error; a shorter video would be scored in silence.
"""

from __future__ import annotations

from pathlib import Path
from typing import IO

__all__ = ["is_cut_off"]

_BOXES = (b"mdat", b"moov", b"moof")
_EBML, _SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"


def is_cut_off(path: Path) -> bool:
    """Whether bytes are missing at the end of an mp4, mov, mkv, webm or avi file, by the sizes that its parts declare.

    A part without a size (a live recording's) and every other kind of file is taken to be whole; so is a fragmented mp4
    that ends between two fragments.

    Sources: ISO/IEC 14496-12, 4.2 (boxes); RFC 8794, 4 to 6 (EBML); Microsoft's RIFF.
    """
    length = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(12)
        if start[:4] == _EBML:
            return _segment_end(file) > length
        if start[:4] == b"RIFF" and start[8:] == b"AVI ":
            return int.from_bytes(start[4:8], "little") + 8 > length
        return start[4:8] == b"ftyp" and _boxes_end(file, length) > length


def _boxes_end(file: IO[bytes], length: int) -> int:
    """Where the first box of `_BOXES` that goes beyond the file ends; the file's length where none does."""
    place = 0
    while place + 8 <= length:
        file.seek(place)
        size, kind = int.from_bytes(file.read(4), "big"), file.read(4)
        if size == 1:
            size = int.from_bytes(file.read(8), "big")
        if size < 8:  # 0: to the end of the file
            return length
        place += size
        if place > length:
            return place if kind in _BOXES else length
    return length


def _segment_end(file: IO[bytes]) -> int:
    """Where the segment behind a file's EBML header ends; 0 where there is none, or none of a known size."""
    file.seek(4)
    header = _size(file)
    if header is None:
        return 0
    file.seek(header, 1)
    if file.read(4) != _SEGMENT:
        return 0
    size = _size(file)
    return 0 if size is None else file.tell() + size


def _size(file: IO[bytes]) -> int | None:
    """A data size of EBML: as many bytes as the first has leading zeros, and one; all ones: unknown."""
    first = file.read(1)
    if not first or not first[0]:
        return None
    more = 8 - first[0].bit_length()
    value = int.from_bytes(first + file.read(more), "big") - (1 << (7 * (more + 1)))
    return None if value == (1 << (7 * (more + 1))) - 1 else value
