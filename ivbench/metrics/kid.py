"""KID: the squared maximum mean discrepancy of frame features under a cubic kernel, without bias."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ivbench.config import Subsets
from ivbench.errors import ShapeError
from ivbench.metrics.base import Conditions, ExtractorKind
from ivbench.metrics.discrepancy import Discrepancy
from ivbench.metrics.influence import Influence
from ivbench.metrics.intervals import Integers
from ivbench.metrics.protocol import Scalar
from ivbench.metrics.row_metric import RowMetric
from ivbench.metrics.statistics import Array, finite_features

__all__ = ["KID", "complete_kid", "cubic_kernel", "subset_kid", "subset_kids"]


def cubic_kernel(a: Array, b: Array) -> Array:
    """(a . b / D + 1)^3 of every two rows.

    Args:
        a: [N, D] float64.
        b: [M, D] float64.

    Returns:
        [N, M].

    Source: Binkowski et al. 2018 (1801.01401), section 4.
    """
    return np.asarray((a @ b.T / a.shape[1] + 1.0) ** 3)


def complete_kid(generated: Array, reference: Array) -> float:
    """The unbiased estimate from all pairs.

    sum_{i != j} k(x_i, x_j) / (n (n - 1)) + sum_{i != j} k(y_i, y_j) / (m (m - 1)) - 2 mean_ij k(x_i, y_j)

    Args:
        generated: [n, D] float64, n >= 2.
        reference: [m, D] float64, m >= 2.

    Source: Gretton et al. 2012, equation 3.
    """
    return Discrepancy(reference, cubic_kernel, unbiased=True).of(generated)


def subset_kid(generated: Array, reference: Array, subsets: Subsets) -> float:
    """The mean of `subset_kids`."""
    return float(subset_kids(generated, reference, subsets).mean())


def subset_kids(generated: Array, reference: Array, subsets: Subsets) -> Array:
    """Unbiased estimates from random subsets of both sides, as torch-fidelity draws them.

    Args:
        generated: [n, D] float64.
        reference: [m, D] float64.
        subsets: how many, of how many rows, and the seed.

    Returns:
        [number] float64.

    Raises:
        ShapeError: fewer rows than a subset has.
    """
    if min(len(generated), len(reference)) < subsets.size:
        raise ShapeError(
            f"KID's subsets have {subsets.size} rows, got {len(generated)} generated and {len(reference)} reference. "
            "Score more frames, or under a profile without subsets."
        )
    draw = np.random.RandomState(subsets.seed)  # the generator of the tools whose numbers this repeats
    values = []
    for _ in range(subsets.number):
        sides = [rows[draw.choice(len(rows), subsets.size, replace=False)] for rows in (generated, reference)]
        values.append(complete_kid(*sides))
    return np.array(values)


class KID(RowMetric):
    """KID of all frames; lower is better. Of images 0 in expectation for equal distributions, so it may be below 0.

    Frames of one video are alike and stand on one side, so of few videos it is above 0: by as much as its null floor.
    """

    name: ClassVar[str] = "kid"
    title: ClassVar[str] = "KID"
    kind: ClassVar[ExtractorKind] = "frames"
    higher_is_better: ClassVar[bool] = False

    def measure(self, conditions: Conditions) -> Callable[[NDArray[np.floating]], float]:
        """The estimate that the profile names."""
        reference, chosen = self._reference_rows(conditions), conditions.profile.kid
        if chosen is not None:
            return lambda rows: subset_kid(finite_features(rows), reference, chosen)
        prepared = Discrepancy(reference, cubic_kernel, unbiased=True)
        return lambda rows: prepared.of(finite_features(rows))

    def pooled(
        self, features: Array, value_of: Callable[[NDArray[np.floating]], float], conditions: Conditions
    ) -> tuple[float, float]:
        """With subsets their standard deviation too, as torch-fidelity gives it (divided by their number)."""
        chosen = conditions.profile.kid
        if chosen is None:
            return super().pooled(features, value_of, conditions)
        values = subset_kids(finite_features(features), self._reference_rows(conditions), chosen)
        return float(values.mean()), float(values.std())

    def influence(self, rows: Array, member: Integers, parts: tuple[int, int], conditions: Conditions) -> Influence:
        """Of the complete estimate, whatever the profile names: subsets estimate the same."""
        reference = self._reference_rows(conditions)
        return Discrepancy(reference, cubic_kernel, unbiased=True).influence(rows, member, parts)

    def _own_fields(self, conditions: Conditions) -> dict[str, Scalar]:
        chosen = conditions.profile.kid
        return {
            "kernel": "(x . y / D + 1)^3",
            "estimator": "all pairs" if chosen is None else f"mean of {chosen.number} subsets of {chosen.size}",
            "seed": None if chosen is None else chosen.seed,
        }
