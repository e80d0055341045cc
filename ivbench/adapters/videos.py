"""The level "videos": what was sampled already, a folder or a zip of one. Nothing is swept, everything is counted."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from ivbench.adapters.generator import Failed, Request
from ivbench.config import digest
from ivbench.data.fit_video import fit_video
from ivbench.data.prompted_videos import TABLES, prompted_videos, video_digest
from ivbench.data.unpacked import unpacked_zip
from ivbench.data.video_files import Video, find_videos, read_video
from ivbench.errors import ConfigError, ShapeError, UnreadableError
from ivbench.spec import GeneratorSpec

__all__ = ["VideosFolder"]

_FPS = 8.0
"""Where neither file nor suite says: what most tools write."""
_SAME_RATE = 0.05
"""Relative difference of two rates that counts as none: GIF rounds 8 fps to 8.33, television 30 to 29.97."""
_TRIED = 20
_AT_ONCE = 4


class VideosFolder:
    """Videos by prompt and sample. Frames are skipped, edges cropped and the rest resized where a suite asks for it.

    Args:
        source: a folder in one of the forms of `ivbench.data.prompted_videos`, or a zip of one.
        device: not used; nothing is sampled.

    Raises:
        ConfigError: no file has a prompt.
        MissingFileError: there's no such folder, or nothing in it.
        UnreadableError: none of the first files can be read, or a zip is broken.
    """

    version = "2"

    def __init__(self, source: str, device: str = "cpu") -> None:
        given = Path(source).expanduser()
        self._folder = _root(unpacked_zip(given)) if given.suffix.lower() == ".zip" and given.is_file() else given
        found = prompted_videos(self._folder)
        if not found.files:
            raise ConfigError(
                f"{source}: no file has a prompt. Name files PROMPT-INDEX.mp4, or add metadata.jsonl, metadata.csv or "
                "prompts.txt."
            )
        self._files = found.files
        count = sum(len(paths) for paths in found.files.values())
        self.description = f"{count:,} files of {len(found.files):,} prompts"
        if found.others:
            self.description += f"; {len(found.others):,} files have no prompt, such as {found.others[0].name}"
        self.spec = self._spec(given)

    @cached_property
    def files(self) -> Mapping[str, tuple[str, ...]]:
        """Prompt -> the sha256 of each of its files; empty where a file is not there."""
        return {
            prompt: tuple(video_digest(path) if path.exists() else "" for path in paths)
            for prompt, paths in self._files.items()
        }

    @property
    def weights(self) -> str:
        """The sha256 over prompts and contents of all files."""
        return digest({prompt: list(found) for prompt, found in self.files.items()})

    def generate(self, request: Request) -> Sequence[Any]:
        """The request's sample of each prompt, read from its file."""
        return [self._read(prompt, request) for prompt in request.prompts]

    def _read(self, prompt: str, request: Request) -> Any:
        paths = self._files.get(prompt, ())
        path = paths[request.sample] if request.sample < len(paths) else None
        if path is None or not path.exists():
            return Failed(f'there is no video {request.sample + 1} of "{prompt[:60]}"', "missing")
        same = self._same_as(prompt, request.sample)
        if same is not None:
            return Failed(f"{path} is the same file as {same.name}, another sample of its prompt", "duplicate")
        try:
            video = read_video(path)
        except (UnreadableError, ShapeError) as error:
            return Failed(str(error), "undecodable")
        return _fitted(video, request, path)

    def _same_as(self, prompt: str, sample: int) -> Path | None:
        """An earlier file of the prompt with the same content."""
        paths = self._files[prompt]
        size = _bytes(paths[sample])
        earlier = [path for path in paths[:sample] if path.exists() and _bytes(path) == size]
        if not earlier:
            return None
        own = video_digest(paths[sample])
        return next((path for path in earlier if video_digest(path) == own), None)

    def _spec(self, given: Path) -> GeneratorSpec:
        """The size of the first video that can be read."""
        paths = [path for found in self._files.values() for path in found if path.exists()]
        why = "none of them is there"
        for path in paths[:_TRIED]:
            try:
                video = read_video(path)
            except (UnreadableError, ShapeError) as error:
                why = str(error)
                continue
            frames, height, width, _ = video.frames.shape
            return GeneratorSpec(
                name=re.sub(r"[^A-Za-z0-9._-]+", "-", given.resolve().stem).strip("-._") or "videos",
                kind="videos",
                frames=frames,
                height=height,
                width=width,
                fps=video.fps or _FPS,
                sizes=("frames", "height", "width", "fps"),
                batch=_AT_ONCE,
            )
        raise UnreadableError(f"no file of {given} can be read; the last: {why}")


def _fitted(video: Video, request: Request, path: Path) -> Any:
    """The video at the request's size; one of a lower rate is not made up, one without a rate is of the request's."""
    fps = request.fps if video.fps is None or abs(video.fps / request.fps - 1) <= _SAME_RATE else video.fps
    if fps < request.fps:
        return Failed(f"{path} has {fps:g} frames a second, fewer than the {request.fps:g} that are scored")
    wanted = GeneratorSpec(
        name="wanted", frames=request.frames, height=request.height, width=request.width, fps=request.fps
    )
    try:
        return fit_video(video.frames, fps, wanted, str(path))
    except ShapeError as error:
        return Failed(str(error), "too_short")


def _bytes(path: Path) -> int:
    return sum(file.stat().st_size for file in path.iterdir()) if path.is_dir() else path.stat().st_size


def _root(folder: Path) -> Path:
    """Where a zip's videos lie: in the one folder that it holds, but where that folder is itself a prompt's video."""
    inside = [path for path in folder.iterdir() if not path.name.startswith((".", "__MACOSX"))]
    if len(inside) != 1 or not inside[0].is_dir():
        return folder
    has_table = any((inside[0] / name).is_file() for name in TABLES)
    is_video = not has_table and find_videos(folder) == inside and bool(prompted_videos(folder).files)
    return folder if is_video else inside[0]
