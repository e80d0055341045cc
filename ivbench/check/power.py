"""What a number of prompts can show: bounds, the smallest difference that is seen, and the prompts that decide.

All from a standard error with units - 1 degrees of freedom, by Student's t.
"""

from __future__ import annotations

import math

from scipy import special

__all__ = ["POWER", "detectable", "quantile", "units_needed"]

POWER = 0.8
"""Chance with which the smallest detectable difference is seen."""


def quantile(units: int, probability: float) -> float:
    """The quantile of Student's t with units - 1 degrees of freedom."""
    return float(special.stdtrit(units - 1, probability))


def detectable(error: float, units: int, alpha: float, power: float = POWER) -> float:
    """The smallest difference that a one-sided test finds with the given power.

    (t_{1 - alpha} + t_{power}) error

    Args:
        error: standard error of the difference.
        units: prompts, or groups of prompts, that it rests on; at least 2.
        alpha: error rate of the test; half the two-sided one.
        power: chance of finding it.

    Source: Julious 2004, "Sample sizes for clinical trials with normal data", equation 4; t in place of the normal.
    """
    return (quantile(units, 1 - alpha) + quantile(units, power)) * error


def units_needed(error: float, units: int, alpha: float, distance: float, power: float = POWER) -> int:
    """How many prompts (or a group's worth of them) would tell a difference from a bound that lies `distance` away.

    The standard error falls as the root of their number; the quantiles are kept.

    Args:
        error, units, alpha, power: as in `detectable`.
        distance: from the observed difference to the bound, above 0.
    """
    return math.ceil(units * (detectable(error, units, alpha, power) / distance) ** 2)
