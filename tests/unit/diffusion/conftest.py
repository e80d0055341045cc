"""Array backends for the tests of the mathematics."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest


@pytest.fixture(params=["numpy", "array_api_strict", "torch"])
def asarray(request: pytest.FixtureRequest) -> Callable[[np.ndarray], Any]:
    """NumPy array -> array of a backend."""
    return pytest.importorskip(request.param).asarray


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20221005)
