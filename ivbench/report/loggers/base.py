"""What a logger is, and what all of them tell of a results file.

A logger takes finished results; nothing is computed, and a tracker that can't be reached loses nothing.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from ivbench import registry
from ivbench.errors import IvbenchError, MissingDependencyError, StoreError
from ivbench.report.names import distinct, variant
from ivbench.report.tables import total_flops, total_nfe, total_seconds
from ivbench.results.schema import Cell, GalleryEntry, Results, Score

__all__ = ["Line", "Logged", "Logger", "facts", "lines", "log", "metric_key", "require"]

_PLAIN = re.compile(r"[^A-Za-z0-9_. -]+")


@dataclass(frozen=True)
class Logged:
    """What is logged, and where.

    Attributes:
        results: the content of results.json.
        source: its path; report.html and the gallery lie beside it.
        place: the tracker's folder or address; None: the tracker's own default.
        project: what the tracker calls a group of runs.
        run: what the tracker calls these results; None: suite and cascade.
    """

    results: Results
    source: Path
    place: str | None = None
    project: str = "ivbench"
    run: str | None = None

    @property
    def name(self) -> str:
        """Of the run."""
        return self.run or f"{self.results.suite.name} {self.results.cascade.name}"

    @property
    def report(self) -> Path | None:
        """The HTML report, where there is one."""
        page = self.source.with_name("report.html")
        return page if page.is_file() else None


@dataclass(frozen=True)
class Line:
    """What a tracker is told of one cell, or of the ground truth.

    Attributes:
        label: unlike every other line's.
        settings: by axis, those that are set.
        values: scores with standard errors and intervals, and the cost of a video, by name.
        about: each score's protocol id, the scores that decide nothing, and why the cell stopped.
        gallery: its samples.
    """

    label: str
    settings: dict[str, str | int | float | bool]
    values: dict[str, float]
    about: dict[str, str]
    gallery: list[GalleryEntry] = field(default_factory=list)


@dataclass(frozen=True)
class Logger:
    """One tracker.

    Attributes:
        library: the module that it needs.
        extra: brings the library.
        write: logs, and says in a line where.
    """

    library: str
    extra: str
    write: Callable[[Logged], str]


def require(kinds: Iterable[str]) -> None:
    """Find out whether trackers can be used, before anything long begins.

    Raises:
        ConfigError: no such logger.
        MissingDependencyError: the library of one is not installed.
    """
    for kind in kinds:
        logger: Logger = registry.load("logger", kind)
        if find_spec(logger.library) is None:
            raise MissingDependencyError(logger.library, logger.extra)


def log(kind: str, logged: Logged) -> str:
    """Log results; returns where they are, in words.

    Args:
        kind: a registered logger: mlflow, tensorboard, wandb.
        logged: what and where.

    Raises:
        ConfigError: no such logger, or a sample that lies outside the folder of the results.
        MissingDependencyError: its library is not installed.
        StoreError: the tracker can't be reached or written, whatever its library says of that.
    """
    require([kind])
    logger: Logger = registry.load("logger", kind)
    try:
        return logger.write(logged)
    except IvbenchError:
        raise
    except Exception as error:  # these libraries raise what theirs raise: sockets, databases, HTTP
        said = str(error).rstrip(". ") or type(error).__name__
        again = shlex.join(["ivbench", "log", str(logged.source), "--to", kind])
        raise StoreError(f"{said}. The results are kept; to log them later: {again}") from error


def metric_key(score: Score) -> str:
    """A score's name in the characters that every tracker takes: `clip_score.clip-probe`."""
    return _PLAIN.sub("-", ".".join((score.metric, *variant(score))))


def lines(results: Results) -> list[Line]:
    """Every cell, then the ground truth where there is one."""
    labels = distinct([*(cell.label for cell in results.cells), "ground truth"])
    found = [_of_cell(cell, label) for cell, label in zip(results.cells, labels, strict=False)]
    if results.ground_truth:
        truth = results.ground_truth
        found.append(Line(labels[-1], {}, _values(truth), _about(truth), results.ground_truth_gallery))
    return found


def facts(results: Results) -> dict[str, str]:
    """What decides the numbers beside a cell's settings."""
    return {
        "suite": results.suite.name,
        "suite_digest": results.suite.digest,
        "cascade": results.cascade.name,
        "cascade_digest": results.cascade.digest,
        "cascade_partial": results.cascade.partial,
        "prompts": str(len(results.suite.prompts)),
        "seeds": " ".join(map(str, results.suite.seeds)),
        "created": results.created,
        "command": results.command,
    }


def _of_cell(cell: Cell, label: str) -> Line:
    costs = {"nfe": total_nfe(cell), "flops": total_flops(cell), "seconds": total_seconds(cell)}
    known = {key: float(value) for key, value in costs.items() if value is not None}
    stopped = {"stopped": cell.problem} if cell.problem else {}
    settings = {_PLAIN.sub("-", key): value for key, value in cell.settings.items() if value is not None}
    return Line(label, settings, {**_values(cell.scores), **known}, {**_about(cell.scores), **stopped}, cell.gallery)


def _values(scores: list[Score]) -> dict[str, float]:
    found = {}
    for score in scores:
        key = metric_key(score)
        found[key] = score.value
        if score.stderr is not None:
            found[f"{key}.stderr"] = score.stderr
        if score.interval is not None:
            found |= {f"{key}.low": score.interval.low, f"{key}.high": score.interval.high}
    return found


def _about(scores: list[Score]) -> dict[str, str]:
    undecided = [metric_key(score) for score in scores if not score.decisive]
    protocols = {f"protocol.{metric_key(score)}": score.protocol for score in scores}
    return protocols | ({"undecided": " ".join(undecided)} if undecided else {})
