"""The Frechet distance between two Gaussians, without a matrix square root.

Tr (S1 S2)^(1/2) is the sum of the singular values of A1^T A2 for any factors S = A A^T: never complex, and exact for
singular covariances too, where the square root of a product is not.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ivbench.errors import ShapeError
from ivbench.metrics.statistics import Array, GaussianStatistics, finite_features

__all__ = ["Target", "factor", "frechet_distance", "frechet_distance_of_features"]

_LARGE = 256
_DOUBT = 1e-9


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
    """A reference prepared once for many distances: its mean, the trace and a factor of its covariance.

    Args:
        statistics: of the reference features.
        ddof: of both covariances, 0 or 1.

    Raises:
        ShapeError: too few rows for a covariance.
    """

    def __init__(self, statistics: GaussianStatistics, ddof: int = 1) -> None:
        self.ddof = ddof
        self.mean = statistics.mean
        self.factor, self.trace = _factored(statistics, ddof)

    def distance(self, generated: GaussianStatistics) -> float:
        """Squared Frechet distance of generated features to this reference.

        |m1 - m2|^2 + Tr S1 + Tr S2 - 2 Tr (S1 S2)^(1/2)

        Args:
            generated: statistics of at least ddof + 1 rows.

        Returns:
            A number >= 0, in squared units of the features; 0 for equal statistics, up to rounding.

        Raises:
            ShapeError: the feature dimensions differ, or too few rows.

        Source: Dowson & Landau 1982; as a metric of generators, Heusel et al. 2017 (1706.08500), equation 6.
        """
        if generated.dim != len(self.mean):
            raise ShapeError(
                f"generated features have {generated.dim} dimensions, the reference has {len(self.mean)}. "
                "Take both from one extractor."
            )
        factor_of_it, trace = _factored(generated, self.ddof)
        cross = _nuclear_norm(factor_of_it.T @ self.factor)
        shift = float(np.sum(np.square(generated.mean - self.mean)))
        return max(shift + trace + self.trace - 2.0 * cross, 0.0)


def frechet_distance(a: GaussianStatistics, b: GaussianStatistics, ddof: int = 1) -> float:
    """Squared Frechet distance of two sets of features by their statistics; symmetric.

    Args:
        a, b: statistics of more than `ddof` rows each.
        ddof: of both covariances: 1, or 0 as in StyleGAN-V and cd-fvd.

    Raises:
        ShapeError: the feature dimensions differ, or too few rows.
    """
    return Target(b, ddof).distance(a)


def frechet_distance_of_features(a: NDArray[np.floating], b: NDArray[np.floating], ddof: int = 1) -> float:
    """The same distance straight from the features: exact, and cheap, with fewer rows than dimensions.

    Tr (S1 S2)^(1/2) = || X1 X2^T ||_* / sqrt((N1 - ddof)(N2 - ddof)), X = the centred rows.

    Args:
        a: [N1, D] float.
        b: [N2, D] float.
        ddof: of both covariances, 0 or 1.

    Raises:
        ShapeError: D differs, or too few rows.
        NonFiniteError: NaN or infinity.
    """
    rows = [finite_features(a), finite_features(b)]
    if rows[0].shape[-1] != rows[1].shape[-1] or min(len(x) for x in rows) <= ddof:
        raise ShapeError(f"got features of {np.shape(a)} and {np.shape(b)}: one D and over {ddof} rows are needed.")
    means = [x.mean(axis=0) for x in rows]
    centred = [(x - m) / np.sqrt(len(x) - ddof) for x, m in zip(rows, means, strict=True)]
    traces = sum(float(np.sum(np.square(x))) for x in centred)
    shift = float(np.sum(np.square(means[0] - means[1])))
    return max(shift + traces - 2.0 * _nuclear_norm(centred[0] @ centred[1].T), 0.0)


def _factored(statistics: GaussianStatistics, ddof: int) -> tuple[Array, float]:
    """(A, trace): a factor of the covariance, and its trace; from the rows themselves where they are kept."""
    if statistics.root is not None and statistics.n > ddof:
        root = statistics.root / np.sqrt(statistics.n - ddof)
        return root.T, float(np.sum(np.square(root)))
    covariance = statistics.covariance(ddof)
    return factor(covariance), float(np.trace(covariance))


def _nuclear_norm(matrix: Array) -> float:
    """Sum of the singular values.

    Of large matrices by the eigenvalues of M M^T, about four times as fast. Squaring costs a singular value s an error
    of about eps s_max^2 / 2 s, at most sqrt(eps) s_max; where these, added as independent, are above `_DOUBT` of the
    sum, the singular values themselves are computed.
    """
    if not matrix.size:
        return 0.0
    if min(matrix.shape) >= _LARGE:
        squares = np.linalg.eigvalsh(matrix @ matrix.T if matrix.shape[0] <= matrix.shape[1] else matrix.T @ matrix)
        values, unit = np.sqrt(np.maximum(squares, 0.0)), np.finfo(np.float64).eps * squares[-1]
        doubt = np.minimum(unit / (2.0 * np.maximum(values, np.sqrt(unit) / 2.0)), np.sqrt(unit))
        if float(np.linalg.norm(doubt)) <= _DOUBT * float(values.sum()):
            return float(values.sum())
    return float(np.linalg.svd(matrix, compute_uv=False).sum())
