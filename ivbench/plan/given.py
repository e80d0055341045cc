"""Given videos: which file of a folder belongs to which prompt.

A folder says so in one of two ways: a table `videos.csv` with the columns `file` and `prompt`, or file names as VBench
writes them, `PROMPT-INDEX.mp4`. Several files of one prompt are used in turn, by index or in the table's order.
"""

from __future__ import annotations

import csv
import re
import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from pydantic import Field

from ivbench.config import Frozen, digest, file_digest
from ivbench.config.suite import StagesConfig
from ivbench.data.video_files import find_videos
from ivbench.errors import ConfigError, MissingFileError

__all__ = ["TABLE", "Given", "GivenVideo", "given_digest", "given_videos"]

TABLE = "videos.csv"
_NUMBERED = re.compile(r"(?P<prompt>.*)-(?P<index>\d+)", re.DOTALL)


class GivenVideo(Frozen):
    """One file, or a folder of images."""

    path: str
    sha256: str = Field(description="of its content")


Given = tuple[tuple[GivenVideo, ...], ...]
"""Of each prompt its files; empty: no videos are given."""


def given_videos(stages: StagesConfig, prompts: Sequence[str]) -> Given:
    """The files of each prompt, where a suite's input is `videos:FOLDER`; else none.

    Raises:
        ConfigError: a prompt has no file, or the table is not one.
        MissingFileError: no such folder, or a file of the table is not there.
    """
    if stages.input is None or not stages.input.startswith("videos:"):
        return ()
    folder = Path(stages.input.removeprefix("videos:")).expanduser()
    if not folder.is_dir():
        raise MissingFileError(f"{folder} is no folder. Give the folder of the videos: videos:FOLDER.")
    found = _by_table(folder) if (folder / TABLE).is_file() else _by_name(folder)
    for prompt in prompts:
        if prompt not in found:
            raise ConfigError(
                f'{folder} has no video of "{prompt[:60]}". Name files PROMPT-INDEX.mp4, or list them in {TABLE} with '
                "the columns file and prompt."
            )
    return tuple(tuple(_given(path) for path in found[prompt]) for prompt in prompts)


def given_digest(stages: StagesConfig, given: Given) -> str:
    """What stands for the given videos in a cell's id; empty where the first stage starts from noise."""
    return digest([[file.sha256 for file in files] for files in given]) if given else stages.input or ""


def _given(path: Path) -> GivenVideo:
    if path.is_dir():
        frames = {file.name: file_digest(file) for file in path.iterdir() if file.is_file()}
        return GivenVideo(path=str(path), sha256=digest(frames))
    return GivenVideo(path=str(path), sha256=file_digest(path))


def _by_name(folder: Path) -> dict[str, list[Path]]:
    numbered: dict[str, dict[int, Path]] = defaultdict(dict)
    for path in find_videos(folder):
        match = _NUMBERED.fullmatch(path.name if path.is_dir() else path.stem)
        if match:
            numbered[_nfc(match["prompt"])][int(match["index"])] = path
    return {prompt: [files[index] for index in sorted(files)] for prompt, files in numbered.items()}


def _by_table(folder: Path) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = defaultdict(list)
    try:
        rows = list(csv.DictReader((folder / TABLE).read_text(encoding="utf-8-sig").splitlines()))
    except (UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"{folder / TABLE} is not a CSV table in UTF-8: {error}.") from error
    for number, row in enumerate(rows, start=2):
        name, prompt = row.get("file"), row.get("prompt")
        if not name or not prompt:
            raise ConfigError(f"{folder / TABLE}, line {number}: the columns file and prompt are needed.")
        path = (folder / name).resolve()
        if not path.is_relative_to(folder.resolve()):
            raise ConfigError(f'{folder / TABLE}, line {number}: "{name}" leaves the folder. Give a path inside it.')
        if not path.exists():
            raise MissingFileError(f"{folder / TABLE}, line {number}: {path} is not there.")
        found[_nfc(prompt)].append(path)
    return found


def _nfc(text: str) -> str:
    """A prompt's form in a plan; file systems may hold another."""
    return unicodedata.normalize("NFC", text)
