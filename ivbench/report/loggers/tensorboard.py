"""TensorBoard: a run a cell, so that cells stand beside one another in every chart; the gallery as images."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ivbench.errors import MissingDependencyError, StoreError
from ivbench.report.loggers.base import Logged, facts, values
from ivbench.results.schema import Cell

__all__ = ["to_tensorboard"]

_DEFAULT = "runs"


def to_tensorboard(logged: Logged) -> str:
    """Write event files under `place` (default: runs) / project / name of the cell.

    Raises:
        MissingDependencyError: tensorboardX is not installed.
        StoreError: the folder can't be written.
    """
    try:
        from tensorboardX import SummaryWriter
    except ModuleNotFoundError:
        raise MissingDependencyError("tensorboardX", "tensorboard") from None
    folder = Path(logged.place or _DEFAULT) / _file_name(logged.project)
    for number, cell in enumerate(logged.results.cells, start=1):
        try:
            with SummaryWriter(str(folder / f"{number:02d}-{_file_name(cell.label)}")) as writer:
                _write(writer, logged, cell)
        except OSError as error:
            raise StoreError(f"{folder} can't be written: {error.strerror or error}. Choose another place.") from error
    return f"{len(logged.results.cells)} runs in {folder}; look at them with: tensorboard --logdir {folder}"


def _write(writer: Any, logged: Logged, cell: Cell) -> None:
    for name, value in values(cell):
        writer.add_scalar(name, value, 0)
    told = {**{f"setting.{key}": str(value) for key, value in cell.settings.items()}, **facts(logged.results)}
    writer.add_text("settings", "\n".join(f"    {key}: {value}" for key, value in told.items()), 0)
    for entry in cell.gallery:
        path = logged.source.parent / entry.sample
        if path.is_file():
            strip = np.asarray(Image.open(path).convert("RGB"))
            writer.add_image(f"prompt {entry.prompt_index}", strip, 0, dataformats="HWC")


def _file_name(text: str) -> str:
    """A name for a folder: what people may have written in a label can't lead elsewhere."""
    return re.sub(r"[^A-Za-z0-9=._ -]+", "-", text).strip(". ")[:80] or "cell"
