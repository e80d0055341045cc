"""Noise schedules: the log signal-to-noise ratio as a function of time.

z_t = alpha_t x + sigma_t eps, lambda = log(alpha^2 / sigma^2), alpha^2 = sigmoid(lambda), sigma^2 = sigmoid(-lambda).
Time runs from 0 (data) to 1 (noise). Schedules are plain float64 numbers, computed before anything is sampled.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol, overload

from array_api_compat import array_namespace

from ivbench.diffusion.arrays import Array
from ivbench.errors import ConfigError

__all__ = [
    "BetaLinearSchedule",
    "CosineSchedule",
    "LinearSchedule",
    "Schedule",
    "SigmoidSchedule",
    "alpha",
    "sigma",
    "sigma_ratio",
]

_ROUNDING = 1e-6


class Schedule(Protocol):
    """Log SNR, strictly decreasing in time, and its inverse."""

    def logsnr(self, t: float) -> float:
        """Log SNR in nats at time t in [0, 1]; t = 1 is noise."""
        ...

    def time(self, logsnr: float) -> float:
        """The time in [0, 1] at which the schedule has this log SNR."""
        ...


@overload
def alpha(logsnr: float) -> float: ...
@overload
def alpha(logsnr: Array) -> Array: ...
def alpha(logsnr: Array) -> Array:
    """The signal's coefficient, alpha = sqrt(sigmoid(logsnr)), in (0, 1]; stable at both ends.

    Args:
        logsnr: a Python number, or an array of any shape, nats.

    Returns:
        A float for a Python number, else an array of the same shape and dtype.

    Source: paper, section 2.1; Kingma et al. 2021 (2107.00630).
    """
    if isinstance(logsnr, (int, float)):
        return math.sqrt(_sigmoid(logsnr))
    xp = array_namespace(logsnr)
    return xp.exp(-0.5 * xp.logaddexp(-logsnr, xp.zeros_like(logsnr)))


@overload
def sigma(logsnr: float) -> float: ...
@overload
def sigma(logsnr: Array) -> Array: ...
def sigma(logsnr: Array) -> Array:
    """The noise's coefficient, sigma = sqrt(sigmoid(-logsnr)) = alpha(-logsnr). See `alpha`."""
    return alpha(-logsnr)


def sigma_ratio(logsnr_s: float, logsnr_t: float) -> float:
    """The ratio sigma_s / sigma_t = exp((softplus(logsnr_t) - softplus(logsnr_s)) / 2); stable at both ends.

    Args:
        logsnr_s: nats: log SNR at the time s, where the step ends.
        logsnr_t: nats: log SNR at the time t, where the step begins.

    Returns:
        A positive float, below 1 where s < t.

    Source: Salimans & Ho 2022 (2202.00512).
    """
    return math.exp(0.5 * (_softplus(logsnr_t) - _softplus(logsnr_s)))


_LARGEST = 60.0


@dataclass(frozen=True)
class CosineSchedule:
    """The continuous cosine schedule: lambda(t) = -2 log tan(a t + b) + shift.

    b = arctan(exp(-logsnr_max / 2)), a = arctan(exp(-logsnr_min / 2)) - b.

    Args:
        logsnr_min: nats: log SNR at t = 1 without the shift.
        logsnr_max: nats: log SNR at t = 0 without the shift.
        shift: nats, added to the log SNR; 0 is the paper's.

    Raises:
        ConfigError: a number is not finite, or logsnr_min >= logsnr_max.

    Source: paper, section 2.1; Salimans & Ho 2022 (2202.00512); the shift: Hoogeboom et al. 2023 (2301.11093).
    """

    logsnr_min: float = -20.0
    logsnr_max: float = 20.0
    shift: float = 0.0

    def __post_init__(self) -> None:
        _require_range(self.logsnr_min, self.logsnr_max, self.shift)

    def logsnr(self, t: float) -> float:
        """Log SNR in nats at time t in [0, 1]."""
        b, a = self._angles()
        return -2.0 * math.log(math.tan(a * _unit_time(t) + b)) + self.shift

    def time(self, logsnr: float) -> float:
        """The time in [0, 1] of a log SNR: t = (arctan(exp(-(logsnr - shift) / 2)) - b) / a."""
        base = _within(logsnr - self.shift, self.logsnr_min, self.logsnr_max, self.shift)
        b, a = self._angles()
        return _clip((math.atan(math.exp(-0.5 * base)) - b) / a, 0.0, 1.0)

    def _angles(self) -> tuple[float, float]:
        b = math.atan(math.exp(-0.5 * self.logsnr_max))
        return b, math.atan(math.exp(-0.5 * self.logsnr_min)) - b


