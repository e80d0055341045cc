"""Which file of a folder belongs to which prompt: by a table, by numbers and a list of prompts, or by the files' names.

metadata.jsonl, metadata.csv, videos.csv   a file and its prompt a line; several lines a prompt are its samples
prompts.txt                                0000.mp4 is of the first line; where no file is 0, 0001.mp4 is. 0001-2.mp4: a
                                           sample. A list in a subfolder is of the files of that subfolder
prompts/0000.txt                           the prompt of 0000.mp4, as EvalCrafter has it
a red circle-0.mp4                         as VBench has it: the number behind the last hyphen is the sample's
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ivbench.config import digest, file_digest
from ivbench.data.captions import entries
from ivbench.data.video_files import find_videos
from ivbench.errors import ConfigError

__all__ = ["TABLES", "Prompted", "prompted_videos", "video_digest"]

TABLES = ("metadata.jsonl", "metadata.csv", "videos.csv")
_LIST = "prompts.txt"
_NUMBERED = re.compile(r"(?P<prompt>.*)-(?P<index>\d+)", re.DOTALL)
_PLACED = re.compile(r"(?P<number>\d+)(?:[-_](?P<index>\d+))?")

Numbers = dict[str, dict[int, Path]]


@dataclass(frozen=True)
class Prompted:
    """The videos of a folder.

    Attributes:
        files: prompt, NFC -> its files by sample; a file that a table names may not be there.
        others: files that belong to no prompt.
    """

    files: Mapping[str, tuple[Path, ...]]
    others: tuple[Path, ...] = ()


def prompted_videos(folder: Path) -> Prompted:
    """The files of each prompt, in the first of the forms above that the folder has.

    Raises:
        ConfigError: a table or list that cannot be read, or a number without a line.
        MissingFileError: no such folder, or nothing in it.
    """
    table = next((folder / name for name in TABLES if (folder / name).is_file()), None)
    if table is not None:
        return _by_table(folder, table)
    paths = find_videos(folder)
    lists = {path.parent: _lines(path) for path in folder.rglob(_LIST)} | _texts(folder)
    return _by_number(paths, lists) if lists else _by_name(paths)


def video_digest(path: Path) -> str:
    """The sha256 of what a video is decoded from: a file, or the images of a folder with their names."""
    if path.is_dir():
        return digest({file.name: file_digest(file) for file in path.iterdir() if file.is_file()})
    return file_digest(path)


def _by_table(folder: Path, table: Path) -> Prompted:
    found: dict[str, list[Path]] = defaultdict(list)
    for entry in entries(table):
        path = folder / entry.file
        if not path.resolve().is_relative_to(folder.resolve()):
            raise ConfigError(f'{entry.where}: "{entry.file}" leaves the folder. Give a path inside it.')
        found[_nfc(entry.text)].append(path)
    named = {path.resolve() for paths in found.values() for path in paths}
    others = tuple(path for path in find_videos(folder) if path.resolve() not in named)
    return Prompted({prompt: tuple(paths) for prompt, paths in found.items()}, others)


def _by_name(paths: list[Path]) -> Prompted:
    numbered: Numbers = defaultdict(dict)
    others = []
    for path in paths:
        match = _NUMBERED.fullmatch(path.name if path.is_dir() else path.stem)
        if match and match["prompt"].strip():
            numbered[_nfc(match["prompt"])][int(match["index"])] = path
        else:
            others.append(path)
    return Prompted(_sorted(numbered), tuple(others))


def _by_number(paths: list[Path], lists: Mapping[Path, list[str]]) -> Prompted:
    """Each list is of the files that lie beside it."""
    numbered: Numbers = defaultdict(dict)
    others = []
    placed = [(path, _PLACED.fullmatch(path.name if path.is_dir() else path.stem)) for path in paths]
    first = {folder: 1 for folder in lists}
    first |= {path.parent: 0 for path, match in placed if match and int(match["number"]) == 0}
    for path, match in placed:
        if match is None or path.parent not in lists:
            others.append(path)
            continue
        lines, place = lists[path.parent], int(match["number"]) - first[path.parent]
        if place >= len(lines):
            raise ConfigError(
                f"{path} has the number {match['number']}; its list has {len(lines)} prompts. Correct one."
            )
        numbered[_nfc(lines[place])][int(match["index"] or 0)] = path
    return Prompted(_sorted(numbered), tuple(others))


def _texts(folder: Path) -> dict[Path, list[str]]:
    """EvalCrafter's folder of prompts: NUMBER.txt from 0."""
    files = sorted(folder.glob("prompts/*.txt"), key=lambda path: path.stem)
    for place, path in enumerate(files):
        if not path.stem.isdecimal() or int(path.stem) != place:
            raise ConfigError(
                f"{path}: the files of prompts/ are numbered from 0, without gaps. This is number {place}."
            )
    return {folder: [" ".join(_lines(path)) for path in files]} if files else {}


def _lines(path: Path) -> list[str]:
    try:
        return [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8 text (byte {error.start}). Save it as UTF-8.") from error


def _sorted(numbered: Numbers) -> dict[str, tuple[Path, ...]]:
    return {prompt: tuple(files[index] for index in sorted(files)) for prompt, files in numbered.items()}


def _nfc(text: str) -> str:
    """A prompt's form in a plan; file systems may hold another."""
    return unicodedata.normalize("NFC", text).strip()
