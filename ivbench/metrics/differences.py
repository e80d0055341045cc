"""Paired differences of two scores of one protocol, from their records alone: no features, no store.

The same prompts stand on both sides; cells of one suite share their noise too.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass

import numpy as np

from ivbench.metrics.base import or_none
from ivbench.metrics.intervals import Influence, bootstrap_interval
from ivbench.metrics.protocol import require_same_protocol
from ivbench.metrics.statistics import Array
from ivbench.results.schema import Difference, Interval, Score

__all__ = ["Paired", "difference", "paired"]


@dataclass(frozen=True)
class Paired:
    """A paired difference and how sure it is.

    Attributes:
        value: a minus b.
        error: its standard error, over prompts or groups of prompts.
        units: prompts or groups that stand behind it; units - 1 degrees of freedom.
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
    """The paired difference a minus b; None where too few prompts leave no interval.

    A mean: over the prompts that both have, by cluster bootstrap. A Frechet metric: the difference of the pooled
    values, by the differences of the influence of each group of prompts.

    Raises:
        ProtocolError: the scores have different protocols; names the fields.
    """
    require_same_protocol(a, b)
    decisive = a.decisive and b.decisive
    if a.by_prompt and b.by_prompt:
        of_prompts = _by_prompt(a, b)
        values = of_prompts[np.isfinite(of_prompts)]
        interval = bootstrap_interval(values)
        if interval is None:
            return None
        error = float(values.std(ddof=1)) / math.sqrt(len(values))
        by_prompt = tuple(or_none(of_prompts))
        return Paired(float(values.mean()), error, len(values), interval, decisive, by_prompt)
    influence, value = _influence(a, b), a.value - b.value
    interval = None if influence is None else influence.interval(value)
    if influence is None or interval is None:
        return None
    return Paired(value, influence.error, influence.units, interval, decisive)


def _by_prompt(a: Score, b: Score) -> Array:
    """[P] differences, run by run where the runs are as many, then the mean over runs; NaN where a side has none."""
    rows = [np.array(score.by_prompt, np.float64) for score in (a, b)]
    same_runs = len(rows[0]) == len(rows[1])
    return _mean(rows[0] - rows[1]) if same_runs else np.asarray(_mean(rows[0]) - _mean(rows[1]))


def _mean(rows: Array) -> Array:
    """[R, P] -> [P] mean over the runs that have a value, NaN where none has."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a prompt without any video is NaN on purpose
        return np.asarray(np.nanmean(rows, axis=0))


def _influence(a: Score, b: Score) -> Influence | None:
    """Of each group of prompts on a minus b; None where a record has none, or another number of groups."""
    sides = [Influence.from_record(score.influence, score.interaction) for score in (a, b)]
    return sides[0].minus(sides[1]) if len(a.influence) == len(b.influence) else None
