"""Captions of videos in a folder: a file that names each, or the file names themselves, as VBench has them.

captions.jsonl   {"file_name": "a.mp4", "text": "a red circle"}      also "caption" or "prompt"
captions.csv     file_name,text                                      with a header
captions.json    {"a.mp4": "a red circle"}
names            a red circle-0.mp4                                  the number behind the last hyphen is the sample's

jsonl and csv may give each file a "class" too: captions of one class are no distractors of each other.
"""

from __future__ import annotations

import csv
import io
import json
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ivbench.errors import ConfigError, MissingFileError, did_you_mean

__all__ = ["FROM_NAMES", "Captions", "Entry", "captions_of", "entries"]

FROM_NAMES = "names"
_TEXTS = ("text", "caption", "prompt")
_FILES = ("file_name", "file", "path", "video")
_CLASS = "class"


@dataclass(frozen=True)
class Entry:
    """One entry of a file of captions: where it stands, a file's name, its text, and its class if it has one."""

    where: str
    file: str
    text: str
    group: str | None = None


@dataclass(frozen=True)
class Captions:
    """Captions of videos, in their order.

    Attributes:
        texts: NFC, without white space around them.
        classes: the class of each; None where the file has no classes.
    """

    texts: list[str]
    classes: list[str] | None = None


def captions_of(paths: Sequence[Path], folder: Path, source: str) -> Captions:
    """The caption of each video, and its class where the file says it.

    Args:
        paths: of the videos, in the folder.
        folder: names in the file are relative to it; a name without its folder or suffix is found too.
        source: a jsonl, json or csv file, or "names".

    Raises:
        ConfigError: a line that can't be read, a file with two captions, or a video without a caption, or without a
            class where others have one; says which.
        MissingFileError: there is no such file.
    """
    if source == FROM_NAMES:
        return Captions([_clean(re.sub(r"-\d+$", "", _stem(path)), str(path)) for path in paths])
    known: dict[str, list[Entry]] = {}
    for entry in entries(Path(source)):
        known.setdefault(entry.file, []).append(entry)
    found = []
    for path in paths:
        names = (path.relative_to(folder).as_posix(), path.name, _stem(path))
        named = next((known[name] for name in names if name in known), None)
        if named is None:
            raise ConfigError(f"{source} has no caption of {names[0]}.{did_you_mean(names[0], list(known)[:1000])}")
        found.append(_agreed(named))
    texts = [_clean(entry.text, f"{source}: {entry.file}") for entry in found]
    without = [entry.where for entry in found if entry.group is None]
    if len(without) == len(found):
        return Captions(texts)
    if without:
        raise ConfigError(f'{without[0]} has no "{_CLASS}", which other entries have. Give it one, or leave all out.')
    return Captions(texts, [entry.group for entry in found if entry.group is not None])


def entries(path: Path) -> Iterator[Entry]:
    """The entries of a file of captions, in its order.

    Args:
        path: a jsonl, json or csv file.

    Raises:
        ConfigError, MissingFileError: as `captions_of`.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        raise MissingFileError(f'{path} is not there. Name a jsonl, json or csv file, or "names".') from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8 text (byte {error.start}). Save it as UTF-8.") from None
    suffix = path.suffix.lower()
    if suffix == ".csv":
        rows: Sequence[Any] = list(csv.DictReader(io.StringIO(text)))
    elif suffix == ".jsonl":
        lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
        rows = [_json(line, f"{path}, line {number}") for number, line in lines]
    elif suffix == ".json":
        whole = _json(text, str(path))
        if not isinstance(whole, dict):
            raise ConfigError(f"{path}: an object of file names and captions is expected.")
        rows = [{"file_name": name, "text": caption} for name, caption in whole.items()]
    else:
        raise ConfigError(f"{path}: captions are read from .jsonl, .json and .csv. Rename or convert it.")
    for number, row in enumerate(rows, 1):
        where = f"{path}, entry {number}"
        group = row.get(_CLASS) if isinstance(row, dict) else None
        named = None if group in (None, "") else str(group)
        yield Entry(where, _field(row, _FILES, where), _field(row, _TEXTS, where), named)


def _agreed(named: Sequence[Entry]) -> Entry:
    """The entry of a file that several may name."""
    for entry in named:
        if (entry.text, entry.group) != (named[0].text, named[0].group):
            first = named[0].where
            raise ConfigError(f"{entry.where} gives {entry.file} another caption or class than {first}. Keep one.")
    return named[0]


def _stem(path: Path) -> str:
    """A file's name without its suffix; a folder of frames has none, whatever points its name has."""
    return path.name if path.is_dir() else path.stem


def _json(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{where} is not JSON: {error}.") from None


def _field(row: Any, names: Sequence[str], where: str) -> str:
    value = next((row[name] for name in names if isinstance(row, dict) and name in row), None)
    if not isinstance(value, str):
        raise ConfigError(f"{where} has none of: {', '.join(names)}. Each entry names a file and its text.")
    return value


def _clean(text: str, where: str) -> str:
    cleaned = unicodedata.normalize("NFC", text).strip()
    if not cleaned:
        raise ConfigError(f"{where} has an empty caption. Give it one, or take the video out.")
    return cleaned
