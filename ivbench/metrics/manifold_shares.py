"""Recall and coverage: the share of real videos that the generated ones reach. Their intervals are a jackknife's.

A video is one row, the mean of its frames' features, as for precision and density.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ivbench.metrics.base import Conditions, ExtractorKind
from ivbench.metrics.compared import ComparedEvidence
from ivbench.metrics.influence import Influence
from ivbench.metrics.intervals import Integers, wilson_interval
from ivbench.metrics.manifold_means import mean_over_frames
from ivbench.metrics.neighbours import Neighbours, inner, nearest, neighbours, within
from ivbench.metrics.protocol import Scalar
from ivbench.metrics.row_metric import RowMetric
from ivbench.metrics.statistics import Array, finite_features
from ivbench.results.schema import Interval

__all__ = ["Coverage", "Recall"]

_SPARE = 24
"""Further neighbours that are kept of each row, for when a group of its neighbours is left out."""


class _Share(RowMetric):
    kind: ClassVar[ExtractorKind] = "frames"
    higher_is_better: ClassVar[bool] = True
    unit: ClassVar[str] = "%"
    nearest_k: ClassVar[int]

    def rows(self, features: NDArray[np.floating]) -> NDArray[np.floating]:
        """[N, T, D] -> [N, D], the mean over frames."""
        return mean_over_frames(features)

    def _interval(self, evidence: ComparedEvidence) -> Interval | None:
        found = evidence.influence
        if found.units < 2:
            return None
        method = f"Wilson's interval, jackknife over {found.units} groups of prompts, reference held fixed"
        return wilson_interval(evidence.pooled, found.error**2, found.units - 1, method)

    def _own_fields(self, conditions: Conditions) -> dict[str, Scalar]:
        return {"neighbours": self.nearest_k, "rows": "mean over a video's frames"}


class Recall(_Share):
    """Share in % of real videos that lie in a ball around a generated one, up to its third nearest generated neighbour.

    Source: Kynkäänniemi et al. 2019 (1904.06991), equations 1 and 3, k = 3.
    """

    name: ClassVar[str] = "recall"
    title: ClassVar[str] = "recall"
    nearest_k: ClassVar[int] = 3
    fewest_rows: ClassVar[int] = 4
    fewest_videos: ClassVar[int] = 4

    def measure(self, conditions: Conditions) -> Callable[[NDArray[np.floating]], float]:
        """The share of reference rows in a ball."""
        reference = self._reference_rows(conditions)

        def value_of(rows: NDArray[np.floating]) -> float:
            centres = finite_features(rows)
            radii = neighbours(centres, self.nearest_k).distance[:, -1]
            return 100.0 * float(within(reference, centres, radii[None]).mean())

        return value_of

    def influence(self, rows: Array, member: Integers, parts: tuple[int, int], conditions: Conditions) -> Influence:
        """By leaving out groups and parts, whose rows are then no neighbours either."""
        found = neighbours(rows, min(self.nearest_k + _SPARE, len(rows) - 1))
        group = member % parts[1]
        radii = [_without(found, group, g, self.nearest_k) for g in range(parts[1])]
        if parts[0] > 1:
            radii += [_without(found, member, part, self.nearest_k) for part in range(parts[0] * parts[1])]
        shares = 100.0 * within(self._reference_rows(conditions), rows, np.stack(radii)).mean(axis=1)
        return _left_out(shares, member, parts)


class Coverage(_Share):
    """Share in % of real videos whose ball, up to the fifth nearest real neighbour, holds a generated one.

    Balls are open, as in the authors' prdc.

    Source: Naeem et al. 2020 (2002.09797), equation 5, k = 5.
    """

    name: ClassVar[str] = "coverage"
    title: ClassVar[str] = "coverage"
    nearest_k: ClassVar[int] = 5
    fewest_rows: ClassVar[int] = 1

    def measure(self, conditions: Conditions) -> Callable[[NDArray[np.floating]], float]:
        """The share of reference rows whose ball holds a row."""
        reference = self._reference_rows(conditions)
        radii = inner(neighbours(reference, self.nearest_k).distance[:, -1])
        return lambda rows: 100.0 * float((nearest(reference, finite_features(rows))[1] <= radii).mean())

    def influence(self, rows: Array, member: Integers, parts: tuple[int, int], conditions: Conditions) -> Influence:
        """By leaving out groups and parts."""
        reference, count = self._reference_rows(conditions), parts[0] * parts[1]
        radii = inner(neighbours(reference, self.nearest_k).distance[:, -1])
        held = np.zeros((count, len(reference)), bool)
        for part in np.unique(member).tolist():
            held[part] = nearest(reference, rows[member == part])[1] <= radii
        by_group = np.asarray(held.reshape(*parts, -1).any(axis=0))
        shares = [_share_without(by_group)] + ([_share_without(held)] if parts[0] > 1 else [])
        return _left_out(100.0 * np.concatenate(shares), member, parts)

    def _own_fields(self, conditions: Conditions) -> dict[str, Scalar]:
        return {**super()._own_fields(conditions), "balls": "open"}


def _without(found: Neighbours, member: Integers, part: int, k: int) -> Array:
    """[N] squared radii up to the k-th nearest neighbour outside a part; -1 for its own rows."""
    outside = member[found.place] != part
    order = np.cumsum(outside, axis=1)
    place = np.where(order[:, -1] >= k, (order >= k).argmax(axis=1), found.place.shape[1] - 1)
    return np.where(member == part, -1.0, found.distance[np.arange(len(place)), place])


def _share_without(held: NDArray[np.bool_]) -> Array:
    """[P] share of the columns that any row but one holds."""
    times = held.sum(axis=0)
    return np.array([float((times - row > 0).mean()) for row in held])


def _left_out(shares: Array, member: Integers, parts: tuple[int, int]) -> Influence:
    """From the shares without each group and, with several runs, without each part."""
    size = np.bincount(member, minlength=parts[0] * parts[1]).reshape(parts)
    groups = np.where(size.sum(axis=0) > 0, shares[: parts[1]], np.nan)
    single = shares[parts[1] :].reshape(parts) if parts[0] > 1 else groups[None]
    return Influence.left_out(groups, np.where(size > 0, single, np.nan))
