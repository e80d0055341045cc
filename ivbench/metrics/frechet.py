"""The Frechet distance between two Gaussians, without a matrix square root.

Tr (S1 S2)^(1/2) is the sum of the singular values of A1^T A2 for any factors S = A A^T: never complex, and exact for
singular covariances too, where the square root of a product is not. Of covariances of full rank it is also the sum of
the square roots of the eigenvalues of A2^T S1 A2, symmetric too, for one Cholesky factor less; it is taken from them
where rounding allows.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack

from ivbench.errors import ShapeError
from ivbench.metrics.statistics import Array, GaussianStatistics, divisor, finite_features

__all__ = ["Target", "factor", "frechet_distance", "frechet_distance_of_features"]

_LARGE = 256
_DOUBT = 1e-9
_POWERS = 8


def factor(covariance: Array) -> Array:
    """A matrix A with covariance = A A^T.

    Cholesky where the covariance has full rank to working precision; otherwise its eigenvectors, scaled, without
    those whose eigenvalue is rounding noise.

    Args:
        covariance: [D, D] float64, symmetric, positive semi-definite up to rounding.

    Returns:
        [D, K] float64, K <= D its numerical rank.
    """
    noise = len(covariance) * np.finfo(np.float64).eps
    try:
        lower = np.asarray(np.linalg.cholesky(covariance), dtype=np.float64)
    except np.linalg.LinAlgError:
        lower = np.zeros_like(covariance)
    pivots = np.square(np.diagonal(lower))
    if len(pivots) and pivots.min() > noise * pivots.max():
        return lower
    values, vectors = np.linalg.eigh(covariance)
    kept = values > noise * max(float(values.max(initial=0.0)), 0.0)
    return np.asarray(vectors[:, kept] * np.sqrt(values[kept]), dtype=np.float64)


class Target:
    """A reference prepared once for many distances: its mean, and what its covariance is made of.

    Args:
        statistics: of the reference features.
        ddof: of both covariances, 0 or 1.
        ridge: added to the diagonal of both, >= 0.

    Raises:
        ShapeError: no rows.
    """

    def __init__(self, statistics: GaussianStatistics, ddof: int = 1, ridge: float = 0.0) -> None:
        self.ddof, self.ridge = ddof, ridge
        self.mean = statistics.mean
        self._spread = _Spread(statistics, ddof, ridge)

    @property
    def factor(self) -> Array:
        """[D, K] A with covariance = A A^T."""
        return self._spread.factor

    def distance(self, generated: GaussianStatistics) -> float:
        """Squared Frechet distance of generated features to this reference.

        |m1 - m2|^2 + Tr S1 + Tr S2 - 2 Tr (S1 S2)^(1/2)

        Args:
            generated: statistics of at least 1 row.

        Returns:
            A number >= 0, in squared units of the features; 0 for equal statistics, up to rounding.

        Raises:
            ShapeError: the feature dimensions differ, or no rows.

        Source: Dowson & Landau 1982; as a metric of generators, Heusel et al. 2017 (1706.08500), equation 6.
        """
        if generated.dim != len(self.mean):
            raise ShapeError(
                f"generated features have {generated.dim} dimensions, the reference has {len(self.mean)}. "
                "Take both from one extractor."
            )
        spread = _Spread(generated, self.ddof, self.ridge)
        shift = float(np.sum(np.square(generated.mean - self.mean)))
        return max(shift + spread.trace + self._spread.trace - 2.0 * _cross(spread, self._spread), 0.0)


def frechet_distance(a: GaussianStatistics, b: GaussianStatistics, ddof: int = 1) -> float:
    """Squared Frechet distance of two sets of features by their statistics; symmetric.

    Args:
        a, b: statistics of at least 1 row each; the covariance of one row is 0.
        ddof: of both covariances: 1, or 0 as in StyleGAN-V and cd-fvd.

    Raises:
        ShapeError: the feature dimensions differ, or no rows.
    """
    return Target(b, ddof).distance(a)


def frechet_distance_of_features(a: NDArray[np.floating], b: NDArray[np.floating], ddof: int = 1) -> float:
    """The same distance straight from the features: exact, and cheap, with fewer rows than dimensions.

    Tr (S1 S2)^(1/2) = || X1 X2^T ||_* / sqrt((N1 - ddof)(N2 - ddof)), X = the centred rows. Of one row X = 0.

    Args:
        a: [N1, D] float.
        b: [N2, D] float.
        ddof: of both covariances, 0 or 1.

    Raises:
        ShapeError: D differs, or no rows.
        NonFiniteError: NaN or infinity.
    """
    rows = [finite_features(a), finite_features(b)]
    if rows[0].shape[-1] != rows[1].shape[-1] or not all(len(x) for x in rows):
        raise ShapeError(f"got features of {np.shape(a)} and {np.shape(b)}: one D and a row of each are needed.")
    means = [x.mean(axis=0) for x in rows]
    centred = [(x - m) / np.sqrt(divisor(len(x), ddof)) for x, m in zip(rows, means, strict=True)]
    traces = sum(float(np.sum(np.square(x))) for x in centred)
    shift = float(np.sum(np.square(means[0] - means[1])))
    return max(shift + traces - 2.0 * _nuclear_norm(centred[0] @ centred[1].T), 0.0)


class _Spread:
    """A covariance: as a matrix (`full`), or by the few rows that it comes from (`factor`)."""

    def __init__(self, statistics: GaussianStatistics, ddof: int, ridge: float) -> None:
        self.full: Array | None = None
        if statistics.root is not None and not ridge:
            self.factor = np.asarray((statistics.root / np.sqrt(statistics.divisor(ddof))).T)
            self.trace = float(np.sum(np.square(self.factor)))
        else:
            self.full = statistics.covariance(ddof) + ridge * np.eye(statistics.dim)
            self.trace = float(np.trace(self.full))

    @cached_property
    def factor(self) -> Array:
        assert self.full is not None
        return factor(self.full)


def _cross(a: _Spread, b: _Spread) -> float:
    """Tr (S_a S_b)^(1/2)."""
    if a.full is not None and b.full is not None and len(a.full) >= _LARGE:
        found = _root_of_product(a.full, b.full)
        if found is not None:
            return found
    return _nuclear_norm(a.factor.T @ b.factor)


def _root_of_product(a: Array, b: Array) -> float | None:
    """Tr (S_a S_b)^(1/2) by the eigenvalues of B^T S_a B, S_b = B B^T; None where rounding forbids it."""
    lower, failed = lapack.dpotrf(b.T, lower=1, clean=0)
    if failed:
        return None
    product, _ = lapack.dsygst(a.T, lower, itype=2, lower=1)
    squares = np.asarray(np.linalg.eigvalsh(product, "L"), np.float64)
    return _sum_of_roots(squares, _largest(a) * _largest(b))


def _largest(covariance: Array) -> float:
    """Its largest eigenvalue, roughly: power iteration from the diagonal."""
    vector = np.diagonal(covariance)
    for _ in range(_POWERS):
        vector = covariance @ (vector / (np.linalg.norm(vector) or 1.0))
    return float(np.linalg.norm(vector))


def _nuclear_norm(matrix: Array) -> float:
    """Sum of the singular values; of large matrices by the eigenvalues of M M^T, where rounding allows."""
    if not matrix.size:
        return 0.0
    if min(matrix.shape) >= _LARGE:
        product = matrix @ matrix.T if matrix.shape[0] <= matrix.shape[1] else matrix.T @ matrix
        squares = np.asarray(np.linalg.eigvalsh(product), np.float64)
        found = _sum_of_roots(squares, float(squares[-1]))
        if found is not None:
            return found
    return float(np.linalg.svd(matrix, compute_uv=False).sum())


def _sum_of_roots(squares: Array, size: float) -> float | None:
    """Sum of the square roots of eigenvalues that are known to eps x `size`; None where it is not known well enough.

    A root s then has an error of about eps size / 2 s, at most sqrt(eps size). These, added as independent, may be
    `_DOUBT` of the sum.
    """
    values, unit = np.sqrt(np.maximum(squares, 0.0)), np.finfo(np.float64).eps * size
    doubt = unit / np.maximum(2.0 * values, max(np.sqrt(unit), np.finfo(np.float64).tiny))
    total = float(values.sum())
    return total if float(np.linalg.norm(doubt)) <= _DOUBT * total else None
