"""Number formats of weights that NumPy lacks: bfloat16 and float8, from ml_dtypes."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["KEPT", "dtype_named", "is_float"]

KEPT = ("float16", "bfloat16", "float32")
"""Weights of these are stored bit for bit."""

_FROM_ML_DTYPES = ("bfloat16", "float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz")


def dtype_named(name: str) -> np.dtype[Any]:
    """The dtype of that name.

    Raises:
        TypeError: there is none, or it is not a plain number format (objects, records, text).
    """
    if name in _FROM_ML_DTYPES:
        import ml_dtypes

        return np.dtype(getattr(ml_dtypes, name))
    dtype = np.dtype(name)
    if dtype.kind not in "fiubc":
        raise TypeError(f"{name} is not a format of numbers")
    return dtype


def is_float(dtype: np.dtype[Any]) -> bool:
    """Whether it is a real floating-point format; bfloat16's and float8's kind is V to NumPy."""
    return dtype.kind == "f" or dtype.name in _FROM_ML_DTYPES
