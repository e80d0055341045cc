"""CMMD: the squared maximum mean discrepancy of CLIP embeddings under a Gaussian kernel."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ivbench.metrics.base import Conditions, ExtractorKind
from ivbench.metrics.discrepancy import Discrepancy
from ivbench.metrics.influence import Influence
from ivbench.metrics.intervals import Integers
from ivbench.metrics.neighbours import squared_distances
from ivbench.metrics.protocol import Scalar
from ivbench.metrics.row_metric import RowMetric
from ivbench.metrics.statistics import Array, finite_features

__all__ = ["CMMD", "gaussian_kernel"]

_SIGMA = 10.0
_SCALE = 1000.0


def gaussian_kernel(a: Array, b: Array) -> Array:
    """exp(-|a - b|^2 / 2 sigma^2) of every two rows, sigma = 10.

    Args:
        a: [N, D] float64.
        b: [M, D] float64.

    Returns:
        [N, M].

    Source: Jayasumana et al. 2024 (2401.09603), section 4 and their code.
    """
    return np.asarray(np.exp(-squared_distances(a, b) / (2.0 * _SIGMA**2)))


class CMMD(RowMetric):
    """CMMD of all frames, times 1000; lower is better.

    A row is paired with itself too, as in the authors' code, so that the value is not below 0 and has a bias that falls
    with the number of frames: it stands in the null floor.

    Source: Jayasumana et al. 2024 (2401.09603), equation 6, biased.
    """

    name: ClassVar[str] = "cmmd"
    title: ClassVar[str] = "CMMD"
    kind: ClassVar[ExtractorKind] = "image_text"
    fewest_rows: ClassVar[int] = 1
    higher_is_better: ClassVar[bool] = False

    def measure(self, conditions: Conditions) -> Callable[[NDArray[np.floating]], float]:
        """The discrepancy of rows to the reference."""
        prepared = _prepared(self._reference_rows(conditions))
        return lambda rows: max(prepared.of(finite_features(rows)), 0.0)

    def influence(self, rows: Array, member: Integers, parts: tuple[int, int], conditions: Conditions) -> Influence:
        """Its derivatives."""
        return _prepared(self._reference_rows(conditions)).influence(rows, member, parts)

    def _own_fields(self, conditions: Conditions) -> dict[str, Scalar]:
        return {
            "kernel": "1000 exp(-|x - y|^2 / 2 sigma^2)",
            "sigma": _SIGMA,
            "estimator": "all pairs and each with itself",
        }


def _prepared(reference: Array) -> Discrepancy:
    return Discrepancy(reference, lambda a, b: _SCALE * gaussian_kernel(a, b), unbiased=False)
