"""What the Frechet metrics share: streamed statistics by run and by group of prompts, and influence.

A metric of the family only says how a video's features become rows.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ivbench.errors import ShapeError
from ivbench.metrics.base import Batch, Conditions, Reference, few_prompts
from ivbench.metrics.compared import ComparedEvidence, ComparedMetric
from ivbench.metrics.frechet import Target
from ivbench.metrics.frechet_influence import frechet_influence
from ivbench.metrics.intervals import Integers, group_of_prompts
from ivbench.metrics.protocol import Scalar
from ivbench.metrics.statistics import GaussianStatistics, merge_all

__all__ = ["SAMPLES_PER_DIMENSION", "CellStatistics", "FrechetMetric"]

SAMPLES_PER_DIMENSION = 4
"""Fewer videos than this many a feature dimension: the distance is mostly its own bias, and decides nothing."""


@dataclass(frozen=True, eq=False)
class CellStatistics:
    """One cell's features, condensed: memory is R G D^2 at most, whatever the number of videos.

    Attributes:
        videos: [R] videos of each run.
        parts: of each run, the statistics of each of the groups of `group_of_prompts`.
    """

    videos: Integers
    parts: tuple[tuple[GaussianStatistics, ...], ...]

    @property
    def by_run(self) -> tuple[GaussianStatistics, ...]:
        """R statistics, over all prompts."""
        return tuple(merge_all(run) for run in self.parts)


class FrechetMetric(ComparedMetric):
    """Frechet distance of generated to reference features; lower is better. Pooled over runs as the headline."""

    higher_is_better: ClassVar[bool] = False

    @abstractmethod
    def rows(self, features: NDArray[np.floating]) -> NDArray[np.floating]:
        """Rows of the Gaussian fit: features of N videos -> [N * m, D], the m rows of a video together."""

    def reference(self, features: Iterable[NDArray[np.floating]]) -> GaussianStatistics:
        """Statistics of the reference clips, streamed.

        Args:
            features: blocks [B, T, D] or [B, D] of real clips.

        Raises:
            ShapeError: no block, or blocks that do not fit together.
            NonFiniteError: NaN or infinity.
        """
        return merge_all(GaussianStatistics.of(self.rows(block)) for block in features)

    def prepare(self, blocks: Iterable[NDArray[np.floating]], digest: str, count: int) -> Reference:
        """Statistics of real clips: their features are not kept."""
        return Reference(self.reference(blocks), digest, count)

    def measure(self, conditions: Conditions) -> Callable[[NDArray[np.floating]], float]:
        """The distance of rows to the reference."""
        target = self._target(conditions)
        return lambda rows: target.distance(GaussianStatistics.of(rows))

    def gather(self, batches: Iterable[Batch], conditions: Conditions) -> ComparedEvidence:
        """Stream one cell's features into evidence; as `statistics`, then `evidence`."""
        return self.evidence(self.statistics(batches, conditions), conditions)

    def statistics(self, batches: Iterable[Batch], conditions: Conditions) -> CellStatistics:
        """Stream one cell's features into statistics by run and by group of prompts.

        Raises:
            ShapeError: no video at all, or features or prompt indices that do not fit.
            NonFiniteError: NaN or infinity.
        """
        group_of = group_of_prompts(conditions.num_prompts)
        videos: dict[int, int] = {}
        parts: dict[tuple[int, int], GaussianStatistics] = {}
        dim = 0
        for batch in (self._checked(one, conditions) for one in batches):
            dim = batch.features.shape[-1]
            empty = GaussianStatistics.empty(dim)
            videos[batch.run] = videos.get(batch.run, 0) + len(batch.prompts)
            member = group_of[batch.prompts]
            for group in np.unique(member).tolist():
                part = GaussianStatistics.of(self.rows(batch.features[member == group]))
                parts[batch.run, group] = parts.get((batch.run, group), empty).merge(part)
        if not parts:
            raise ShapeError(f"{self.name} got no videos; at least 1 is needed. Sample this cell first.")
        number = int(group_of.max()) + 1
        return CellStatistics(
            np.array([videos[run] for run in sorted(videos)], np.int64),
            tuple(
                tuple(parts.get((run, group), GaussianStatistics.empty(dim)) for group in range(number))
                for run in sorted(videos)
            ),
        )

    def evidence(self, statistics: CellStatistics, conditions: Conditions) -> ComparedEvidence:
        """Distances of a cell, pooled and of each run, and the influence of each group of prompts.

        Args:
            statistics: of the cell.
            conditions: with the reference.

        Raises:
            ConfigError: no reference.
            ShapeError: no video, or other dimensions than the reference.
        """
        target, ddof = self._target(conditions), conditions.profile.ddof
        by_run = statistics.by_run
        whole = merge_all(by_run)
        runs = [target.distance(run) if run.n > ddof else np.nan for run in by_run]
        influence = frechet_influence(target, statistics.parts)
        return ComparedEvidence(statistics.videos, whole.dim, target.distance(whole), np.array(runs), influence)

    def _target(self, conditions: Conditions) -> Target:
        chosen = conditions.profile
        return Target(self._reference(conditions).statistics, chosen.ddof, chosen.ridge)

    def _own_fields(self, conditions: Conditions) -> dict[str, Scalar]:
        ridge = conditions.profile.ridge
        return {"ddof": conditions.profile.ddof, **({"ridge": ridge} if ridge else {})}

    def _judge(self, conditions: Conditions, dim: int, used: int) -> tuple[bool, list[str]]:
        reference = self._reference(conditions)
        notes = []
        fewest = used if reference.count is None else min(used, reference.count)
        needed = SAMPLES_PER_DIMENSION * dim
        if fewest < needed:
            notes.append(
                f"bias-dominated: {fewest} videos for {dim} feature dimensions; {needed} are needed to decide anything"
            )
        if fewest == 1:
            notes.append("where the features of one side are a single row, its covariance counts as 0")
        few = few_prompts(conditions.num_prompts, conditions.prompts)
        return fewest >= needed and not few, [*notes, *self._floor_notes(conditions, used), *few]
