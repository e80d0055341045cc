"""Intervals of means, whose unit is the prompt: cluster bootstrap, and Wilson's for percentages.

Everything is seeded: the same values give the same interval, on every platform.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import special

from ivbench.metrics.statistics import Array
from ivbench.results.schema import Interval

__all__ = [
    "BOOTSTRAP_DRAWS",
    "FEWEST_PROMPTS",
    "LEVEL",
    "bootstrap_interval",
    "group_of_prompts",
    "percentage_interval",
    "prompt_means",
    "standard_error",
    "weighted_mean",
    "wilson_interval",
]

LEVEL = 0.95
BOOTSTRAP_DRAWS = 2000
_SEED = 20221005
_CHUNK = 250
FEWEST_PROMPTS = 20
"""Fewer prompts or groups of prompts than this: intervals miss too often, and decide nothing."""
_MOST_GROUPS = 40

Integers = NDArray[np.int64]


def standard_error(values: Sequence[float]) -> float | None:
    """Standard error of the mean over runs, the paper's convention: sd (ddof 1) / sqrt(R); None with one run."""
    if len(values) < 2:
        return None
    return float(np.std(values, ddof=1) / math.sqrt(len(values)))


def prompt_means(prompts: Integers, values: Array, weights: Array | None = None) -> tuple[Integers, Array, Array]:
    """Mean value of each prompt over all its videos.

    Args:
        prompts: [V] prompt of each video.
        values: [V] value of each video.
        weights: [V] what each video counts; None: 1.

    Returns:
        ([P] the prompts that occur, sorted; [P] their means; [P] sums of their weights).
    """
    found, inverse = np.unique(prompts, return_inverse=True)
    weighted = values if weights is None else values * weights
    sums = np.bincount(inverse, weights=weighted, minlength=len(found))
    totals = np.bincount(inverse, weights=weights, minlength=len(found)).astype(np.float64)
    return found, sums / totals, totals


def weighted_mean(means: Array, weights: Array | None) -> float:
    """sum(W m) / sum(W) over prompts; the plain mean where `weights` are None."""
    return float(means.mean() if weights is None else (weights * means).sum() / weights.sum())


def bootstrap_interval(means: Array, draws: int = BOOTSTRAP_DRAWS, weights: Array | None = None) -> Interval | None:
    """Percentile interval of the mean of per-prompt means: cluster bootstrap, prompts drawn with replacement.

    The drawn means are spread by sqrt(P / (P - 1)) t / z around the estimate: resampling P values shows only
    (P - 1) / P of the variance of their mean, and that variance is itself an estimate (t: Student's quantile with
    P - 1 degrees of freedom, z: the normal one).

    Args:
        means: [P] one value a prompt, over all its runs and frames.
        draws: bootstrap draws.
        weights: [P] what each prompt counts in the mean, and in the mean of each draw; None: all alike.

    Returns:
        The interval, or None with fewer than 2 prompts.

    Source: Efron & Tibshirani 1993, chapter 13; the spread: Hesterberg 2014 (1411.5279), on narrowness bias.
    """
    count = len(means)
    if count < 2:
        return None
    generator = np.random.Generator(np.random.Philox(key=_SEED))
    places = (generator.integers(0, count, (min(_CHUNK, draws - start), count)) for start in range(0, draws, _CHUNK))
    if weights is None:
        drawn = np.concatenate([means[place].mean(axis=1) for place in places])
    else:
        sums = weights * means
        drawn = np.concatenate([sums[place].sum(axis=1) / weights[place].sum(axis=1) for place in places])
    estimate = weighted_mean(means, weights)
    ends = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    student, normal = special.stdtrit(count - 1, (1 + LEVEL) / 2), special.ndtri((1 + LEVEL) / 2)
    low, high = estimate + (ends - estimate) * math.sqrt(count / (count - 1)) * student / normal
    method = f"cluster bootstrap over {count} prompts, {draws} draws"
    return Interval(low=float(low), high=float(high), level=LEVEL, method=method)


def percentage_interval(means: Array, weights: Array | None = None) -> Interval | None:
    """Wilson's interval of a percentage from per-prompt percentages, for as many prompts as would vary as much.

    centre +- reach, of p = mean / 100 and n = p (1 - p) / var(mean):
    (p + z^2 / 2n +- z sqrt(p (1 - p) / n + z^2 / 4n^2)) / (1 + z^2 / n)

    Near 0 and 100 a bootstrap's interval is too narrow, and of equal values it has no width at all. With one 0 or 100
    a prompt n is the number of prompts less one; with means over runs and frames, more.

    Args:
        means: [P] one value a prompt in [0, 100], over all its runs and frames.
        weights: [P] what each prompt counts; None: all alike. The variance is then that of a ratio, to first order.

    Returns:
        The interval in [0, 100], or None with fewer than 2 prompts.

    Source: Wilson 1927; n of clustered values: Franco et al. 2019, "Comparative study of confidence intervals for
    proportions in complex sample surveys", J. Survey Statistics and Methodology 7(3).
    """
    count = len(means)
    if count < 2:
        return None
    percent = weighted_mean(means, weights)
    if weights is None:
        variance = float(means.var(ddof=1)) / count
    else:
        variance = float(((weights * (means - percent)) ** 2).sum() / weights.sum() ** 2) * count / (count - 1)
    return wilson_interval(percent, variance, count - 1, f"Wilson's interval over {count} prompts")


def wilson_interval(percent: float, variance: float, freedom: int, method: str) -> Interval:
    """Wilson's interval of a percentage with such a variance; see `percentage_interval`.

    Args:
        percent: in [0, 100].
        variance: of it; where it is 0, so many `freedom` stand for n.
        freedom: units behind it, less one.
        method: in words.
    """
    p, variance = percent / 100.0, variance / 1e4
    n = float(freedom) if variance == 0.0 or not 0.0 < p < 1.0 else max(p * (1.0 - p) / variance, 1.0)
    z = float(special.ndtri((1 + LEVEL) / 2))
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    reach = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    low, high = max(0.0, 100.0 * (centre - reach)), min(100.0, 100.0 * (centre + reach))
    return Interval(low=low, high=high, level=LEVEL, method=method)


def group_of_prompts(num_prompts: int) -> Integers:
    """The group of each prompt, for Frechet metrics: fixed by the number of prompts, so all cells of a suite share it.

    As many groups as prompts up to 40; above, the least number from 20 to 40 that divides the prompts evenly, or 20.
    Prompts are dealt in a fixed random order, so that the order of a suite can't line up with the groups.

    Args:
        num_prompts: prompts of the suite.

    Returns:
        [P] int64 in [0, groups).
    """
    even = (g for g in range(FEWEST_PROMPTS, _MOST_GROUPS + 1) if num_prompts % g == 0)
    groups = num_prompts if num_prompts <= _MOST_GROUPS else next(even, FEWEST_PROMPTS)
    order = np.random.Generator(np.random.Philox(key=_SEED)).permutation(num_prompts)
    group = np.empty(num_prompts, np.int64)
    group[order] = np.arange(num_prompts) % max(groups, 1)
    return group
