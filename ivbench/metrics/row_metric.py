"""Metrics against real clips that need the rows themselves, on both sides: memory is that of all features."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ivbench.errors import ShapeError
from ivbench.metrics.base import Batch, Conditions
from ivbench.metrics.compared import ComparedEvidence, ComparedMetric
from ivbench.metrics.influence import Influence
from ivbench.metrics.intervals import Integers, group_of_prompts
from ivbench.metrics.statistics import Array, finite_features

__all__ = ["RowMetric"]


class RowMetric(ComparedMetric):
    """Collects a cell's rows, measures them together and run by run, and weighs groups of videos."""

    fewest_rows: ClassVar[int] = 2

    @abstractmethod
    def influence(self, rows: Array, member: Integers, parts: tuple[int, int], conditions: Conditions) -> Influence:
        """How parts of the rows move the value.

        Args:
            rows: [N, D] float64.
            member: [N] part of each row: run x G + group.
            parts: (R, G).
            conditions: with the reference.
        """

    def pooled(
        self, features: Array, value_of: Callable[[NDArray[np.floating]], float], conditions: Conditions
    ) -> tuple[float, float]:
        """The value of all rows [N, D], and its standard deviation over the metric's subsets; NaN: it has none."""
        return value_of(features), np.nan

    def gather(self, batches: Iterable[Batch], conditions: Conditions) -> ComparedEvidence:
        """Collect one cell's features, measure, and weigh groups of videos."""
        group_of = group_of_prompts(conditions.num_prompts)
        parts: list[tuple[int, Integers, Array]] = []
        videos: dict[int, int] = {}
        for batch in (self._checked(one, conditions) for one in batches):
            rows = finite_features(self.rows(batch.features))
            each = len(rows) // max(len(batch.prompts), 1)
            parts.append((batch.run, np.repeat(group_of[batch.prompts], each), rows))
            videos[batch.run] = videos.get(batch.run, 0) + len(batch.prompts)
        if not parts:
            needed = f"at least {self.fewest_rows} rows are needed"
            raise ShapeError(f"{self.name} got no videos; {needed}. Sample this cell first.")
        total = sum(len(rows) for _, _, rows in parts)
        if total < self.fewest_rows:
            raise ShapeError(f"{self.name} needs at least {self.fewest_rows} rows, got {total}. Score more videos.")
        features, reference = np.concatenate([rows for _, _, rows in parts]), self._reference_rows(conditions)
        if features.shape[1] != reference.shape[1]:
            raise ShapeError(
                f"{self.name}: features have {features.shape[1]} dimensions, the reference's {reference.shape[1]}. "
                "Take both from one extractor."
            )
        value_of = self.measure(conditions)
        groups, places = int(group_of.max()) + 1, {run: place for place, run in enumerate(sorted(videos))}
        member = np.concatenate([places[run] * groups + group for run, group, _ in parts])
        of_run = [features[member // groups == place] for place in range(len(places))]
        pooled, spread = self.pooled(features, value_of, conditions)
        runs = [pooled]
        if len(of_run) > 1:
            runs = [value_of(rows) if len(rows) >= self.fewest_rows else np.nan for rows in of_run]
        influence = self.influence(features, member, (len(places), groups), conditions)
        counted = np.array([videos[run] for run in sorted(videos)], np.int64)
        return ComparedEvidence(counted, features.shape[1], pooled, np.array(runs), influence, spread)
