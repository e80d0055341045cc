"""JAX: devices, arrays in and out, precision, and memory that runs out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from ivbench.backends.dtypes import CHECKING, state_dtype
from ivbench.errors import ConfigError

__all__ = ["OUT_OF_MEMORY", "available_device", "computing", "from_numpy", "network_dtype", "peak_memory", "to_numpy"]

OUT_OF_MEMORY: tuple[type[BaseException], ...] = (MemoryError,)
"""What a batch that is too large for the device raises inside `computing`."""


def available_device(name: str) -> Any:
    """The JAX device of that name: a platform, or a platform and a number.

    Raises:
        ConfigError: not a device, or not on this machine.
    """
    platform, _, number = name.partition(":")
    try:
        return jax.devices(platform)[int(number or 0)]
    except (RuntimeError, ValueError, IndexError) as error:
        raise ConfigError(
            f'device "{name}" cannot be used by JAX here. Allowed: cpu, cuda, cuda:N, tpu, where present.'
        ) from error


def network_dtype(name: str) -> Any:
    """The dtype of a network's parameters.

    Raises:
        ConfigError: no such dtype, or float64 where JAX does not compute in it.
    """
    state_dtype(name)
    if name == CHECKING and not jax.config.jax_enable_x64:
        raise ConfigError(f"JAX computes in {CHECKING} only under jax.enable_x64(True). Leave it to the checks.")
    return jnp.dtype(name)


def from_numpy(array: NDArray[np.generic], device: Any, dtype: Any = None) -> Any:
    """A NumPy array on a device, in its own dtype or another."""
    return jax.device_put(np.asarray(array, dtype), device)


def to_numpy(array: Any) -> NDArray[np.float32]:
    """An array of any float dtype and device as a float32 NumPy array."""
    return np.asarray(array).astype(np.float32)


@contextmanager
def computing(dtype: str) -> Iterator[None]:
    """What a network is traced and run in.

    Products of float32 are float32 on every device: accelerators round their factors to fewer bits unless they are
    told not to. A device that runs out of memory raises MemoryError, which `in_batches` answers with smaller batches.
    """
    try:
        with jax.default_matmul_precision("default" if dtype == "bfloat16" else "highest"):
            yield
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" in str(error):
            raise MemoryError(str(error)) from error
        raise


def peak_memory(device: Any) -> int | None:
    """The largest memory of a device in use so far, bytes; None where the device does not count it, as a CPU."""
    counted = device.memory_stats() or {}
    return counted.get("peak_bytes_in_use")
