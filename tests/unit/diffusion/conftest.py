"""Array backends for the tests of the mathematics."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest


@pytest.fixture(params=["numpy", "array_api_strict", "torch", "jax"])
def asarray(request: pytest.FixtureRequest) -> Iterator[Callable[[np.ndarray], Any]]:
    """NumPy array -> array of a backend, float64 staying float64."""
    library = pytest.importorskip(request.param)
    if request.param != "jax":
        yield library.asarray
        return
    with library.enable_x64(True):
        yield library.numpy.asarray


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20221005)
