"""The dtypes that networks compute in, by name; the state of a sampler is float32 whatever they are."""

from __future__ import annotations

from ivbench.errors import ConfigError, did_you_mean

__all__ = ["CHECKING", "DTYPES", "state_dtype"]

DTYPES = ("float32", "bfloat16")
"""What a run may ask for."""

CHECKING = "float64"
"""For checks of one backend against another: rounding then hides nothing."""


def state_dtype(dtype: str) -> str:
    """The dtype of z_t for networks of a dtype: float32, or float64 where everything is.

    Raises:
        ConfigError: no such dtype.
    """
    if dtype not in (*DTYPES, CHECKING):
        raise ConfigError(f'no dtype is called "{dtype}".{did_you_mean(dtype, DTYPES)}')
    return dtype if dtype == CHECKING else "float32"