@dataclass(frozen=True)
class LinearSchedule:
    """Log SNR linear in time: lambda(t) = logsnr_max + (logsnr_min - logsnr_max) t.

    Args:
        logsnr_min: nats: log SNR at t = 1.
        logsnr_max: nats: log SNR at t = 0.

    Raises:
        ConfigError: a number is not finite, or logsnr_min >= logsnr_max.

    Source: Kingma et al. 2021 (2107.00630), "log SNR-linear".
    """

    logsnr_min: float = -20.0
    logsnr_max: float = 20.0

    def __post_init__(self) -> None:
        _require_range(self.logsnr_min, self.logsnr_max)

    def logsnr(self, t: float) -> float:
        """Log SNR in nats at time t in [0, 1]."""
        t = _unit_time(t)
        return self.logsnr_max * (1.0 - t) + self.logsnr_min * t

    def time(self, logsnr: float) -> float:
        """The time in [0, 1] of a log SNR."""
        logsnr = _within(logsnr, self.logsnr_min, self.logsnr_max)
        return (self.logsnr_max - logsnr) / (self.logsnr_max - self.logsnr_min)


@dataclass(frozen=True)
class SigmoidSchedule:
    """alpha^2 a sigmoid of time, scaled to [sigmoid(logsnr_min), sigmoid(logsnr_max)].

    alpha^2(t) = m + (M - m) (S(end) - S(u)) / (S(end) - S(start)), S = sigmoid(. / tau), u = start + (end - start) t.

    Args:
        start, end: where on the sigmoid the schedule begins (t = 0) and ends (t = 1).
        tau: the sigmoid's temperature, > 0.
        logsnr_min, logsnr_max: nats: log SNR at t = 1 and at t = 0.

    Raises:
        ConfigError: a number is not finite, start >= end, tau <= 0, or logsnr_min >= logsnr_max.

    Source: Jabri et al. 2022 (2212.11972); the scaling to the ends is ours.
    """

    start: float = -3.0
    end: float = 3.0
    tau: float = 1.0
    logsnr_min: float = -20.0
    logsnr_max: float = 20.0

    def __post_init__(self) -> None:
        _require_range(self.logsnr_min, self.logsnr_max)
        if not (math.isfinite(self.start) and math.isfinite(self.end) and self.start < self.end):
            raise ConfigError(f"sigmoid schedule: start {self.start:g} must be below end {self.end:g}.")
        if not (math.isfinite(self.tau) and self.tau > 0.0):
            raise ConfigError(f"sigmoid schedule: tau is {self.tau:g}; it must be above 0.")

    def logsnr(self, t: float) -> float:
        """Log SNR in nats at time t in [0, 1]."""
        u = self.start + (self.end - self.start) * _unit_time(t)
        low, high, mid = (_sigmoid(v / self.tau) for v in (self.start, self.end, u))
        signal, noise = (high - mid) / (high - low), (mid - low) / (high - low)
        alpha2 = _sigmoid(self.logsnr_max) * signal + _sigmoid(self.logsnr_min) * noise
        sigma2 = _sigmoid(-self.logsnr_max) * signal + _sigmoid(-self.logsnr_min) * noise
        return math.log(alpha2) - math.log(sigma2)

    def time(self, logsnr: float) -> float:
        """The time in [0, 1] of a log SNR."""
        logsnr = _within(logsnr, self.logsnr_min, self.logsnr_max)
        least, most = _sigmoid(self.logsnr_min), _sigmoid(self.logsnr_max)
        low, high = _sigmoid(self.start / self.tau), _sigmoid(self.end / self.tau)
        mid = low + (high - low) * (most - _sigmoid(logsnr)) / (most - least)
        u = self.tau * (math.log(mid) - math.log1p(-mid))
        return _clip((u - self.start) / (self.end - self.start), 0.0, 1.0)


