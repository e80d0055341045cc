"""Statistics in pickles, read without running code: edm2's `{fid: {mu, sigma}, ...}`, and StyleGAN's FeatureStats.

A pickle may run whatever its maker wants. This reader knows NumPy's arrays, plain containers and the two projects' own
dictionary; whatever else a pickle names is refused before it is touched. It is read only where the user says so.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ivbench.errors import ConfigError, MissingFileError, ShapeError, UnreadableError
from ivbench.metrics.statistics import GaussianStatistics, divisor, finite_features
from ivbench.metrics.statistics_files import StatisticsFile, checked_moments

__all__ = ["is_pickle", "read_pickled", "require_allowed"]

_SUFFIXES = (".pkl", ".pickle")
_ARRAYS = ("numpy", "numpy.core.multiarray", "numpy._core.multiarray", "numpy.core.numeric", "numpy._core.numeric")
_PARTS = frozenset({"ndarray", "dtype", "scalar", "_reconstruct", "_frombuffer"})
"""What NumPy names in a pickled array; each only makes arrays and numbers."""
_SUMS = frozenset({"num_items", "raw_mean", "raw_cov"})


class _Arrays(pickle.Unpickler):
    """Reads arrays, numbers, texts and containers of these."""

    def find_class(self, module: str, name: str) -> Any:
        if module in _ARRAYS and name in _PARTS:
            return super().find_class(module, name)
        if (module, name) in (("dnnlib.util", "EasyDict"), ("collections", "OrderedDict")):
            return dict
        if (module, name) == ("_codecs", "encode"):
            return _encoded
        raise pickle.UnpicklingError(f"it names {module}.{name}, which is no array; nothing of it was run")

    def persistent_load(self, pid: Any) -> Any:
        raise pickle.UnpicklingError("it refers to something outside of the file")


def _encoded(text: str, encoding: str) -> bytes:
    """An array's bytes, which Python 3 writes as text in the oldest forms of pickles."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"it has bytes as {encoding}")
    return text.encode(encoding)


def is_pickle(path: Path) -> bool:
    """Whether a path is called as pickles are."""
    return path.suffix.lower() in _SUFFIXES


def require_allowed(path: Path | None, allowed: bool) -> None:
    """Refuse a pickle that the user didn't allow.

    Raises:
        ConfigError: says how to allow it.
    """
    if path is not None and is_pickle(path) and not allowed:
        raise ConfigError(
            f"{path} is a pickle, which can hold code. Give --allow-pickle: arrays are read from it, and no code runs."
        )


def read_pickled(path: Path, dim: int, ddof: int) -> StatisticsFile:
    """Read mean and covariance of so many features.

    Args:
        path: of the pickle.
        dim: features; edm2's files hold those of several networks.
        ddof: of the covariance that will be asked for: edm2's sigma is taken as it is, FeatureStats know their rows.

    Raises:
        MissingFileError: it is not there.
        UnreadableError: it is no pickle, or names more than arrays.
        ConfigError: it holds neither form.
        ShapeError: no statistics, or several, of so many features, or they do not fit together.
        NonFiniteError: NaN or infinity.
    """
    held = _unpickled(path)
    if held.keys() >= _SUMS:
        return _feature_stats(path, held, dim)
    entries = {
        name: entry for name, entry in held.items() if isinstance(entry, dict) and {"mu", "sigma"} <= entry.keys()
    }
    if {"mu", "sigma"} <= held.keys():
        entries[path.name] = held
    if not entries:
        raise ConfigError(f"{path} holds neither mu and sigma, as edm2 writes them, nor StyleGAN's sums of features.")
    fitting = [name for name, entry in entries.items() if np.shape(entry["mu"]) == (dim,)]
    if len(fitting) != 1:
        had = ", ".join(f"{name} {list(np.shape(entry['mu']))}" for name, entry in entries.items())
        raise ShapeError(f"{path} holds {had}; one of [{dim}] is expected, as the extractor gives features.")
    entry = entries[fitting[0]]
    mu, sigma = (_numbers(path, entry[name], shape) for name, shape in (("mu", (dim,)), ("sigma", (dim, dim))))
    mu, sigma = checked_moments(path, mu, sigma)
    count = held.get("num_images")
    rows = ddof + 1
    return StatisticsFile(GaussianStatistics(rows, mu, sigma * divisor(rows, ddof)), int(count) if count else None)


def _feature_stats(path: Path, held: Mapping[str, Any], dim: int) -> StatisticsFile:
    """Of sums over rows: mean = sum x / n, scatter = sum x x^T - n mean mean^T."""
    if held["raw_mean"] is None or held["raw_cov"] is None:
        raise ConfigError(f"{path} has no mean and covariance: it was written without capture_mean_cov.")
    rows = int(_numbers(path, held["num_items"], ()))
    total, products = _numbers(path, held["raw_mean"], (dim,)), _numbers(path, held["raw_cov"], (dim, dim))
    if rows < 1:
        raise ShapeError(f"{path} is of {rows} rows; at least 1 is expected.")
    mean = total / rows
    return StatisticsFile(GaussianStatistics(rows, mean, products - rows * np.outer(mean, mean)), rows)


def _numbers(path: Path, value: Any, shape: tuple[int, ...]) -> Any:
    try:
        found = np.asarray(value, np.float64)
    except (TypeError, ValueError):
        raise UnreadableError(f"{path} holds {type(value).__name__} where numbers are expected.") from None
    if found.shape != shape:
        raise ShapeError(f"{path} holds {list(found.shape)}, {list(shape)} is expected of this extractor.")
    return finite_features(np.atleast_1d(found)).reshape(shape)


def _unpickled(path: Path) -> dict[Any, Any]:
    try:
        with path.open("rb") as file:
            held = _Arrays(file).load()
    except FileNotFoundError:
        raise MissingFileError(f"{path} is not there. Name a file of statistics or a folder.") from None
    except Exception as error:  # broken pickles raise whatever comes first
        reason = " ".join(str(error).split())[:160] or type(error).__name__
        raise UnreadableError(f"{path} is not read: {reason}.") from None
    if not isinstance(held, dict):
        raise ConfigError(f"{path} holds {type(held).__name__}; a dict of statistics is expected.")
    return held
