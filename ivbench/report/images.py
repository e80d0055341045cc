"""Sprite strips as data URIs, each once, and no more of them than a page can carry.

Where the strips of a large grid would make the page too heavy they are encoded anew with loss, and where that is not
enough the last prompts are left out. The page says so.
"""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from ivbench.errors import ConfigError

__all__ = ["BUDGET", "Images", "Strip", "read_sample"]

BUDGET = 17_000_000
"""Characters of data URIs that a page carries at most; the rest of 25 MB is for its tables."""

_QUALITIES = (90, 75, 50)
_PROBES = 48
_PER_URI = 40


@dataclass(frozen=True)
class Strip:
    """A sprite strip: its place in `Images.uris`, and its size in pixels."""

    index: int
    width: int
    height: int


@dataclass
class Images:
    """Collects strips, then gives as many of them as fit as data URIs.

    Attributes:
        budget: characters of data URIs that the page carries.
        contents: the files, each once.
        missing: how many were named and could not be read.
    """

    budget: int = BUDGET
    contents: list[bytes] = field(default_factory=list)
    missing: int = 0
    _known: dict[str, int] = field(default_factory=dict)

    @property
    def weight(self) -> int:
        """Characters of all strips as they are."""
        return sum(_weight(len(content)) for content in self.contents)

    @property
    def full(self) -> bool:
        """Whether not all strips fit as they are."""
        return self.weight > self.budget

    def add(self, folder: Path, sample: str, frames: int) -> Strip | None:
        """Read a strip; None where its file is missing or is not such a strip, which is counted.

        Args:
            folder: the folder that the sample's path is relative to.
            sample: the path.
            frames: how many lie side by side in it.

        Raises:
            ConfigError: the path leads out of the folder.
        """
        content = read_sample(folder, sample)
        size = _size(content)
        if size is None or frames < 1 or size[0] % frames:
            self.missing += 1
            return None
        digest = hashlib.sha256(content).hexdigest()
        if digest not in self._known:
            self._known[digest] = len(self.contents)
            self.contents.append(content)
        return Strip(self._known[digest], *size)

    def uris(
        self, groups: Sequence[Sequence[int]], extra: Sequence[Sequence[int]] = ()
    ) -> tuple[dict[int, str], int | None]:
        """The data URIs of what fits, and the quality at which they were encoded.

        Args:
            groups: places of strips that belong together, the most important first; a group is carried whole or not,
                and the first in any case.
            extra: further groups, carried as far as there is room and nothing need be lost for them.

        Returns:
            (place -> data URI, None where the strips are as they were, else the quality).
        """
        quality = self._quality([place for group in groups for place in group])
        found: dict[int, str] = {}
        used = 0
        with ThreadPoolExecutor() as pool:
            for group in (*groups, *(extra if quality is None else ())):
                places = [place for place in dict.fromkeys(group) if place not in found]
                made = list(pool.map(lambda place: self._encoded(place, quality), places))
                used += sum(_weight(len(content)) for content in made)
                if used > self.budget and found:
                    break
                found |= {place: _uri(content) for place, content in zip(places, made, strict=True)}
        return found, quality

    def _quality(self, places: list[int]) -> int | None:
        """The best quality at which these strips fit, estimated from some spread evenly; the lowest where none does."""
        contents = [self.contents[place] for place in dict.fromkeys(places)]
        if sum(_weight(len(content)) for content in contents) <= self.budget:
            return None
        probes = contents[:: max(1, len(contents) // _PROBES)]
        for quality in _QUALITIES:
            mean = sum(_weight(len(_lossy(content, quality))) for content in probes) / len(probes)
            if 1.05 * mean * len(contents) <= self.budget:
                return quality
        return _QUALITIES[-1]

    def _encoded(self, place: int, quality: int | None) -> bytes:
        return self.contents[place] if quality is None else _lossy(self.contents[place], quality)


def _uri(content: bytes) -> str:
    return f"data:image/webp;base64,{base64.b64encode(content).decode()}"


def _weight(size: int) -> int:
    """Characters of a file of so many bytes as a data URI."""
    return 4 * ((size + 2) // 3) + _PER_URI


def _lossy(content: bytes, quality: int) -> bytes:
    """The strip with loss where that is smaller; a strip of one colour is smaller as it is."""
    file = io.BytesIO()
    with Image.open(io.BytesIO(content), formats=["WEBP"]) as image:
        image.convert("RGB").save(file, "WEBP", quality=quality, method=0)
    return min(content, file.getvalue(), key=len)


def read_sample(folder: Path, sample: str) -> bytes:
    """The content of a sample's file, empty where it can't be read.

    Args:
        folder: the folder that `results.json` lies in.
        sample: a path relative to it.

    Raises:
        ConfigError: the path leads out of the folder.
    """
    root = folder.resolve()
    try:
        path = (root / sample).resolve()
        inside = path.is_relative_to(root)
    except (OSError, ValueError):
        return b""
    if not inside:
        raise ConfigError(f'sample "{sample[:80]}" leads out of {folder}. Samples lie in the folder of results.json.')
    try:
        return path.read_bytes()
    except (OSError, ValueError):
        return b""


def _size(content: bytes) -> tuple[int, int] | None:
    """Width and height of a WebP image, None where the bytes are none."""
    try:
        with Image.open(io.BytesIO(content), formats=["WEBP"]) as image:
            return image.size
    except (UnidentifiedImageError, OSError, ValueError, Image.DecompressionBombError):
        return None