@dataclass(frozen=True)
class BetaLinearSchedule:
    """DDPM's noise, whose variance beta grows linearly with time: alpha^2(t) = exp(-(b + (B - b) t^2)).

    lambda(t) = -log(exp(b + (B - b) t^2) - 1), b = log(1 + exp(-logsnr_max)), B = log(1 + exp(-logsnr_min)).
    The ends 9.2103 and -10.0001 nats make it -log(exp(1e-4 + 10 t^2) - 1): the "linear" of imagen-pytorch.

    Args:
        logsnr_min: nats: log SNR at t = 1.
        logsnr_max: nats: log SNR at t = 0.

    Raises:
        ConfigError: a number is not finite, or logsnr_min >= logsnr_max.

    Source: Ho et al. 2020 (2006.11239), section 4; in continuous time as in crowsonkb/v-diffusion-pytorch, "ddpm".
    """

    logsnr_min: float = -20.0
    logsnr_max: float = 20.0

    def __post_init__(self) -> None:
        _require_range(self.logsnr_min, self.logsnr_max)

    def logsnr(self, t: float) -> float:
        """Log SNR in nats at time t in [0, 1]."""
        least, most = self._exponents()
        return -math.log(math.expm1(least + (most - least) * _unit_time(t) ** 2))

    def time(self, logsnr: float) -> float:
        """The time in [0, 1] of a log SNR: t^2 = (log(1 + exp(-logsnr)) - b) / (B - b)."""
        logsnr = _within(logsnr, self.logsnr_min, self.logsnr_max)
        least, most = self._exponents()
        return math.sqrt(_clip((_softplus(-logsnr) - least) / (most - least), 0.0, 1.0))

    def _exponents(self) -> tuple[float, float]:
        return _softplus(-self.logsnr_max), _softplus(-self.logsnr_min)


def _sigmoid(x: float) -> float:
    if x >= 0.0:
        return 1.0 / (1.0 + math.exp(-x))
    return math.exp(x) / (1.0 + math.exp(x))


def _softplus(x: float) -> float:
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


def _clip(value: float, low: float, high: float) -> float:
    return min(max(value, low), high)


def _unit_time(t: float) -> float:
    if not -_ROUNDING <= t <= 1.0 + _ROUNDING:
        raise ConfigError(f"time is {t:g}; it runs from 0 (data) to 1 (noise).")
    return _clip(float(t), 0.0, 1.0)


def _within(logsnr: float, low: float, high: float, shift: float = 0.0) -> float:
    if not low - _ROUNDING <= logsnr <= high + _ROUNDING:
        raise ConfigError(
            f"log SNR {logsnr + shift:g} is outside the schedule's [{low + shift:g}, {high + shift:g}]. "
            "Widen logsnr_min or logsnr_max."
        )
    return _clip(float(logsnr), low, high)


def _require_range(logsnr_min: float, logsnr_max: float, shift: float = 0.0) -> None:
    if not all(math.isfinite(value) for value in (logsnr_min, logsnr_max, shift)):
        raise ConfigError(f"schedule: logsnr_min {logsnr_min}, logsnr_max {logsnr_max}, shift {shift} must be finite.")
    if not -_LARGEST <= logsnr_min < logsnr_max <= _LARGEST:
        raise ConfigError(
            f"schedule: logsnr_min {logsnr_min:g} must be below logsnr_max {logsnr_max:g}, both within "
            f"{_LARGEST:g} nats of 0: beyond that float64 has no angle for them."
        )
