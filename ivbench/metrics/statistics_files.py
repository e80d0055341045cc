"""Files of reference statistics, `npz {mu, sigma}`: as pytorch-fid, clean-fid, TTUR and edm write and read them.

ivbench's own also say how many rows stand behind them and what made them; the others read past that.
"""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ivbench.errors import ConfigError, MissingFileError, NonFiniteError, ShapeError, UnreadableError
from ivbench.metrics.statistics import Array, GaussianStatistics, divisor
from ivbench.results.atomic import write_bytes

__all__ = ["StatisticsFile", "checked_moments", "is_statistics_file", "read_statistics", "write_statistics"]

_SKEW = 1e-3
"""Of the largest entry: a covariance that was kept in float16 is symmetric to less."""


@dataclass(frozen=True, eq=False)
class StatisticsFile:
    """What a file holds.

    Attributes:
        statistics: of the features; their covariance under the ddof that was asked for is the file's sigma.
        count: videos behind them; None where the file does not say.
        made: what made them (extractor, weights, preprocess, ...); empty where the file does not say.
    """

    statistics: GaussianStatistics
    count: int | None
    made: Mapping[str, str | int | float | None] = field(default_factory=dict)


def is_statistics_file(path: Path) -> bool:
    """Whether a path is an npz with `mu` and `sigma`."""
    if path.suffix.lower() != ".npz" or not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return {"mu.npy", "sigma.npy"} <= set(archive.namelist())


def read_statistics(path: Path, ddof: int) -> StatisticsFile:
    """Read mean and covariance.

    Args:
        path: of the npz.
        ddof: of the covariance that will be asked for: sigma is taken as it is, whatever ddof its maker used.

    Raises:
        MissingFileError: it is not there.
        UnreadableError: it is no npz, or what it says of itself is broken.
        ConfigError: it lacks mu or sigma.
        ShapeError: they do not fit together, or are no mean and covariance.
        NonFiniteError: NaN or infinity.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files if name in ("mu", "sigma", "count", "rows", "made")}
    except FileNotFoundError:
        raise MissingFileError(f"{path} is not there. Name a file of statistics or a folder.") from None
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise UnreadableError(f"{path} cannot be read: {error}.") from None
    if not {"mu", "sigma"} <= arrays.keys():
        raise ConfigError(f"{path} has no mu and sigma. A file of statistics has both.")
    mu, sigma = np.atleast_1d(arrays["mu"]), arrays["sigma"]
    if mu.ndim != 1 or sigma.shape != (len(mu), len(mu)):
        raise ShapeError(f"{path}: mu is {list(mu.shape)} and sigma {list(sigma.shape)}; [D] and [D, D] are expected.")
    mu, sigma = checked_moments(path, mu, sigma)
    try:
        rows = int(arrays["rows"]) if "rows" in arrays else ddof + 1
        count = int(arrays["count"]) if "count" in arrays else None
        made = dict(json.loads(str(arrays["made"]))) if "made" in arrays else {}
        if rows < 1 or (count is not None and count < 1):
            raise ValueError("of no rows")
    except (TypeError, ValueError):
        raise UnreadableError(f"{path} says wrongly what made it. Make it again: ivbench metric stats") from None
    return StatisticsFile(GaussianStatistics(rows, mu, sigma * divisor(rows, ddof)), count, made)


def checked_moments(path: Path, mu: NDArray[np.generic], sigma: NDArray[np.generic]) -> tuple[Array, Array]:
    """A file's mean [D] and covariance [D, D] in float64.

    Raises:
        ShapeError: they are not real, not symmetric, or have a variance below 0.
        NonFiniteError: NaN or infinity.
    """
    if not all(part.dtype.kind in "fiu" for part in (mu, sigma)):
        raise ShapeError(f"{path}: mu is {mu.dtype} and sigma {sigma.dtype}; real numbers are expected.")
    mean, covariance = mu.astype(np.float64), sigma.astype(np.float64)
    if not (np.isfinite(mean).all() and np.isfinite(covariance).all()):
        raise NonFiniteError(f"{path} has NaN or infinity. Make it again from finite features.")
    skew = float(np.abs(covariance - covariance.T).max())
    if skew > _SKEW * float(np.abs(covariance).max()) or covariance.diagonal().min() < 0:
        raise ShapeError(f"{path}: sigma is no covariance: it is not symmetric, or has a variance below 0.")
    return mean, covariance


def write_statistics(path: Path, file: StatisticsFile, ddof: int) -> None:
    """Write mean and covariance, whole or not at all.

    Args:
        path: ends in .npz.
        file: what to write.
        ddof: of the covariance.

    Raises:
        ShapeError: no rows.
        StoreError: the place can't be written.
    """
    buffer = io.BytesIO()
    arrays: dict[str, np.ndarray[tuple[int, ...], np.dtype[np.generic]]] = {
        "mu": file.statistics.mean,
        "sigma": file.statistics.covariance(ddof),
        "rows": np.array(file.statistics.n),
        "made": np.array(json.dumps(dict(file.made), sort_keys=True)),
    }
    if file.count is not None:
        arrays["count"] = np.array(file.count)
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type] # numpy's stub takes the keyword for a flag
    write_bytes(path, buffer.getvalue())
