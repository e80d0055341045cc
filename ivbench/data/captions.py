"""Captions of videos in a folder: a file that names each, or the file names themselves, as VBench has them.

captions.jsonl   {"file_name": "a.mp4", "text": "a red circle"}      also "caption" or "prompt"
captions.csv     file_name,text                                      with a header
captions.json    {"a.mp4": "a red circle"}
names            a red circle-0.mp4                                  the number behind the last hyphen is the sample's
"""

from __future__ import annotations

import csv
import io
import json
import re
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ivbench.errors import ConfigError, MissingFileError, did_you_mean

__all__ = ["FROM_NAMES", "captions_of", "entries"]

FROM_NAMES = "names"
_TEXTS = ("text", "caption", "prompt")
_FILES = ("file_name", "file", "path", "video")


def captions_of(paths: Sequence[Path], folder: Path, source: str) -> list[str]:
    """The caption of each video.

    Args:
        paths: of the videos, in the folder.
        folder: names in the file are relative to it; a name without its folder or suffix is found too.
        source: a jsonl, json or csv file, or "names".

    Returns:
        One caption a path, NFC, without white space around it.

    Raises:
        ConfigError: a line that can't be read, or a video without a caption; says which.
        MissingFileError: there is no such file.
    """
    if source == FROM_NAMES:
        return [_clean(re.sub(r"-\d+$", "", path.stem), str(path)) for path in paths]
    captions = {name: _clean(text, f"{source}: {name}") for _, name, text in entries(Path(source))}
    found = []
    for path in paths:
        names = (path.relative_to(folder).as_posix(), path.name, path.stem)
        caption = next((captions[name] for name in names if name in captions), None)
        if caption is None:
            raise ConfigError(f"{source} has no caption of {names[0]}.{did_you_mean(names[0], list(captions)[:1000])}")
        found.append(caption)
    return found


def entries(path: Path) -> Iterator[tuple[str, str, str]]:
    """(where it stands, a file's name, its text), in the file's order.

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
        lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
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
        yield where, _field(row, _FILES, where), _field(row, _TEXTS, where)


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
