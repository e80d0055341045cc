"""Frechet distances extrapolated to infinitely many videos: of ever more of the groups, a line over 1 / N.

Source: Chong & Forsyth 2020 (1911.07023), FID infinity. They draw 15 subsets of single samples with Sobol noise; here
the subsets are of the groups of videos that intervals are made of, so that no features need be kept.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ivbench.errors import ShapeError
from ivbench.metrics.base import Conditions
from ivbench.metrics.compared import ComparedEvidence
from ivbench.metrics.frame_fid import FrameFID
from ivbench.metrics.frechet import Target
from ivbench.metrics.frechet_influence import frechet_influence
from ivbench.metrics.frechet_metric import CellStatistics, FrechetMetric
from ivbench.metrics.fvd import FVD
from ivbench.metrics.influence import Influence
from ivbench.metrics.protocol import Scalar
from ivbench.metrics.statistics import Array, GaussianStatistics, merge_all

__all__ = ["FVDInfinite", "FrameFIDInfinite", "extrapolate", "intercept_weights"]

_POINTS = 15
_FEWEST_PARTS = 8
_PARTS_OF_ROWS = 40
_SEED = 20221005


@dataclass(frozen=True, eq=False)
class _Line:
    """An extrapolation and what it is made of.

    Attributes:
        value: the intercept.
        weights: [S] of each subset's distance in it.
        sizes: [S] rows of each subset.
        chosen: [S, P] which parts are in a subset.
    """

    value: float
    weights: Array
    sizes: Array
    chosen: NDArray[np.bool_]


def intercept_weights(sizes: Array) -> Array:
    """[S] weights w with sum_i w_i y_i the intercept of the least-squares line of y over 1 / sizes."""
    design = np.stack([np.ones(len(sizes)), 1.0 / sizes], axis=1)
    return np.asarray(np.linalg.pinv(design)[0])


def extrapolate(target: Target, parts: Sequence[GaussianStatistics]) -> float:
    """The distance at infinitely many rows.

    Args:
        target: the reference, as it is: its own bias stays.
        parts: statistics of disjoint parts of the rows, drawn alike.

    Raises:
        ShapeError: fewer than 8 parts with rows, or too few rows for a covariance.
    """
    return _line(target, parts).value


class _Infinite(FrechetMetric):
    fewest_videos: ClassVar[int] = _FEWEST_PARTS

    def measure(self, conditions: Conditions) -> Callable[[NDArray[np.floating]], float]:
        """The extrapolation of rows, cut into 40 parts in their order."""
        target = self._target(conditions)

        def value_of(rows: NDArray[np.floating]) -> float:
            cut = np.array_split(rows, min(_PARTS_OF_ROWS, len(rows)))
            return extrapolate(target, [GaussianStatistics.of(part) for part in cut])

        return value_of

    def evidence(self, statistics: CellStatistics, conditions: Conditions) -> ComparedEvidence:
        """Extrapolations of a cell, pooled and of each run, and how each group moves the pooled one.

        Raises:
            ConfigError: no reference.
            ShapeError: too few videos.
        """
        target = self._target(conditions)
        flat = [part for run in statistics.parts for part in run]
        line = _line(target, flat)
        several = len(statistics.parts) > 1
        runs = [_or_nan(target, run) for run in statistics.parts] if several else [line.value]
        found = frechet_influence(target, statistics.parts)
        first = _moved(line, found.first.reshape(-1), np.array([part.n for part in flat], np.float64))
        influence = Influence(first.reshape(found.first.shape), found.interaction, found.curvature)
        return ComparedEvidence(statistics.videos, flat[0].dim, line.value, np.array(runs), influence)

    def _own_fields(self, conditions: Conditions) -> dict[str, Scalar]:
        how = f"{_POINTS} subsets from a quarter of the groups to all, intercept over 1 / N"
        return {**super()._own_fields(conditions), "extrapolation": how, "seed": _SEED}


class FrameFIDInfinite(_Infinite, FrameFID):
    """Frame FID over all frames, extrapolated to infinitely many; may be below 0."""

    name: ClassVar[str] = "frame_fid_infinite"
    title: ClassVar[str] = "frame FID, extrapolated"


class FVDInfinite(_Infinite, FVD):
    """FVD extrapolated to infinitely many videos; may be below 0."""

    name: ClassVar[str] = "fvd_infinite"
    title: ClassVar[str] = "FVD, extrapolated"


def _line(target: Target, parts: Sequence[GaussianStatistics]) -> _Line:
    """Subsets of the parts that have rows: each a random order's first so many, so that they are no nested series."""
    held = [place for place, part in enumerate(parts) if part.n]
    if len(held) < _FEWEST_PARTS:
        raise ShapeError(f"an extrapolation needs at least {_FEWEST_PARTS} groups of videos, got {len(held)}.")
    draw = np.random.Generator(np.random.Philox(key=_SEED))
    counts = np.unique(np.linspace(max(len(held) / 4, 2), len(held), _POINTS).round().astype(np.int64))
    chosen = np.zeros((len(counts), len(parts)), bool)
    for row, count in zip(chosen, counts.tolist(), strict=True):
        row[draw.permutation(held)[:count]] = True
    subsets = [merge_all(parts[place] for place in np.flatnonzero(row).tolist()) for row in chosen]
    sizes = np.array([subset.n for subset in subsets], np.float64)
    distances = np.array([target.distance(subset) for subset in subsets])
    weights = intercept_weights(sizes)
    return _Line(float(weights @ distances), weights, sizes, chosen)


def _or_nan(target: Target, parts: Sequence[GaussianStatistics]) -> float:
    return extrapolate(target, parts) if sum(part.n > 0 for part in parts) >= _FEWEST_PARTS else float("nan")


def _moved(line: _Line, first: Array, rows: Array) -> Array:
    """[P] derivative of the intercept by the weights of parts, from that of the whole distance.

    sum_i w_i [p in S_i] (N / n_i) (e_p - n_p / n_i sum_{q in S_i} e_q), with each subset's gradient taken as the
    whole's.
    """
    total, moved = rows.sum(), np.where(rows > 0, 0.0, np.nan)
    for weight, size, chosen in zip(line.weights, line.sizes, line.chosen, strict=True):
        shared = first[chosen].sum()
        moved[chosen] += weight * total / size * (first[chosen] - rows[chosen] / size * shared)
    return moved
