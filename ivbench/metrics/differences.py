"""Differences of two scores of one protocol, from their records alone: no features, no store.

The same prompts stand on both sides, and pairs are set against each other; cells of one suite share their noise too.
Videos of folders that have no captions are no pairs: each side then has its own error.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from ivbench.errors import ConfigError
from ivbench.metrics.base import NO_PROMPTS, or_none
from ivbench.metrics.influence import Influence, noise_variance, student_interval
from ivbench.metrics.intervals import LEVEL
from ivbench.metrics.protocol import require_same_protocol
from ivbench.metrics.sign_flips import sign_flip_bounds
from ivbench.metrics.statistics import Array
from ivbench.results.schema import Difference, Interval, Score

__all__ = ["Paired", "difference", "paired"]


@dataclass(frozen=True)
class Paired:
    """A difference and how sure it is.

    Attributes:
        value: a minus b.
        error: its standard error: of a mean over prompts, of a Frechet metric over noise, of unpaired videos over both.
        units: degrees of freedom and one more: of a mean the prompts that stand behind it.
        interval: 95 %.
        decisive: both scores decide.
        by_prompt: [P] of a mean: the difference of each prompt in suite order, None where a side has no video of it;
            empty for a Frechet metric, which has no value by prompt.
    """

    value: float
    error: float
    units: int
    interval: Interval
    decisive: bool
    by_prompt: tuple[float | None, ...] = ()

    def bounds(self, alpha: float) -> tuple[float, float]:
        """One-sided bounds (lower, upper), each with the error rate alpha.

        Of a mean by sign flips, of all others by Student's t.
        """
        values = np.array([value for value in self.by_prompt if value is not None], np.float64)
        if len(values):
            return sign_flip_bounds(values, alpha)
        reach = float(special.stdtrit(self.units - 1, 1 - alpha)) * self.error
        return self.value - reach, self.value + reach

    @property
    def significant(self) -> bool:
        """The interval excludes 0, and both scores decide."""
        return self.decisive and not self.interval.low <= 0.0 <= self.interval.high


def difference(a: str, score_a: Score, b: str, score_b: Score) -> Difference | None:
    """The paired difference of two cells as a record: a minus b.

    Args:
        a, b: ids of the cells.
        score_a, score_b: their scores of one metric.

    Returns:
        The record, or None where too few prompts leave no interval.

    Raises:
        ProtocolError: the scores have different protocols; names the fields.
    """
    found = paired(score_a, score_b)
    if found is None:
        return None
    return Difference(
        a=a,
        b=b,
        metric=score_a.metric,
        protocol=score_a.protocol,
        value=found.value,
        interval=found.interval,
        significant=found.significant,
        by_prompt=list(found.by_prompt),
    )


def paired(a: Score, b: Score) -> Paired | None:
    """The difference a minus b; None where too few prompts leave no interval.

    A mean: over the prompts that both have, by sign flips. A Frechet metric: the difference of the pooled
    values, with the prompts held fixed, by the noise between runs; with one run, over groups of prompts. Without
    prompts: of two sets of videos, by the errors of both (Welch 1947).

    Raises:
        ProtocolError: the scores have different protocols; names the fields.
        ConfigError: under one protocol they have values of other numbers of prompts.
    """
    require_same_protocol(a, b)
    decisive = a.decisive and b.decisive
    if a.fields.get("prompts") == NO_PROMPTS:
        return _unpaired(a, b, decisive)
    if a.by_prompt and b.by_prompt:
        of_prompts = _by_prompt(a, b)
        values = of_prompts[np.isfinite(of_prompts)]
        if len(values) < 2:
            return None
        low, high = sign_flip_bounds(values, (1 - LEVEL) / 2)
        interval = Interval(low=low, high=high, level=LEVEL, method=f"sign flips over {len(values)} prompts")
        error = float(values.std(ddof=1)) / math.sqrt(len(values))
        by_prompt = tuple(or_none(of_prompts))
        return Paired(float(values.mean()), error, len(values), interval, decisive, by_prompt)
    found = _frechet_error(a, b)
    if found is None:
        return None
    error, freedom, method = found
    value = a.value - b.value
    return Paired(value, error, freedom + 1, student_interval(value, error, freedom, method), decisive)


def _unpaired(a: Score, b: Score, decisive: bool) -> Paired | None:
    sides = [_own_error(score) for score in (a, b)]
    if any(side is None for side in sides):
        return None
    parts = [(error**2, freedom) for error, freedom in filter(None, sides)]
    variance = sum(part for part, _ in parts)
    spread = sum(part**2 / freedom for part, freedom in parts)
    freedom = math.floor(variance**2 / spread) if spread else min(freedom for _, freedom in parts)
    error, value = math.sqrt(variance), a.value - b.value
    how = "two sets of videos that are no pairs, by the errors of both; reference held fixed"
    return Paired(value, error, freedom + 1, student_interval(value, error, freedom, how), decisive)


def _own_error(score: Score) -> tuple[float, int] | None:
    """(standard error over videos, degrees of freedom); None where there are too few."""
    if score.by_prompt:
        rows = _mean(np.array(score.by_prompt, np.float64))
        values = rows[np.isfinite(rows)]
        return (float(values.std(ddof=1)) / math.sqrt(len(values)), len(values) - 1) if len(values) > 1 else None
    first = np.array(score.influence, np.float64)
    if first.ndim != 2:
        return None
    own = Influence(first, score.interaction, score.curvature)
    return (own.error, own.units - 1) if own.units > 1 else None


def _by_prompt(a: Score, b: Score) -> Array:
    """[P] differences, run by run where the runs are as many, then the mean over runs; NaN where a side has none."""
    rows = [np.array(score.by_prompt, np.float64) for score in (a, b)]
    if len(rows[0][0]) != len(rows[1][0]):
        raise ConfigError(
            f"{a.label} has values of {len(rows[0][0])} prompts in one file and of {len(rows[1][0])} in the other, "
            "under one protocol: a file was damaged. Score its suite again."
        )
    same_runs = len(rows[0]) == len(rows[1])
    return _mean(rows[0] - rows[1]) if same_runs else np.asarray(_mean(rows[0]) - _mean(rows[1]))


def _mean(rows: Array) -> Array:
    """[R, P] -> [P] mean over the runs that have a value, NaN where none has."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a prompt without any video is NaN on purpose
        return np.asarray(np.nanmean(rows, axis=0))


