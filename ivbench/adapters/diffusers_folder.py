"""The folder of a diffusers pipeline, read without loading it: its class, what its call takes, its size, its digest."""

from __future__ import annotations

import importlib
import inspect
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ivbench.config import digest, file_digest
from ivbench.errors import ConfigError, MissingFileError

__all__ = ["FRAMES", "PipelineFolder", "in_a_line"]

FRAMES = ("num_frames", "video_length")
"""What calls name the number of frames."""
_INDEX = "model_index.json"
_FILES = frozenset({".json", ".safetensors", ".txt", ".model"})
_SIZE = 256
_LENGTH = 16
"""Where neither the call nor the network says."""


class PipelineFolder:
    """What a pipeline is.

    Args:
        source: a folder with a model_index.json, or a hub id.

    Attributes:
        path: the folder, of the hub's cache where an id was given.
        kind: the pipeline's class.
        call: parameter of its call -> default; None where it has none.

    Raises:
        ConfigError: its call takes no prompt, needs more than a prompt, or returns no video; or it brings its own code.
        MissingFileError: there's no such folder, and no such id that can be fetched.
    """

    def __init__(self, source: str) -> None:
        self.path = _found(source)
        self._index = _read(self.path / _INDEX)
        self.kind = _class(self._index, self.path)
        self.call = _parameters(self.kind)

    @property
    def digest(self) -> str:
        """The sha256 over names and contents of what the pipeline is loaded from."""
        files = sorted(path for path in self.path.rglob("*") if path.suffix in _FILES and path.is_file())
        return digest({path.relative_to(self.path).as_posix(): file_digest(path) for path in files})

    @property
    def is_told_its_scale(self) -> bool:
        """Whether the network takes the guidance scale as an input: one evaluation a step."""
        return bool(self._of_network("guidance_embeds"))

    @property
    def is_distilled(self) -> bool:
        """Whether guidance is in the weights already."""
        distilled = self._of_network("time_cond_proj_dim") or self._index.get("is_distilled")
        return self.is_told_its_scale or bool(distilled)

    @property
    def size(self) -> tuple[int, int, int]:
        """Frames, height and width: the call's defaults, else the network's, else 16 frames of 256x256."""
        frames = next((self.call[name] for name in FRAMES if self.call.get(name)), None)
        blocks = self._part("vae").get("block_out_channels", [0])
        square = self._of_network("sample_size")
        sides = [self._of_network(f"sample_{side}") or square for side in ("height", "width")]
        height, width = (2 ** (len(blocks) - 1) * side if isinstance(side, int) else _SIZE for side in sides)
        return (
            int(frames or self._of_network("sample_frames") or _LENGTH),
            int(self.call.get("height") or height),
            int(self.call.get("width") or width),
        )

    def _of_network(self, key: str) -> Any:
        return (self._part("transformer") or self._part("unet")).get(key)

    def _part(self, name: str) -> dict[str, Any]:
        path = self.path / name / "config.json"
        return _read(path) if path.is_file() else {}


def in_a_line(error: BaseException) -> str:
    """What a library says, as a part of a sentence."""
    return " ".join(str(error).split()).rstrip(".")[:300]


def _found(source: str) -> Path:
    folder = Path(source).expanduser()
    if folder.is_dir():
        return folder.resolve()
    if folder.is_absolute() or source.startswith((".", "~")) or source.count("/") != 1:
        raise MissingFileError(
            f"{source} is no folder. Give that of a pipeline (with {_INDEX}), or a hub id: OWNER/NAME."
        )
    from diffusers import DiffusionPipeline

    try:
        return Path(DiffusionPipeline.download(source, use_safetensors=True))
    except (OSError, ValueError) as error:
        raise MissingFileError(
            f"{source} is no folder, and cannot be fetched from the hub: {in_a_line(error)}."
        ) from error


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise MissingFileError(
            f"{path} is not there. Give the folder that a pipeline's save_pretrained wrote."
        ) from error
    except ValueError as error:
        raise ConfigError(f"{path} is not JSON: {error}. Save the pipeline again.") from error
    return found if isinstance(found, dict) else {}


def _class(index: Mapping[str, Any], folder: Path) -> Any:
    name = index.get("_class_name")
    if not isinstance(name, str):
        raise ConfigError(
            f"{folder / _INDEX} names code of its own ({name!r}), which is not run. Use a pipeline of diffusers."
        )
    found = getattr(importlib.import_module("diffusers"), name, None)
    if not inspect.isclass(found):
        raise ConfigError(f"{folder / _INDEX}: the diffusers that is installed has no {name}. Update it.")
    return found


def _parameters(kind: Any) -> dict[str, Any]:
    found = [one for one in inspect.signature(kind.__call__).parameters.values() if one.kind != one.VAR_KEYWORD][1:]
    names = {one.name: None if one.default is one.empty else one.default for one in found}
    needed = {one.name for one in found if one.default is one.empty} - {"prompt"}
    given = needed | {name for name in ("image", "video") if name in names}
    if "prompt" not in names or given or not any(name in names for name in FRAMES):
        raise ConfigError(
            f"{kind.__name__} does not make videos from prompts alone. Name a text-to-video pipeline of diffusers."
        )
    return names
