"""The null floor of a Frechet metric: what real clips score in the number generated. Also its ground-truth row."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ivbench.errors import ShapeError
from ivbench.metrics.frechet import frechet_distance
from ivbench.metrics.statistics import Array, GaussianStatistics, finite_features

__all__ = ["FLOOR_DRAWS", "NullFloor", "null_floor"]

FLOOR_DRAWS = 20
_SEED = 20221005


@dataclass(frozen=True, eq=False)
class NullFloor:
    """The Frechet metric of real clips against disjoint real clips.

    Attributes:
        values: [draws] float64, one a draw.
        count: clips drawn in place of generated ones.
        reference_count: clips that each draw was compared with.
    """

    values: Array
    count: int
    reference_count: int

    @property
    def mean(self) -> float:
        """Mean over the draws: the value of the ground-truth row."""
        return float(self.values.mean())

    @property
    def q95(self) -> float:
        """95 % quantile over the draws: what real clips stay below 19 times out of 20."""
        return float(np.quantile(self.values, 0.95))

    def to_arrays(self) -> dict[str, NDArray[np.generic]]:
        """As arrays to be stored."""
        return {"values": self.values, "counts": np.array([self.count, self.reference_count], np.int64)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.generic]]) -> NullFloor:
        """What `to_arrays` wrote."""
        count, reference_count = (int(number) for number in arrays["counts"])
        return cls(finite_features(arrays["values"]), count, reference_count)


def null_floor(
    features: NDArray[np.floating],
    rows_of: Callable[[NDArray[np.floating]], NDArray[np.floating]],
    count: int,
    ddof: int = 1,
    draws: int = FLOOR_DRAWS,
) -> NullFloor:
    """Draw `count` real clips and score them against all the other real clips, again and again.

    Give reference count + `count` clips, all of one distribution, and every draw is the experiment of a cell exactly,
    with real clips in place of generated ones. With the reference's clips alone, each draw's reference is smaller by
    `count`, and the floor is a little too high.

    Args:
        features: [K, ...] features of K real clips.
        rows_of: [N, ...] features of N clips -> [M, D] rows of the metric.
        count: clips in the place of generated ones.
        ddof: of both covariances.
        draws: how many times; seeded.

    Returns:
        The value of every draw.

    Raises:
        ShapeError: fewer than 2 clips are left as a reference.
        NonFiniteError: NaN or infinity.
    """
    total = len(features)
    if total - count < 2:
        raise ShapeError(
            f"a null floor of {count} clips needs at least {count + 2} real clips, got {total}. "
            "Enlarge the reference set or generate fewer videos."
        )
    generator = np.random.Generator(np.random.Philox(key=_SEED))
    whole = GaussianStatistics.of(rows_of(features))
    values = []
    for _ in range(draws):
        chosen = np.sort(generator.permutation(total)[:count])
        drawn = GaussianStatistics.of(rows_of(features[chosen]))
        values.append(frechet_distance(drawn, whole.without(drawn), ddof))
    return NullFloor(np.array(values), count, total - count)