def _frechet_error(a: Score, b: Score) -> tuple[float, int, str] | None:
    """(standard error, degrees of freedom, how) of a minus b; None where the records do not say enough."""
    sides = [Influence(np.array(score.influence, np.float64), score.interaction, score.curvature) for score in (a, b)]
    if any(side.first.ndim != 2 for side in sides) or len(sides[0].first[0]) != len(sides[1].first[0]):
        return None
    if min(len(side.first) for side in sides) < 2:
        return _over_prompts(*sides)
    seeds = [[run.seed for run in score.runs] for score in (a, b)]
    if seeds[0] == seeds[1]:
        return _same_noise(sides[0].first - sides[1].first)
    return _other_noise(sides)


def _same_noise(first: Array) -> tuple[float, int, str] | None:
    """Run by run. The quadratic part is counted twice here: noise that both share can't be told from the rest."""
    groups = int(np.isfinite(first).all(axis=0).sum())
    freedom = groups * (len(first) - 1)
    how = f"noise of {len(first)} runs, seed by seed, in {groups} groups of prompts; prompts and reference held fixed"
    return (math.sqrt(noise_variance(first)), freedom, how) if freedom else None


def _other_noise(sides: Sequence[Influence]) -> tuple[float, int, str] | None:
    """Each side's own, without what the first order counts twice of its quadratic part; at least half is kept."""
    linear = [noise_variance(side.first) for side in sides]
    variance = sum(max(one - side.curvature, one / 2) for one, side in zip(linear, sides, strict=True))
    freedom = sum(int(np.isfinite(side.first).all(axis=0).sum()) * (len(side.first) - 1) for side in sides)
    runs = " and ".join(str(len(side.first)) for side in sides)
    how = f"noise of {runs} runs; prompts and reference held fixed"
    return (math.sqrt(variance), freedom, how) if freedom else None


def _over_prompts(a: Influence, b: Influence) -> tuple[float, int, str] | None:
    """One run shows no noise: over groups of prompts, which prompts that both sides share make too wide."""
    one, other = a.by_group, b.by_group
    absent = np.isnan(one) & np.isnan(other)
    change = np.where(absent, np.nan, np.nan_to_num(one) - np.nan_to_num(other))
    both = Influence(change[None], 0.0, 0.0)
    if both.units < 2:
        return None
    how = f"jackknife over {both.units} groups of prompts, reference held fixed"
    return both.error, both.units - 1, how
