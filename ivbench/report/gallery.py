"""The gallery's data: for every prompt the clips of all cells, made from the same noise, as data URIs."""

from __future__ import annotations

import base64
import hashlib
import io
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image, UnidentifiedImageError

from ivbench.errors import ConfigError
from ivbench.report.formats import decimals, number, words
from ivbench.results.schema import GalleryEntry, Results

__all__ = ["Gallery", "gallery"]

_Key = tuple[int, int]


@dataclass
class Gallery:
    """What the page's script plays.

    Attributes:
        data: `rows` (labels of the cells; ground truth last where `reference`), `prompts` (text, and one clip or null
            a row), `images` (data URIs, each once).
        missing: how many samples are named in the results and could not be read.
    """

    data: dict[str, Any]
    missing: int


@dataclass
class _Images:
    folder: Path
    uris: list[str] = field(default_factory=list)
    known: dict[str, int] = field(default_factory=dict)
    missing: int = 0

    def clip(self, entry: GalleryEntry) -> dict[str, Any] | None:
        """The clip as the script wants it, None where its file is missing or is not such a strip."""
        content = _read(self.folder, entry.sample)
        size = _size(content)
        if size is None or entry.frames < 1 or size[0] % entry.frames:
            self.missing += 1
            return None
        digest = hashlib.sha256(content).hexdigest()
        if digest not in self.known:
            self.known[digest] = len(self.uris)
            self.uris.append(f"data:image/webp;base64,{base64.b64encode(content).decode()}")
        scores = [[words(key), number(value, decimals([value]))] for key, value in entry.scores.items()]
        return {
            "image_index": self.known[digest],
            "frames": entry.frames,
            "fps": entry.fps if entry.fps > 0 else 1.0,
            "width": size[0] // entry.frames,
            "height": size[1],
            "scores": scores,
        }


def gallery(results: Results, folder: Path) -> Gallery:
    """Collect the clips, prompt by prompt.

    Args:
        results: the whole file.
        folder: the folder that `results.json` lies in; samples are relative to it.

    Raises:
        ConfigError: a sample's path leads out of the folder.
    """
    images = _Images(folder)
    rows = [(cell.label, cell.gallery) for cell in results.cells if cell.gallery]
    reference = bool(rows and results.ground_truth_gallery)
    if reference:
        rows.append(("ground truth", results.ground_truth_gallery))
    texts: dict[_Key, str] = {}
    clips: dict[_Key, list[dict[str, Any] | None]] = {}
    for row, (_, entries) in enumerate(rows):
        for key, entry in _keyed(entries):
            texts.setdefault(key, entry.prompt)
            clips.setdefault(key, [None] * len(rows))[row] = images.clip(entry)
    prompts = [{"index": key[0], "sample": key[1], "text": texts[key], "clips": clips[key]} for key in sorted(texts)]
    labels = [label for label, _ in rows]
    data = {"rows": labels, "reference": reference, "prompts": prompts, "images": images.uris}
    return Gallery(data, images.missing)


def _keyed(entries: list[GalleryEntry]) -> list[tuple[_Key, GalleryEntry]]:
    """Each entry with its prompt's index and its number among the samples of that prompt."""
    seen: dict[int, int] = defaultdict(int)
    keyed = []
    for entry in entries:
        keyed.append(((entry.prompt_index, seen[entry.prompt_index]), entry))
        seen[entry.prompt_index] += 1
    return keyed


def _read(folder: Path, sample: str) -> bytes:
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
