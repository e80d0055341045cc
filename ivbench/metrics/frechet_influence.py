"""How much each part of the videos moves a Frechet distance: its first two derivatives by the parts' weights."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ivbench.metrics.frechet import Target
from ivbench.metrics.influence import Influence
from ivbench.metrics.statistics import Array, GaussianStatistics, merge_all

__all__ = ["frechet_influence"]


def frechet_influence(target: Target, parts: Sequence[Sequence[GaussianStatistics]]) -> Influence:
    """Derivatives of the distance of all parts together, by the weight of each part.

    With K = A2^T S1 A2 = V diag(s^2) V^T, S2 = A2 A2^T, and T = A2 V diag(1 / s) V^T A2^T, the optimal transport:

    d FD = 2 (m1 - m2) . dm + Tr (I - T) dS
    d2 FD [d, d'] = 2 dm . dm' - 2 c dm^T (I - T) dm' + sum_ij E_ij E'_ij / (s_i s_j (s_i + s_j)),
    E = V^T A2^T dS A2 V, c = n / (n - ddof)

    where (dm, dS) is the change of mean and covariance by a part's weight. New weights of given rows keep the span of
    S1, so directions in which it has no width are left out, and all holds with fewer rows than dimensions too.

    Args:
        target: the reference, held fixed.
        parts: of each run, the statistics of each group of prompts; one without rows has no influence.

    Source: derivatives of Tr (S1 S2)^(1/2) by Daleckii & Krein's formula (Bhatia 1997, "Matrix analysis", theorem
    V.3.3).
    """
    flat = [part for run in parts for part in run]
    whole = merge_all(flat)
    roots, frame = _transport(target, whole)
    shifts, first, packed = [], [], []
    for part in flat:
        shift, change = _change(whole, part, target.ddof)
        turned = frame.T @ change @ frame
        first.append(
            2.0 * float(shift @ (whole.mean - target.mean))
            + float(np.trace(change))
            - float(np.sum(np.diagonal(turned) / roots))
        )
        packed.append(_packed(turned / np.sqrt(np.multiply.outer(roots, roots) * np.add.outer(roots, roots))))
        shifts.append(shift)
    means, bends = np.stack(shifts), np.stack(packed)
    curvature = _curvature(means, roots, frame, whole.n / whole.divisor(target.ddof))
    second = bends @ bends.T + 2.0 * means @ means.T - 2.0 * curvature
    empty = np.array([part.n == 0 for part in flat])
    shape = len(parts), len(parts[0])
    return Influence.of_parts(np.where(empty, np.nan, np.array(first)).reshape(shape), second.reshape(shape * 2))


def _transport(target: Target, whole: GaussianStatistics) -> tuple[Array, Array]:
    """([r] s, [D, r] A2 V) of K's r eigenvalues that are no rounding noise."""
    own = whole.covariance(target.ddof) + target.ridge * np.eye(whole.dim)
    squares, vectors = np.linalg.eigh(target.factor.T @ own @ target.factor)
    noise = len(squares) * np.finfo(np.float64).eps
    kept = squares > noise * max(float(squares.max(initial=0.0)), 0.0)
    return np.sqrt(squares[kept]), np.asarray(target.factor @ vectors[:, kept])


def _change(whole: GaussianStatistics, group: GaussianStatistics, ddof: int) -> tuple[Array, Array]:
    """([D] dm, [D, D] dS) by the weight of a group, the sum of weights made 1 again."""
    share, shift = group.n / whole.n, group.mean - whole.mean
    if not group.n:
        return np.zeros(whole.dim), np.zeros((whole.dim, whole.dim))
    scatter = group.scatter + group.n * np.outer(shift, shift)
    return share * shift, scatter / whole.divisor(ddof) - share * whole.covariance(ddof)


def _packed(matrix: Array) -> Array:
    """A symmetric matrix as a vector of half its size, with the same inner products."""
    row, column = np.triu_indices(len(matrix))
    return np.asarray(matrix[row, column] * np.where(row == column, 1.0, np.sqrt(2.0)))


def _curvature(means: Array, roots: Array, frame: Array, c: float) -> Array:
    """[G, G] c dm^T (I - T) dm'."""
    turned = means @ frame / np.sqrt(roots)
    return np.asarray((means @ means.T - turned @ turned.T) * c)
