"""Bounds of a mean of paired differences, exact where signs are as good as drawn: the sign-flip test, inverted."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from ivbench.metrics.statistics import Array

__all__ = ["sign_flip_bounds"]

_DRAWS = 10_000
_BEYOND = 25
"""Subsets whose means lie beyond a bound, at the least: for small error rates more are drawn."""
_SEED = 19690301
_CHUNK = 2_000_000


def sign_flip_bounds(differences: Array, alpha: float) -> tuple[float, float]:
    """One-sided bounds of the mean of paired differences.

    A shift is refused when too few of the ways to turn the signs of (difference - shift) give a sum as extreme. Turning
    those of a set A matters by the sum over A; so what is not refused lies between quantiles of the means over random
    sets, each holding every difference with probability 1/2. If nothing differs but the noise, exchanging a pair's two
    sides changes nothing, differences are symmetric, and each bound misses with probability alpha: however few and
    heavy-tailed they are, and whatever spread each has.

    Args:
        differences: [P] finite, P >= 2. Fewer than log2(1 / alpha) have too few sets: the bounds are then too narrow.
        alpha: error rate of each bound, in (0, 0.5).

    Returns:
        (lower, upper): the mean lies above the one, and below the other, each at confidence 1 - alpha.

    Source: Hartigan 1969, "Using subsample values as typical values", J. American Statistical Association 64(328),
    theorem 2; the test: Fisher 1935, "The Design of Experiments", section 21.
    """
    draws = max(_DRAWS, math.ceil(_BEYOND / alpha))
    means = np.concatenate(list(_means_of_subsets(differences, draws)))
    beyond = max(math.floor(alpha * (len(means) + 1)), 1)
    ordered = np.partition(means, (beyond - 1, len(means) - beyond))
    return float(ordered[beyond - 1]), float(ordered[-beyond])


def _means_of_subsets(values: Array, draws: int) -> Iterator[Array]:
    """Means over random sets of values, chunk by chunk; empty sets have none."""
    generator = np.random.Generator(np.random.Philox(key=_SEED))
    width, rows = math.ceil(len(values) / 8), max(_CHUNK // len(values), 1)
    for start in range(0, draws, rows):
        count = min(rows, draws - start)
        drawn = np.frombuffer(generator.bytes(count * width), np.uint8).reshape(count, width)
        held = np.unpackbits(drawn, axis=1, count=len(values))
        sizes = held.sum(axis=1, dtype=np.int64)
        yield (held * values).sum(axis=1)[sizes > 0] / sizes[sizes > 0]
