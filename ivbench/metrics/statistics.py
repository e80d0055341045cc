"""Gaussian statistics of features: count, mean and scatter, streamed, merged and taken apart again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ivbench.errors import NonFiniteError, ShapeError

__all__ = ["Array", "GaussianStatistics", "divisor", "finite_features", "merge_all"]

Array = NDArray[np.float64]


def finite_features(features: NDArray[np.generic]) -> Array:
    """Features in float64, refused where one of them is not a number.

    Args:
        features: [..., D] float of any precision.

    Returns:
        [..., D] float64.

    Raises:
        NonFiniteError: NaN or infinity; says how many rows have it.
    """
    rows = np.asarray(features, dtype=np.float64)
    finite = np.isfinite(rows)
    if not finite.all():
        bad = int((~finite.all(axis=-1)).sum())
        total = rows.size // rows.shape[-1]
        raise NonFiniteError(
            f"{bad} of {total} feature rows have NaN or infinity; only finite features are scored. "
            "Look at the samples and the weights of this cell."
        )
    return rows


def divisor(rows: int, ddof: int) -> int:
    """What turns the scatter of so many rows into a covariance: rows - ddof, and 1 of one row, whose scatter is 0.

    Raises:
        ShapeError: no rows.
    """
    if not rows:
        raise ShapeError("a covariance needs at least 1 feature row, got none. Score more videos.")
    return max(rows - ddof, 1)


@dataclass(frozen=True, eq=False)
class GaussianStatistics:
    """Count, mean and scatter of feature rows; a covariance is scatter / (n - ddof), and 0 of one row.

    The scatter is kept as few rows R with scatter = R^T R while they are fewer than half the dimensions: smaller, and
    an exact factor of a singular covariance.

    Attributes:
        n: rows.
        mean: [D] float64, zeros while n = 0.
        full: [D, D] float64, the scatter; None while there is a root.
        root: [K, D] float64, K <= D / 2; None where the scatter is full.
    """

    n: int
    mean: Array
    full: Array | None = None
    root: Array | None = None

    @property
    def scatter(self) -> Array:
        """[D, D] float64, sum over the rows of (x - mean)(x - mean)^T."""
        if self.root is not None:
            return np.asarray(self.root.T @ self.root)
        return np.zeros((self.dim, self.dim)) if self.full is None else self.full

    @classmethod
    def empty(cls, dim: int) -> GaussianStatistics:
        """Statistics of no rows in `dim` dimensions."""
        return cls(0, np.zeros(dim), root=np.empty((0, dim)))

    @classmethod
    def of(cls, features: NDArray[np.floating]) -> GaussianStatistics:
        """Statistics of one block of rows.

        Args:
            features: [N, D] float.

        Raises:
            ShapeError: not two axes.
            NonFiniteError: NaN or infinity.
        """
        if np.ndim(features) != 2:
            raise ShapeError(f"features must be [N, D], got shape {np.shape(features)}. Flatten all but the last axis.")
        rows = finite_features(features)
        if len(rows) == 0:
            return cls.empty(rows.shape[1])
        mean = rows.mean(axis=0)
        centred = rows - mean
        return cls(len(rows), mean, *_kept(centred))

    @property
    def dim(self) -> int:
        """Feature dimensions D."""
        return len(self.mean)

    def update(self, features: NDArray[np.floating]) -> GaussianStatistics:
        """These statistics with more rows; the block need not fit with anything but D.

        Args:
            features: [N, D] float.

        Raises:
            ShapeError: another D, or not two axes.
            NonFiniteError: NaN or infinity.
        """
        return self.merge(GaussianStatistics.of(features))

    def merge(self, other: GaussianStatistics) -> GaussianStatistics:
        """Statistics of both sets of rows together.

        S = S_a + S_b + (n_a n_b / n) d d^T, d = mean_b - mean_a

        Raises:
            ShapeError: the feature dimensions differ; says both.

        Source: Chan, Golub & LeVeque 1979, the pairwise update.
        """
        self._require_same_dim(other)
        if self.n == 0 or other.n == 0:
            return other if self.n == 0 else self
        n = self.n + other.n
        delta = other.mean - self.mean
        mean, weight = self.mean + delta * (other.n / n), self.n * other.n / n
        if self.root is not None and other.root is not None:
            between = np.sqrt(weight) * delta[None]
            return GaussianStatistics(n, mean, *_kept(np.concatenate([self.root, other.root, between])))
        return GaussianStatistics(n, mean, self.scatter + other.scatter + weight * np.outer(delta, delta))

    def without(self, part: GaussianStatistics) -> GaussianStatistics:
        """The inverse of `merge`: these statistics with the rows of a part left out.

        Raises:
            ShapeError: the dimensions differ, or the part has more rows than the whole.
        """
        self._require_same_dim(part)
        if part.n > self.n:
            raise ShapeError(f"cannot leave {part.n} rows out of {self.n}. The part must come from the whole.")
        n = self.n - part.n
        if part.n == 0 or n == 0:
            return self if part.n == 0 else GaussianStatistics.empty(self.dim)
        delta = part.mean - self.mean
        mean = self.mean - delta * (part.n / n)
        return GaussianStatistics(n, mean, self.scatter - part.scatter - (self.n * part.n / n) * np.outer(delta, delta))

    def covariance(self, ddof: int = 1) -> Array:
        """[D, D] scatter / (n - ddof); zeros of one row, whatever the ddof.

        Args:
            ddof: 1 (unbiased; most tools) or 0 (StyleGAN-V, cd-fvd).

        Raises:
            ShapeError: no rows.
        """
        return self.scatter / self.divisor(ddof)

    def divisor(self, ddof: int) -> int:
        """That of these rows; see `divisor`."""
        return divisor(self.n, ddof)

    def to_arrays(self) -> dict[str, NDArray[np.generic]]:
        """As arrays to be stored: `n` [] int64, `mean` [D], `scatter` [D, D] float64."""
        return {"n": np.array(self.n, np.int64), "mean": self.mean, "scatter": self.scatter}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.generic]]) -> GaussianStatistics:
        """What `to_arrays` wrote.

        Raises:
            NonFiniteError: NaN or infinity in a stored value.
        """
        return cls(int(arrays["n"]), finite_features(arrays["mean"]), finite_features(arrays["scatter"]))

    def _require_same_dim(self, other: GaussianStatistics) -> None:
        if self.dim != other.dim:
            raise ShapeError(
                f"statistics of {self.dim} and of {other.dim} feature dimensions do not go together. "
                "Take both from one extractor."
            )


def _kept(root: Array) -> tuple[Array | None, Array | None]:
    """(full, root): the scatter as it is kept."""
    return (None, root) if 2 * len(root) <= root.shape[1] else (root.T @ root, None)


def merge_all(parts: Iterable[GaussianStatistics]) -> GaussianStatistics:
    """Statistics of all the parts together.

    Raises:
        ShapeError: no part, or their feature dimensions differ.
    """
    whole: GaussianStatistics | None = None
    for part in parts:
        whole = part if whole is None else whole.merge(part)
    if whole is None:
        raise ShapeError("there is nothing to merge: got no statistics, at least 1 is needed.")
    return whole
