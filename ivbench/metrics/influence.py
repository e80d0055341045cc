"""Standard errors of estimates that are no means, from their derivatives by the weights of parts of the videos.

A part is one run's videos of one group of prompts. Two questions have two answers: how far the value would move with
other prompts (`error`), and how far it would move with other noise and the same prompts (`noise`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from ivbench.metrics.intervals import LEVEL
from ivbench.metrics.statistics import Array
from ivbench.results.schema import Interval

__all__ = ["Influence", "noise_variance", "student_interval"]


@dataclass(frozen=True, eq=False)
class Influence:
    """How an estimate moves with the weights of its parts: all that its intervals need.

    Attributes:
        first: [R, G] derivative by the weight of each run's part of each group, whose sum is 0; NaN for one without
            videos.
        interaction: sum over pairs of groups of the squared second derivative by their weights.
        curvature: the variance that the estimate's quadratic part adds by noise alone; 0 with one run.
    """

    first: Array
    interaction: float
    curvature: float

    @classmethod
    def of_parts(cls, first: Array, second: Array) -> Influence:
        """From derivatives by the weights of parts.

        Args:
            first: [R, G].
            second: [R, G, R, G].
        """
        groups = second.sum(axis=(0, 2))
        apart = ~np.eye(len(groups), dtype=bool)
        interaction = float(np.sum(np.square(groups[apart]))) / 2.0
        return cls(first, interaction, _curvature(second, apart))

    @classmethod
    def left_out(cls, groups: Array, parts: Array) -> Influence:
        """From values without a group or a part, for estimates that have no derivatives: the jackknife.

        e_g = (G - 1) / G (mean_h f_-h - f_-g), so that se^2 = (G - 1) / G sum_g (f_-g - mean)^2; shared by the runs
        of a group as the parts' own values say.

        Args:
            groups: [G] value without each group of prompts; NaN for one without videos.
            parts: [R, G] value without each run's part of each group; NaN for one without videos.

        Source: Efron & Tibshirani 1993, equation 11.5.
        """
        single = _centred(parts)
        own = single - np.nanmean(single, axis=0, keepdims=True) if len(parts) > 1 else np.zeros_like(parts)
        return cls(_centred(groups) / len(parts) + own, 0.0, 0.0)

    @property
    def by_group(self) -> Array:
        """[G] derivative by the weight of each group of prompts; NaN for one without videos."""
        absent = np.isnan(self.first).all(axis=0)
        return np.asarray(np.where(absent, np.nan, np.nansum(self.first, axis=0)))

    @property
    def units(self) -> int:
        """Groups with videos; one less is the degrees of freedom of `error`."""
        return int(np.isfinite(self.by_group).sum())

    @property
    def error(self) -> float:
        """Standard error over prompts: the infinitesimal jackknife without its second-order bias; units >= 2.

        se^2 = G / (G - 1) (sum_g e_g^2 - sum_{g < h} e_gh^2), and at least half of the first term

        The first term alone counts an estimate's quadratic part twice. Of a Frechet distance near its floor, where the
        gradient vanishes, that is most of it.

        Source: Efron & Stein 1981, "The jackknife estimate of variance", section 4, with derivatives in the place of
        values without a group (Jaeckel 1972).
        """
        linear = float(np.nansum(np.square(self.by_group)))
        return math.sqrt(self.units / (self.units - 1) * max(linear - self.interaction, linear / 2.0))

    def interval(self, estimate: float) -> Interval | None:
        """Over prompts: estimate +- t_{G-1} se, or None with fewer than 2 groups.

        The bias of a Frechet distance by its sample size stays in the estimate.
        """
        if self.units < 2:
            return None
        method = f"infinitesimal jackknife of second order over {self.units} groups of prompts, reference held fixed"
        return student_interval(estimate, self.error, self.units - 1, method)


def _centred(left_out: Array) -> Array:
    """(n - 1) / n (mean - value) of values without each of n units."""
    count = int(np.isfinite(left_out).sum())
    return np.asarray((np.nanmean(left_out) - left_out) * ((count - 1) / count))


def student_interval(estimate: float, error: float, freedom: int, method: str) -> Interval:
    """Estimate +- t se, with so many degrees of freedom."""
    reach = float(special.stdtrit(freedom, (1 + LEVEL) / 2)) * error
    return Interval(low=estimate - reach, high=estimate + reach, level=LEVEL, method=method)


def noise_variance(first: Array) -> float:
    """The variance of an estimate by noise alone, prompts held fixed, to first order; 2 runs or more.

    R / (R - 1) sum_g sum_r (c_gr - mean_r c_gr)^2

    Exchanging two runs of a group leaves the pooled videos, and so the gradient, as they are, and turns the sign of
    what it sees: no other part of the estimate gets in.

    Args:
        first: [R, G]; groups in which a run has no videos are left out.
    """
    runs = float(len(first))
    centred = first - first.mean(axis=0)
    return runs / (runs - 1) * float(np.nansum(np.square(centred)))


def _curvature(second: Array, apart: Sequence[bool] | Array) -> float:
    """sum_{g < h} (R / (R - 1))^2 sum_rs H_gr,hs^2, with H centred over the runs of each group."""
    runs = float(second.shape[0])
    if runs < 2:
        return 0.0
    centred = second - second.mean(axis=0, keepdims=True)
    centred = centred - centred.mean(axis=2, keepdims=True)
    by_pair = np.sum(np.square(centred), axis=(0, 2))
    return (runs / (runs - 1)) ** 2 * float(np.sum(by_pair[np.asarray(apart)])) / 2.0
