"""Many differences at once: which of them are told apart so that all such claims together err in 5 % of cases."""

from __future__ import annotations

from collections.abc import Sequence

from scipy import special

from ivbench.metrics.intervals import FEWEST_PROMPTS, LEVEL
from ivbench.results.schema import Interval

__all__ = ["holm", "p_value"]


def p_value(value: float, interval: Interval) -> float:
    """The two-sided p-value that a difference's 95 % interval stands for; below 0.05 just where it excludes 0.

    2 T(-t |value| / reach), with the reach of the interval on the side of 0, T of Student's distribution and t its
    97.5 % quantile. Its degrees of freedom are those of the fewest prompts that decide anything, so that p is rather
    too great than too small.

    Args:
        value: the difference.
        interval: its 95 % interval.
    """
    reach = value - interval.low if value > 0 else interval.high - value
    if value == 0.0:
        return 1.0
    if reach <= 0.0:
        return 0.0
    freedom = FEWEST_PROMPTS - 1
    statistic = float(special.stdtrit(freedom, (1 + LEVEL) / 2)) * abs(value) / reach
    return float(2.0 * special.stdtr(freedom, -statistic))


def holm(p_values: Sequence[float], family: int | None = None) -> list[bool]:
    """Which hypotheses fall so that no true one does in 95 % of cases, however they depend on one another.

    In order of their p-values, until one is above 0.05 / (family - place).

    Args:
        p_values: of the hypotheses.
        family: how many there are in all, those without a p-value here included; None: as many as there are p-values.

    Source: Holm 1979, "A simple sequentially rejective multiple test procedure", Scand. J. Statist. 6.
    """
    count = max(family or 0, len(p_values))
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    fallen = [False] * len(p_values)
    for place, index in enumerate(order):
        if not p_values[index] <= (1 - LEVEL) / (count - place):
            break
        fallen[index] = True
    return fallen
