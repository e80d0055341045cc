"""JAX: arrays in and out, what is told to accelerators, and memory that runs out."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

jax = pytest.importorskip("jax")

from ivbench.backends.jax_backend import (  # noqa: E402 - after the gate
    OUT_OF_MEMORY,
    available_device,
    computing,
    from_numpy,
    peak_memory,
    to_numpy,
)
from ivbench.backends.memory import in_batches  # noqa: E402


def test_arrays_come_back_as_float32() -> None:
    array = np.random.default_rng(0).standard_normal((2, 3)).astype(np.float32)
    there = from_numpy(array, available_device("cpu"))
    np.testing.assert_array_equal(to_numpy(there), array)
    assert to_numpy(there.astype("bfloat16")).dtype == np.float32


def test_a_device_by_name_and_number() -> None:
    assert available_device("cpu") == available_device("cpu:0") == jax.devices("cpu")[0]


@pytest.mark.parametrize(("dtype", "told"), [("float32", "HIGHEST"), ("bfloat16", "DEFAULT")])
def test_products_of_float32_are_not_rounded_on_any_device(dtype: str, told: str) -> None:
    with computing(dtype):
        program = jax.jit(lambda x: x @ x).lower(np.ones((2, 2), np.float32)).as_text()
    assert ("HIGHEST" in program) == (told == "HIGHEST")


def test_a_device_without_memory_gets_smaller_batches() -> None:
    asked: list[int] = []

    def rows(part: slice) -> int:
        size = part.stop - part.start
        asked.append(size)
        with computing("float32"):
            if size > 2:
                raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 8 bytes.")
            return size

    assert sum(in_batches(7, rows, OUT_OF_MEMORY)) == 7
    assert asked[0] == 7
    assert max(asked[-3:]) <= 2


def test_any_other_failure_is_not_taken_for_memory() -> None:
    with pytest.raises(jax.errors.JaxRuntimeError, match="INTERNAL"), computing("float32"):
        raise jax.errors.JaxRuntimeError("INTERNAL: something else")


def test_peak_memory_is_the_devices_own_count_where_it_has_one() -> None:
    assert peak_memory(available_device("cpu")) is None
    assert peak_memory(SimpleNamespace(memory_stats=lambda: {"peak_bytes_in_use": 12})) == 12
