"""Given videos: which file of a folder belongs to which prompt; several files of one prompt are used in turn."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import Field

from ivbench.config import Frozen, digest
from ivbench.config.suite import StagesConfig
from ivbench.data.prompted_videos import TABLES, prompted_videos, video_digest
from ivbench.errors import ConfigError, MissingFileError

__all__ = ["Given", "GivenVideo", "given_digest", "given_videos"]


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
    found = prompted_videos(folder).files
    for prompt in prompts:
        if prompt not in found:
            raise ConfigError(
                f'{folder} has no video of "{prompt[:60]}". Name files PROMPT-INDEX.mp4, or list them in {TABLES[-1]} '
                "with the columns file and prompt."
            )
        for path in found[prompt]:
            if not path.exists():
                raise MissingFileError(f"{path} is not there, and {folder} names it. Restore it, or correct the table.")
    return tuple(tuple(_given(path) for path in found[prompt]) for prompt in prompts)


def given_digest(stages: StagesConfig, given: Given) -> str:
    """What stands for the given videos in a cell's id; empty where the first stage starts from noise."""
    return digest([[file.sha256 for file in files] for files in given]) if given else stages.input or ""


def _given(path: Path) -> GivenVideo:
    return GivenVideo(path=str(path), sha256=video_digest(path))
