"""What the Frechet metrics share: streamed statistics by run and by group of prompts, influence, floor, records.

A metric of the family only says how a video's features become rows.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ivbench.errors import ShapeError
from ivbench.metrics.base import (
    Batch,
    Conditions,
    Evidence,
    Metric,
    Reference,
    few_prompts,
    missing,
    or_none,
    require_runs,
    run_scores,
)
from ivbench.metrics.floors import FLOOR_DRAWS, NullFloor, null_floor
from ivbench.metrics.frechet import Target
from ivbench.metrics.frechet_influence import frechet_influence
from ivbench.metrics.influence import Influence
from ivbench.metrics.intervals import LEVEL, Integers, group_of_prompts
from ivbench.metrics.protocol import Scalar
from ivbench.metrics.statistics import Array, GaussianStatistics, merge_all
from ivbench.results.schema import Counts, Interval, RunScore, Score

__all__ = ["SAMPLES_PER_DIMENSION", "CellStatistics", "FrechetEvidence", "FrechetMetric"]

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


@dataclass(frozen=True, eq=False)
class FrechetEvidence(Evidence):
    """All that a score and its differences need of a cell.

    Attributes:
        videos: [R] videos of each run.
        dim: feature dimensions.
        pooled: distance of all runs together.
        runs: [R] distance of each run, NaN where it has too few rows.
        influence: of each run's part of each group of prompts on the pooled distance.
    """

    _videos: Integers
    dim: int
    pooled: float
    runs: Array
    influence: Influence

    @property
    def videos(self) -> Integers:
        """[R] videos used in each run."""
        return self._videos

    def to_arrays(self) -> dict[str, NDArray[np.generic]]:
        """As arrays to be stored."""
        return {
            "videos": self._videos,
            "dim": np.array(self.dim, np.int64),
            "pooled": np.array(self.pooled),
            "runs": self.runs,
            "first": self.influence.first,
            "interaction": np.array(self.influence.interaction),
            "curvature": np.array(self.influence.curvature),
        }


class FrechetMetric(Metric[FrechetEvidence]):
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

    def floor(
        self, bank: NDArray[np.floating], samples: int, conditions: Conditions, draws: int = FLOOR_DRAWS
    ) -> NullFloor:
        """The null floor of this metric; see `null_floor`.

        Args:
            bank: [K, P, T, D] or [K, P, D] of real clips of the prompts.
            samples: videos of each prompt in a cell, all runs together.
            conditions: with the reference.
            draws: how many times.

        Raises:
            ConfigError: no reference.
        """
        reference = self._reference(conditions)
        target = Target(reference.statistics, conditions.profile.ddof)
        return null_floor(bank, self.rows, samples, target, reference.count or 0, draws)

    def gather(self, batches: Iterable[Batch], conditions: Conditions) -> FrechetEvidence:
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
            raise ShapeError(f"{self.name} got no videos; at least 2 are needed. Sample this cell first.")
        number = int(group_of.max()) + 1
        return CellStatistics(
            np.array([videos[run] for run in sorted(videos)], np.int64),
            tuple(
                tuple(parts.get((run, group), GaussianStatistics.empty(dim)) for group in range(number))
                for run in sorted(videos)
            ),
        )

    def evidence(self, statistics: CellStatistics, conditions: Conditions) -> FrechetEvidence:
        """Distances of a cell, pooled and of each run, and the influence of each group of prompts.

        Args:
            statistics: of the cell.
            conditions: with the reference.

        Raises:
            ConfigError: no reference.
            ShapeError: too few videos for a covariance, or other dimensions than the reference.
        """
        reference, ddof = self._reference(conditions), conditions.profile.ddof
        target = Target(reference.statistics, ddof)
        by_run = statistics.by_run
        whole = merge_all(by_run)
        if whole.n <= ddof:
            raise ShapeError(
                f"{self.name} needs at least {ddof + 1} feature rows, got {whole.n}. "
                "Use more prompts or runs, or leave this metric out of the suite."
            )
        runs = [target.distance(run) if run.n > ddof else np.nan for run in by_run]
        influence = frechet_influence(target, statistics.parts)
        return FrechetEvidence(statistics.videos, whole.dim, target.distance(whole), np.array(runs), influence)

    def restore(self, arrays: Mapping[str, NDArray[np.generic]]) -> FrechetEvidence:
        """Evidence from what its `to_arrays` wrote."""
        return FrechetEvidence(
            arrays["videos"].astype(np.int64),
            int(arrays["dim"]),
            float(arrays["pooled"]),
            arrays["runs"].astype(np.float64),
            Influence(arrays["first"].astype(np.float64), float(arrays["interaction"]), float(arrays["curvature"])),
        )

    def score(
        self,
        evidence: FrechetEvidence,
        conditions: Conditions,
        seeds: Sequence[int],
        failed: int = 0,
        context: Mapping[str, float] | None = None,
    ) -> Score:
        """The record of one cell: pooled over runs, with its interval and the null floor beside it."""
        require_runs(seeds, evidence.videos)
        used = int(evidence.videos.sum())
        decisive, notes = self._judge(conditions, evidence.dim, used)
        interval = evidence.influence.interval(evidence.pooled)
        counts = Counts(generated=used + failed, failed=failed, used=used, reference=self._reference(conditions).count)
        record = self._record(
            conditions,
            evidence.pooled,
            run_scores(seeds, evidence.runs),
            interval,
            counts,
            {**_beside(conditions.floor), **(context or {})},
            decisive and interval is not None,
            notes,
        )
        found = evidence.influence
        rows = [or_none(run) for run in found.first]
        told = {"influence": rows, "interaction": found.interaction, "curvature": found.curvature}
        return record.model_copy(update=told)

    def ground_truth(self, conditions: Conditions, dim: int) -> Score:
        """The record of real clips: the null floor's draws, as the same protocol as a cell of that many videos.

        Args:
            conditions: with reference and floor.
            dim: feature dimensions.

        Returns:
            Value = mean over the draws; one `runs` entry a draw; the interval holds 95 % of single draws.

        Raises:
            ConfigError: no floor.
        """
        floor = conditions.floor
        if floor is None:
            raise missing(f"the ground truth of {self.name}", "a null floor")
        decisive, notes = self._judge(conditions, dim, floor.count)
        low, high = np.quantile(floor.values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        method = f"range of {len(floor.values)} draws of {floor.count} real clips of the prompts"
        interval = Interval(low=float(low), high=float(high), level=LEVEL, method=method)
        counts = Counts(generated=floor.count, failed=0, used=floor.count, reference=self._reference(conditions).count)
        runs = [RunScore(seed=draw, value=value) for draw, value in enumerate(floor.values.tolist())]
        record = self._record(conditions, floor.mean, runs, interval, counts, _beside(floor), decisive, notes)
        # The draws share their reference and overlap: no standard error.
        return record.model_copy(update={"stderr": None})

    def _own_fields(self, conditions: Conditions) -> dict[str, Scalar]:
        reference = self._reference(conditions)
        return {
            "ddof": conditions.profile.ddof,
            "reference": reference.digest,
            "reference_count": reference.count,
        }

    def _reference(self, conditions: Conditions) -> Reference:
        if conditions.reference is None:
            raise missing(self.name, "a reference set")
        return conditions.reference

    def _judge(self, conditions: Conditions, dim: int, used: int) -> tuple[bool, list[str]]:
        reference = self._reference(conditions)
        notes = []
        fewest = used if reference.count is None else min(used, reference.count)
        needed = SAMPLES_PER_DIMENSION * dim
        if fewest < needed:
            notes.append(
                f"bias-dominated: {fewest} videos for {dim} feature dimensions; {needed} are needed to decide anything"
            )
        floor = conditions.floor
        if floor is not None and (floor.count, floor.reference_count) != (used, reference.count):
            notes.append(
                f"the null floor was drawn with {floor.count} clips against {floor.reference_count}, "
                f"this value with {used} against {reference.count}"
            )
        few = few_prompts(conditions.num_prompts)
        return fewest >= needed and not few, [*notes, *few]


def _beside(floor: NullFloor | None) -> dict[str, float]:
    if floor is None:
        return {}
    truth = {"ground_truth": floor.mean} if floor.of_prompts else {}
    return {**truth, "null_mean": floor.mean, "null_q95": floor.q95}
