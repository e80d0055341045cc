"""The squared maximum mean discrepancy of two sets of rows under a kernel, and how parts of the rows move it.

Kernel matrices are made in tiles: memory does not grow with the number of rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property

import numpy as np

from ivbench.metrics.influence import Influence
from ivbench.metrics.intervals import Integers
from ivbench.metrics.statistics import Array

__all__ = ["Discrepancy", "Kernel", "tiles"]

_TILE = 1024
"""Rows and columns of a kernel matrix at once: 8 MiB a copy."""

Kernel = Callable[[Array, Array], Array]
"""([N, D], [M, D]) -> [N, M]."""


class Discrepancy:
    """A reference prepared once for many discrepancies.

    Args:
        reference: [m, D] float64; m >= 2 without bias, else m >= 1.
        kernel: of two sets of rows.
        unbiased: whether a row is paired with itself: without bias it is not (U-statistic), else it is (V-statistic).
    """

    def __init__(self, reference: Array, kernel: Kernel, unbiased: bool) -> None:
        self._reference, self._kernel, self._unbiased = reference, kernel, unbiased

    def of(self, rows: Array) -> float:
        """The discrepancy of rows to the reference.

        mean k(x_i, x_j) + mean k(y_i, y_j) - 2 mean k(x_i, y_j), without bias over i != j

        Args:
            rows: [n, D] float64, as many as the reference needs at least.

        Source: Gretton et al. 2012, equations 3 (without bias) and 5.
        """
        return self._within(rows) + self._own - 2.0 * float(self._across(rows).mean())

    def influence(self, rows: Array, member: Integers, parts: tuple[int, int]) -> Influence:
        """Derivatives by the weights of parts of the rows.

        f(w) = S(w) / N(w) - 2 C(w) / n(w), S = sum_gh w_g w_h S_gh: kernel sums over pairs of two parts, N: their
        numbers, C: sums of each part's mean kernel with the reference, n: rows.

        Args:
            rows: [n, D] float64.
            member: [n] part of each row: run x G + group.
            parts: (R, G).
        """
        count = parts[0] * parts[1]
        size = np.bincount(member, minlength=count).astype(np.float64)
        sums = self._pairs(rows, member, count)
        numbers: Array = np.outer(size, size) - (np.diag(size) if self._unbiased else 0.0)
        cross = np.bincount(member, weights=self._across(rows), minlength=count).astype(np.float64)
        first, second = _ratio(sums.sum(), 2 * sums.sum(1), 2 * sums, numbers.sum(), 2 * numbers.sum(1), 2 * numbers)
        line, bend = _ratio(float(cross.sum()), cross, np.zeros((count, count)), float(size.sum()), size, np.zeros(1))
        second = (second - 2.0 * bend) * ~np.eye(count, dtype=bool)
        first = np.where(size > 0, first - 2.0 * line, np.nan)
        return Influence.of_parts(first.reshape(parts), second.reshape(parts * 2))

    @cached_property
    def _own(self) -> float:
        return self._within(self._reference)

    def _within(self, rows: Array) -> float:
        total, count = float(self._pairs(rows, np.zeros(len(rows), np.int64), 1)[0, 0]), len(rows)
        return total / (count * (count - 1) if self._unbiased else count * count)

    def _pairs(self, rows: Array, member: Integers, count: int) -> Array:
        """[G, G] sums of the kernel over pairs of rows of two parts."""
        one_hot, total = np.eye(count)[member], np.zeros((count, count))
        for i, a in tiles(rows):
            for j, b in tiles(rows):
                if j < i:
                    continue
                kernel = self._kernel(a, b)
                if i == j and self._unbiased:
                    np.fill_diagonal(kernel, 0.0)
                part = one_hot[i : i + len(a)].T @ kernel @ one_hot[j : j + len(b)]
                total += part if i == j else part + part.T
        return total

    def _across(self, rows: Array) -> Array:
        """[n] mean kernel of each row with the reference."""
        sums = [sum(self._kernel(a, b).sum(axis=1) for _, b in tiles(self._reference)) for _, a in tiles(rows)]
        return np.concatenate(sums) / len(self._reference)


def tiles(rows: Array) -> Iterator[tuple[int, Array]]:
    """Rows in parts of `_TILE`: (place of the first, the part)."""
    for start in range(0, len(rows), _TILE):
        yield start, rows[start : start + _TILE]


def _ratio(s: float, s1: Array, s2: Array, n: float, n1: Array, n2: Array) -> tuple[Array, Array]:
    """First and second derivatives of s / n from those of s and n."""
    mixed = np.outer(s1, n1)
    first = s1 / n - s * n1 / n**2
    second = s2 / n - (mixed + mixed.T) / n**2 - s * n2 / n**2 + 2 * s * np.outer(n1, n1) / n**3
    return first, second
