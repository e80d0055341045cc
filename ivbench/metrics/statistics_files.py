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

from ivbench.errors import ConfigError, MissingFileError, ShapeError, UnreadableError
from ivbench.metrics.statistics import GaussianStatistics, finite_features
from ivbench.results.atomic import write_bytes

__all__ = ["StatisticsFile", "is_statistics_file", "read_statistics", "write_statistics"]


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
        UnreadableError: it is no npz.
        ConfigError: it lacks mu or sigma.
        ShapeError: they do not fit together.
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
    mu, sigma = finite_features(np.atleast_1d(arrays["mu"])), finite_features(arrays["sigma"])
    if mu.ndim != 1 or sigma.shape != (len(mu), len(mu)):
        raise ShapeError(f"{path}: mu is {list(mu.shape)} and sigma {list(sigma.shape)}; [D] and [D, D] are expected.")
    rows = int(arrays["rows"]) if "rows" in arrays else ddof + 1
    made = json.loads(str(arrays["made"])) if "made" in arrays else {}
    count = int(arrays["count"]) if "count" in arrays else None
    return StatisticsFile(GaussianStatistics(rows, mu, sigma * (rows - ddof)), count, made)


def write_statistics(path: Path, file: StatisticsFile, ddof: int) -> None:
    """Write mean and covariance, whole or not at all.

    Args:
        path: ends in .npz.
        file: what to write.
        ddof: of the covariance.

    Raises:
        ShapeError: too few rows for a covariance.
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
