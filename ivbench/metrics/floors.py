"""The null floor of a metric against real clips: what others score in a cell's place. Also its ground-truth row."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ivbench.errors import ShapeError
from ivbench.metrics.statistics import Array, finite_features

__all__ = ["FLOOR_DRAWS", "NullFloor", "null_floor"]

FLOOR_DRAWS = 20
_SEED = 20221005


@dataclass(frozen=True, eq=False)
class NullFloor:
    """The metric of real clips of the prompts against the reference, which has none of them.

    Attributes:
        values: [draws] float64, one a draw.
        count: clips drawn in place of generated ones.
        reference_count: clips that each draw was compared with.
        of_prompts: the clips are of the suite's own prompts; False: of the reference's distribution, for prompts that
            have no real clips. Then the floor is no ground truth.
    """

    values: Array
    count: int
    reference_count: int
    of_prompts: bool = True

    @property
    def mean(self) -> float:
        """Mean over the draws: the value of the ground-truth row."""
        return float(self.values.mean())

    @property
    def q95(self) -> float:
        """95 % quantile over the draws, interpolated between the two that are nearest."""
        return float(np.quantile(self.values, 0.95))

    @property
    def q05(self) -> float:
        """5 % quantile over the draws: of a metric whose higher values are better."""
        return float(np.quantile(self.values, 0.05))

    def to_arrays(self) -> dict[str, NDArray[np.generic]]:
        """As arrays to be stored."""
        counts = [self.count, self.reference_count, self.of_prompts]
        return {"values": self.values, "counts": np.array(counts, np.int64)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.generic]]) -> NullFloor:
        """What `to_arrays` wrote."""
        count, reference_count, of_prompts = (int(number) for number in arrays["counts"])
        return cls(finite_features(arrays["values"]), count, reference_count, bool(of_prompts))


def null_floor(
    bank: NDArray[np.floating],
    rows_of: Callable[[NDArray[np.floating]], NDArray[np.floating]],
    samples: int,
    value_of: Callable[[NDArray[np.floating]], float],
    reference_count: int,
    draws: int = FLOOR_DRAWS,
) -> NullFloor:
    """Score real clips of a cell's own prompts in the place of its videos, again and again.

    Each draw is the experiment of a cell: the same prompts, as many clips of each, the same reference. So the floor has
    the bias of that number of videos, and of those prompts: few prompts are no fair sample of all. Draws share clips of
    the bank, which narrows their spread by sqrt(1 - samples / K), as in sampling from a finite population (Cochran
    1977, section 2.6): the values are spread back around their mean by as much.

    Args:
        bank: [K, P, ...] features of K real clips of each of P prompts, none of them in the reference.
        rows_of: [N, ...] features of N clips -> [M, D] rows of the metric.
        samples: clips of each prompt in a draw, below K: those of all runs of a cell together.
        value_of: the metric of such rows against the reference.
        reference_count: clips of the reference.
        draws: how many times; seeded.

    Returns:
        The value of every draw.

    Raises:
        ShapeError: the bank has no more clips of a prompt than a draw needs.
        NonFiniteError: NaN or infinity.
    """
    clips, prompts = bank.shape[:2]
    if samples >= clips:
        raise ShapeError(f"a null floor of {samples} clips a prompt needs more than that in its bank, got {clips}.")
    generator = np.random.Generator(np.random.Philox(key=_SEED))
    values = []
    for _ in range(draws):
        chosen = generator.random((clips, prompts)).argsort(axis=0)[:samples]
        drawn = bank[chosen, np.arange(prompts)].reshape(samples * prompts, *bank.shape[2:])
        values.append(value_of(rows_of(drawn)))
    mean = np.mean(values)
    spread = mean + (np.array(values) - mean) / np.sqrt(1 - samples / clips)
    return NullFloor(spread, samples * prompts, reference_count)
