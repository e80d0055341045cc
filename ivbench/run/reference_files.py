"""A reference that is a file of statistics: whether it is one, what made it, and what it gives a metric."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ivbench.config import digest
from ivbench.errors import ConfigError, ProtocolError, ShapeError
from ivbench.metrics import FrechetMetric, Metric, Reference
from ivbench.metrics.base import ExtractorKind
from ivbench.metrics.pickled_statistics import is_pickle, read_pickled
from ivbench.metrics.statistics_files import is_statistics_file, read_statistics
from ivbench.run.folder_extraction import Extraction, clip_in_words

__all__ = ["holds_statistics", "made_by", "read_reference"]


def holds_statistics(path: Path) -> bool:
    """Whether a reference is statistics, and no set of videos."""
    return is_pickle(path) or is_statistics_file(path)


def made_by(extraction: Extraction, metric: str, kind: ExtractorKind) -> dict[str, str | int | float | None]:
    """What decides reference statistics, but for the videos."""
    source = extraction.source(kind)
    return {
        "metric": metric,
        "extractor": source.name,
        "weights": source.digest,
        "preprocess": source.preprocess,
        "clip": clip_in_words(extraction.clip(kind)),
        "ddof": extraction.profile.ddof,
    }


def read_reference(metric: Metric[Any], path: Path, extraction: Extraction) -> tuple[Reference, list[str]]:
    """The reference that a file gives a metric, and what is to be said of it.

    Raises:
        ConfigError: the metric needs features.
        ShapeError: statistics of other dimensions than the extractor's, or that are none.
        ProtocolError: they say that they were made in another way.
        IvbenchError: as `read_statistics` and `read_pickled`.
    """
    ddof, dim = extraction.profile.ddof, extraction.extractor(metric.kind).dim
    if not isinstance(metric, FrechetMetric):
        raise ConfigError(f"{metric.name} needs the reference's features; {path} has their statistics alone.")
    file = read_pickled(path, dim, ddof) if is_pickle(path) else read_statistics(path, ddof)
    if file.statistics.dim != dim:
        raise ShapeError(
            f"{path} is of {file.statistics.dim} features, the extractor gives {dim}. "
            "Name statistics of this extractor, or a folder."
        )
    expected = made_by(extraction, metric.name, metric.kind)
    differing = [key for key, value in expected.items() if file.made.get(key, value) != value]
    if differing:
        said = ", ".join(f"{key} ({file.made[key]} / {expected[key]})" for key in differing)
        raise ProtocolError(f"{path} was made in another way: {said}. Make it again: ivbench metric stats")
    notes = [] if file.made else [f"{path.name} does not say what made it: its extractor is taken on trust"]
    set_digest = str(file.made.get("set") or digest([file.statistics.mean.tolist()]))
    return Reference(file.statistics, set_digest, file.count), notes
