"""What metrics against real clips share: a value pooled over runs, its influence, the null floor beside it, records.

A metric of the family says what it measures of rows against its reference, and how evidence is gathered.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ivbench.metrics.base import (
    Conditions,
    Evidence,
    Metric,
    few_prompts,
    missing,
    or_none,
    require_runs,
    run_scores,
)
from ivbench.metrics.floors import FLOOR_DRAWS, NullFloor, null_floor
from ivbench.metrics.influence import Influence
from ivbench.metrics.intervals import LEVEL, Integers
from ivbench.metrics.statistics import Array
from ivbench.results.schema import Counts, Interval, RunScore, Score

__all__ = ["ComparedEvidence", "ComparedMetric"]


@dataclass(frozen=True, eq=False)
class ComparedEvidence(Evidence):
    """All that a score and its differences need of a cell.

    Attributes:
        counted: [R] videos of each run.
        dim: feature dimensions.
        pooled: value of all runs together.
        runs: [R] value of each run, NaN where it has too few rows.
        influence: of each run's part of each group of prompts on the pooled value.
        spread: standard deviation of the pooled value's subsets; NaN: it has none.
    """

    counted: Integers
    dim: int
    pooled: float
    runs: Array
    influence: Influence
    spread: float = np.nan

    @property
    def videos(self) -> Integers:
        """[R] videos used in each run."""
        return self.counted

    def to_arrays(self) -> dict[str, NDArray[np.generic]]:
        """As arrays to be stored."""
        return {
            "videos": self.counted,
            "dim": np.array(self.dim, np.int64),
            "pooled": np.array(self.pooled),
            "runs": self.runs,
            "first": self.influence.first,
            "interaction": np.array(self.influence.interaction),
            "curvature": np.array(self.influence.curvature),
            "spread": np.array(self.spread),
        }


class ComparedMetric(Metric[ComparedEvidence]):
    """A metric of all videos together against real clips: no video has a value of its own."""

    compares: ClassVar[bool] = True
    has_floor: ClassVar[bool] = True
    fewest_videos: ClassVar[int] = 2

    @abstractmethod
    def measure(self, conditions: Conditions) -> Callable[[NDArray[np.floating]], float]:
        """The value of rows against the reference, which is prepared once.

        Raises:
            ConfigError: no reference, or one without what this metric needs of it.
        """

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
        count = self._reference(conditions).count or 0
        return null_floor(bank, self.rows, samples, self.measure(conditions), count, draws)

    def restore(self, arrays: Mapping[str, NDArray[np.generic]]) -> ComparedEvidence:
        """Evidence from what its `to_arrays` wrote."""
        return ComparedEvidence(
            arrays["videos"].astype(np.int64),
            int(arrays["dim"]),
            float(arrays["pooled"]),
            arrays["runs"].astype(np.float64),
            Influence(arrays["first"].astype(np.float64), float(arrays["interaction"]), float(arrays["curvature"])),
            float(arrays["spread"]) if "spread" in arrays else np.nan,
        )

    def score(
        self,
        evidence: ComparedEvidence,
        conditions: Conditions,
        seeds: Sequence[int],
        failed: int = 0,
        context: Mapping[str, float] | None = None,
    ) -> Score:
        """The record of one cell: pooled over runs, with its interval and the null floor beside it."""
        require_runs(seeds, evidence.videos)
        used = int(evidence.videos.sum())
        decisive, notes = self._judge(conditions, evidence.dim, used)
        interval = self._interval(evidence)
        counts = Counts(generated=used + failed, failed=failed, used=used, reference=self._reference(conditions).count)
        record = self._record(
            conditions,
            evidence.pooled,
            run_scores(seeds, evidence.runs),
            interval,
            counts,
            {**self._beside(conditions.floor), **_spread(evidence), **(context or {})},
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
        record = self._record(conditions, floor.mean, runs, interval, counts, self._beside(floor), decisive, notes)
        # The draws share their reference and overlap: no standard error.
        return record.model_copy(update={"stderr": None})

    def _interval(self, evidence: ComparedEvidence) -> Interval | None:
        """Over prompts; None with fewer than 2 groups of them."""
        return evidence.influence.interval(evidence.pooled)

    def _beside(self, floor: NullFloor | None) -> dict[str, float]:
        if floor is None:
            return {}
        truth = {"ground_truth": floor.mean} if floor.of_prompts else {}
        worst = {"null_q05": floor.q05} if self.higher_is_better else {"null_q95": floor.q95}
        return {**truth, "null_mean": floor.mean, **worst}

    def _judge(self, conditions: Conditions, dim: int, used: int) -> tuple[bool, list[str]]:
        """(whether a score of so many videos decides, what is to be said of it)."""
        few = few_prompts(conditions.num_prompts, conditions.prompts)
        return not few, [*self._floor_notes(conditions, used), *few]

    def _floor_notes(self, conditions: Conditions, used: int) -> list[str]:
        floor, count = conditions.floor, self._reference(conditions).count
        if floor is None or (floor.count, floor.reference_count) == (used, count):
            return []
        return [
            f"the null floor was drawn with {floor.count} clips against {floor.reference_count}, "
            f"this value with {used} against {count}"
        ]


def _spread(evidence: ComparedEvidence) -> dict[str, float]:
    return {} if np.isnan(evidence.spread) else {"subset_std": evidence.spread}
