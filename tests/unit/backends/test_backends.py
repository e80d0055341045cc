"""What a backend asks of weights, what it does when memory runs out, and which devices there are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivbench.backends.memory import in_batches
from ivbench.backends.weights import require_finite, require_match
from ivbench.errors import ConfigError, NonFiniteError

EXPECTED = {"a.weight": (2, 3), "a.bias": (2,), "b.weight": (1,)}


def weights(**changes: Any) -> dict[str, Any]:
    return {name: np.zeros(shape, np.float32) for name, shape in EXPECTED.items()} | changes


def test_weights_that_match_pass() -> None:
    require_match("base", EXPECTED, weights())


def test_the_message_lists_missing_unexpected_and_reshaped_weights() -> None:
    got = weights(**{"a.bias": np.zeros((3,)), "c": np.zeros(1), "d": np.zeros(1), "e": np.zeros(1), "f": np.zeros(1)})
    del got["b.weight"]
    with pytest.raises(ConfigError) as caught:
        require_match("base", EXPECTED, got)
    assert str(caught.value) == (
        'the weights of stage "base" do not fit its spec: 1 missing (b.weight); 4 unexpected (c, d, e, ...); '
        "1 of another shape (a.bias [3] for [2]). Give the weights that were trained with this cascade.yaml."
    )


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_the_tensor_that_is_not_finite_is_named(value: float, dtype: Any) -> None:
    bad = np.array([0, value], dtype)
    with pytest.raises(NonFiniteError, match=r'stage "base" has NaN or infinity in its weight a.bias'):
        require_finite("base", weights(**{"a.bias": bad}))


def test_finite_weights_pass() -> None:
    require_finite("base", weights(**{"a.bias": np.array([65504.0, -65504.0], np.float16)}))


class FakeOutOfMemory(Exception):
    """What a device raises."""


class Device:
    """Holds so many rows at a time; keeps the sizes of the batches that it was asked for."""

    def __init__(self, holds: int) -> None:
        self.holds, self.asked = holds, list[int]()

    def __call__(self, part: slice) -> list[int]:
        self.asked.append(part.stop - part.start)
        if self.asked[-1] > self.holds:
            raise FakeOutOfMemory
        return list(range(part.start, part.stop))


def test_a_batch_that_fits_runs_whole() -> None:
    device = Device(16)
    assert in_batches(16, device, (FakeOutOfMemory,)) == [list(range(16))]
    assert device.asked == [16]


def test_a_batch_that_does_not_fit_is_halved_until_it_does_and_stays_so() -> None:
    device = Device(5)
    in_batches(16, device, (FakeOutOfMemory,))
    assert device.asked == [16, 8, 4, 4, 4, 4]


@given(st.integers(0, 70), st.integers(1, 70))
def test_every_row_is_run_once_and_in_order(count: int, holds: int) -> None:
    parts = in_batches(count, Device(holds), (FakeOutOfMemory,))
    assert [row for part in parts for row in part] == list(range(count))


def test_a_single_row_that_does_not_fit_is_an_error() -> None:
    device = Device(0)
    with pytest.raises(FakeOutOfMemory):
        in_batches(4, device, (FakeOutOfMemory,))
    assert device.asked == [4, 2, 1]


def test_other_errors_are_not_retried() -> None:
    asked: list[slice] = []

    def broken(part: slice) -> None:
        asked.append(part)
        raise ValueError("another")

    with pytest.raises(ValueError, match="another"):
        in_batches(4, broken, (FakeOutOfMemory,))
    assert len(asked) == 1


@pytest.mark.parametrize("name", ["gpu", "cuda:99", "meta", "", "cpu:x"])
def test_a_device_that_is_not_there_is_one_line(name: str) -> None:
    pytest.importorskip("torch")
    from ivbench.backends.torch_backend import available_device

    with pytest.raises(ConfigError, match=f'device "{name}" cannot be used by PyTorch here. Allowed: cpu, cuda'):
        available_device(name)


def test_arrays_come_back_as_they_went() -> None:
    torch = pytest.importorskip("torch")
    from ivbench.backends.torch_backend import available_device, from_numpy, to_numpy

    device = available_device("cpu")
    array = np.arange(12, dtype=np.float32).reshape(3, 4)[:, ::2]
    np.testing.assert_array_equal(to_numpy(from_numpy(array, device)), array)
    half = to_numpy(torch.tensor([1.5], dtype=torch.bfloat16))
    assert half.dtype == np.float32
    assert half.tolist() == [1.5]


def test_the_out_of_memory_errors_of_torch_are_known() -> None:
    torch = pytest.importorskip("torch")
    from ivbench.backends.torch_backend import OUT_OF_MEMORY

    assert issubclass(torch.cuda.OutOfMemoryError, OUT_OF_MEMORY)
