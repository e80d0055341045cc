"""TensorBoard: a run a cell, so that cells stand beside one another in every chart; the gallery as images.

Settings are hyperparameters, so that the HPARAMS tab is the grid: a row a cell, a column a setting and a score.
"""

from __future__ import annotations

import io
import re
import shutil
import tempfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from PIL import Image

from ivbench.errors import StoreError
from ivbench.report.images import read_sample
from ivbench.report.loggers.base import Line, Logged, Logger, facts, lines

__all__ = ["TENSORBOARD"]

_DEFAULT = "runs"


def _write(logged: Logged) -> str:
    """Write event files into the folder `place` (default: runs) / project / run / cell, all of them or none.

    A run's folder is named by suite, cascade and time where it has no name of its own: two points of one cell in one
    chart would be taken for one.

    Raises:
        ConfigError: a sample's path leads out of the results' folder.
        StoreError: the folder can't be written, or has this run already.
    """
    folder = Path(logged.place or _DEFAULT) / _file_name(logged.project)
    target = folder / _file_name(logged.run or f"{logged.name} {logged.results.created}")
    if target.exists():
        raise StoreError(f"{target} is there already. Remove it, or give this run a --name of its own.")
    told = lines(logged.results)
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=".unfinished-", dir=folder))
    try:
        for number, line in enumerate(told, start=1):
            _write_line(unfinished / f"{number:02d}-{_file_name(line.label)}", logged, line)
        unfinished.chmod(folder.stat().st_mode)
        unfinished.rename(target)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return f"{len(told)} run{'s' * (len(told) != 1)} in {target}; look at them with: tensorboard --logdir {folder}"


def _write_line(folder: Path, logged: Logged, line: Line) -> None:
    """One event file, every point dated with the time of the results. TensorBoard's own writer needs no torch."""
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    made = datetime.fromisoformat(logged.results.created).timestamp()
    writer = EventFileWriter(str(folder))
    try:
        for summary in _summaries(logged, line):
            writer.add_event(Event(wall_time=made, step=0, summary=summary))
    finally:
        writer.close()


def _summaries(logged: Logged, line: Line) -> Iterator[Any]:
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.hparams.summary_v2 import hparams_pb
    from tensorboard.plugins.text.summary_v2 import text_pb

    yield hparams_pb(line.settings, trial_id=line.label)
    yield Summary(value=[Summary.Value(tag=name, simple_value=value) for name, value in line.values.items()])
    told = {**line.settings, **line.about, **facts(logged.results)}
    yield text_pb("about", "\n".join(f"    {key}: {value}" for key, value in told.items()))
    for entry in line.gallery:
        strip = _strip(read_sample(logged.source.parent, entry.sample))
        if strip is not None:
            content, width, height = strip
            image = Summary.Image(encoded_image_string=content, width=width, height=height, colorspace=3)
            yield Summary(value=[Summary.Value(tag=f"prompt {entry.prompt_index}", image=image)])


def _strip(content: bytes) -> tuple[bytes, int, int] | None:
    """A sample's frames side by side as PNG, its width and height; None where the bytes are no WebP image."""
    png = io.BytesIO()
    try:
        with Image.open(io.BytesIO(content), formats=["WEBP"]) as image:
            image.convert("RGB").save(png, "PNG")
            return png.getvalue(), *image.size
    except (OSError, ValueError, Image.DecompressionBombError):
        return None


def _file_name(text: str) -> str:
    """A name for a folder: what people may have written in a label can't lead elsewhere."""
    return re.sub(r"[^A-Za-z0-9=._ -]+", "-", text).strip(". ")[:80] or "unnamed"


TENSORBOARD = Logger("tensorboard", "tensorboard", _write)
