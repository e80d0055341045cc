"""What a logger is, and what all of them tell of a results file.

A logger takes finished results; nothing is computed, and a tracker that can't be reached loses nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ivbench import registry
from ivbench.results.schema import Cell, Results, Score

__all__ = ["Logged", "Logger", "facts", "log", "metric_key", "values"]

_PLAIN = re.compile(r"[^A-Za-z0-9_. -]+")


@dataclass(frozen=True)
class Logged:
    """What is logged, and where.

    Attributes:
        results: the content of results.json.
        source: its path; report.html and the gallery lie beside it.
        place: the tracker's folder or address; None: the tracker's own default.
        project: what the tracker calls a group of runs.
    """

    results: Results
    source: Path
    place: str | None
    project: str

    @property
    def name(self) -> str:
        """Of the run: suite and cascade."""
        return f"{self.results.suite.name} {self.results.cascade.name}"

    @property
    def report(self) -> Path | None:
        """The HTML report, where there is one."""
        page = self.source.with_name("report.html")
        return page if page.is_file() else None


Logger = Callable[[Logged], str]
"""Logs, and says where in a line."""


def log(kind: str, logged: Logged) -> str:
    """Log results; returns where they are, in words.

    Args:
        kind: a registered logger: mlflow, tensorboard, wandb.
        logged: what and where.

    Raises:
        ConfigError: no such logger.
        MissingDependencyError: its library is not installed.
        StoreError: the tracker can't be reached or written.
    """
    write: Logger = registry.load("logger", kind)
    return write(logged)


def metric_key(score: Score) -> str:
    """A score's name in the characters that every tracker takes: `clip_score.clip-probe`."""
    extractor = score.label.partition("[")[2].rstrip("]")
    return _PLAIN.sub("-", f"{score.metric}.{extractor}" if extractor else score.metric)


def values(cell: Cell) -> Iterator[tuple[str, float]]:
    """The numbers of a cell by name: each score with its standard error and interval, and the cost of a video."""
    for score in cell.scores:
        key = metric_key(score)
        yield key, score.value
        if score.stderr is not None:
            yield f"{key}.stderr", score.stderr
        if score.interval is not None:
            yield f"{key}.low", score.interval.low
            yield f"{key}.high", score.interval.high
    yield "nfe", float(sum(cost.nfe for cost in cell.costs))
    yield "flops", float(sum(cost.flops for cost in cell.costs))
    seconds = [cost.seconds for cost in cell.costs if cost.seconds is not None]
    if seconds and len(seconds) == len(cell.costs):
        yield "seconds", sum(seconds)


def facts(results: Results) -> dict[str, str]:
    """What decides the numbers beside a cell's settings."""
    return {
        "suite": results.suite.name,
        "suite_digest": results.suite.digest,
        "cascade": results.cascade.name,
        "cascade_digest": results.cascade.digest,
        "prompts": str(len(results.suite.prompts)),
        "seeds": " ".join(map(str, results.suite.seeds)),
        "command": results.command,
        **{f"protocol.{metric_key(score)}": score.protocol for cell in results.cells[:1] for score in cell.scores},
    }
