"""Paired differences of two scores of one protocol, from their records alone: no features, no store.

The same prompts stand on both sides; cells of one suite share their noise too.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np

from ivbench.metrics.intervals import bootstrap_interval, jackknife_interval
from ivbench.metrics.protocol import require_same_protocol
from ivbench.metrics.statistics import Array
from ivbench.results.schema import Difference, Interval, Score

__all__ = ["difference", "paired", "paired_values"]


def difference(a: str, score_a: Score, b: str, score_b: Score) -> Difference | None:
    """The paired difference of two cells: a minus b.

    Args:
        a, b: ids of the cells.
        score_a, score_b: their scores of one metric.

    Returns:
        The record, or None where too few prompts leave no interval.

    Raises:
        ProtocolError: the scores have different protocols; names the fields.
    """
    value, interval = paired(score_a, score_b)
    if interval is None:
        return None
    decided = score_a.decisive and score_b.decisive and not interval.low <= 0.0 <= interval.high
    return Difference(
        a=a,
        b=b,
        metric=score_a.metric,
        protocol=score_a.protocol,
        value=value,
        interval=interval,
        significant=decided,
    )


def paired(a: Score, b: Score) -> tuple[float, Interval | None]:
    """Value and 95 % interval of a minus b; no interval where too few prompts are left.

    A mean: the prompts that both have, by cluster bootstrap. A Frechet metric: the difference of the pooled values, by
    the jackknife over the same groups of prompts left out of both sides.

    Raises:
        ProtocolError: as `difference`.
    """
    values = paired_values(a, b)
    if a.by_prompt:
        return (float(values.mean()), bootstrap_interval(values)) if len(values) else (a.value - b.value, None)
    return a.value - b.value, jackknife_interval(a.value - b.value, values.tolist())


def paired_values(a: Score, b: Score) -> Array:
    """What the interval of a difference is made from.

    Returns:
        Of a mean [P] differences by prompt, over all runs; of a Frechet metric [G] differences without each group.

    Raises:
        ProtocolError: as `difference`.
    """
    require_same_protocol(a, b)
    if a.by_prompt and b.by_prompt:
        first, second = _prompt_means(a), _prompt_means(b)
        return np.asarray((first - second)[np.isfinite(first - second)])
    return _without_groups(a, b)


def _prompt_means(score: Score) -> Array:
    """[P] mean over runs of each prompt, NaN where no run has it."""
    rows = np.array(score.by_prompt, np.float64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a prompt without any video is NaN on purpose
        return np.asarray(np.nanmean(rows, axis=0))


def _without_groups(a: Score, b: Score) -> Array:
    """A group that one side lacks leaves that side whole; one that both lack does not count."""
    sides: Sequence[Array] = [np.array(score.left_out, np.float64) for score in (a, b)]
    if len(sides[0]) != len(sides[1]):
        return np.empty(0)
    absent = np.isnan(sides[0]) & np.isnan(sides[1])
    whole = [np.where(np.isnan(side), score.value, side) for side, score in zip(sides, (a, b), strict=True)]
    return np.asarray((whole[0] - whole[1])[~absent])
