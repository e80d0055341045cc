"""The ancestral sampler with interpolated variance."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from ivbench.diffusion.samplers.base import Coefficients, Sampler
from ivbench.diffusion.schedule import Schedule, alpha, sigma
from ivbench.errors import ConfigError

__all__ = ["Ancestral", "ancestral_variance", "posterior_mean"]


def posterior_mean(logsnr_t: float, logsnr_s: float) -> tuple[float, float]:
    """The factors of z_t and x in the mean of q(z_s | z_t, x).

    mu = e^{lambda_t - lambda_s} (alpha_s / alpha_t) z_t + (1 - e^{lambda_t - lambda_s}) alpha_s x

    Args:
        logsnr_t: nats: log SNR where the step begins.
        logsnr_s: nats: log SNR where it ends, logsnr_s > logsnr_t.

    Returns:
        (factor of z_t, factor of x).

    Source: paper, section 2.1, equation 3; Video Diffusion Models (2204.03458).
    """
    difference = logsnr_t - logsnr_s
    alpha_s = alpha(logsnr_s)
    return math.exp(difference) * alpha_s / alpha(logsnr_t), -math.expm1(difference) * alpha_s


def ancestral_variance(logsnr_t: float, logsnr_s: float, gamma: float) -> float:
    """The variance of the fresh noise, interpolated on the log of the variance.

    ((1 - e^{lambda_t - lambda_s}) sigma_s^2)^{1 - gamma} ((1 - e^{lambda_t - lambda_s}) sigma_t^2)^gamma

    Args:
        logsnr_t: nats: log SNR where the step begins.
        logsnr_s: nats: log SNR where it ends, logsnr_s > logsnr_t.
        gamma: in [0, 1]; 0 is the posterior's variance, 1 the forward process's sigma_{t|s}^2.

    Returns:
        The variance, > 0.

    Source: paper, section 2.1, equation 4; Video Diffusion Models (2204.03458).
    """
    posterior, forward = sigma(logsnr_s) ** 2, sigma(logsnr_t) ** 2
    return float(-math.expm1(logsnr_t - logsnr_s) * posterior ** (1.0 - gamma) * forward**gamma)


@dataclass(frozen=True)
class Ancestral(Sampler):
    """The ancestral sampler. Order 1 in the distribution. One evaluation a step.

    Args:
        gamma: in [0, 1]: between the posterior's variance (0) and the forward process's (1).
            Unspecified by the paper; the default is ours.

    Raises:
        ConfigError: gamma is out of range.
    """

    gamma: float = 0.1

    order: ClassVar[int] = 1

    def __post_init__(self) -> None:
        if not 0.0 <= self.gamma <= 1.0:
            raise ConfigError(f"ancestral sampler: gamma is {self.gamma:g}; it must be in [0, 1].")

    def coefficients(self, schedule: Schedule, t: float, s: float) -> Coefficients:
        """See `posterior_mean` and `ancestral_variance`."""
        logsnr_t, logsnr_s = schedule.logsnr(t), schedule.logsnr(s)
        z, x = posterior_mean(logsnr_t, logsnr_s)
        return Coefficients(z, x, math.sqrt(ancestral_variance(logsnr_t, logsnr_s, self.gamma)))
