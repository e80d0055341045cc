"""The closed-form denoiser of Gaussian data: tests samplers exactly, without weights."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ivbench.diffusion.arrays import Array
from ivbench.diffusion.schedule import alpha, sigma
from ivbench.errors import ConfigError

__all__ = ["GaussianOracle"]


@dataclass(frozen=True)
class GaussianOracle:
    """Data x ~ N(mean, variance), each value on its own; then z ~ N(alpha mean, S^2), S^2 = alpha^2 variance + sigma^2.

    Args:
        mean: of the data.
        variance: of the data, > 0.

    Raises:
        ConfigError: variance is not positive and finite.
    """

    mean: float = 0.0
    variance: float = 1.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.variance) and self.variance > 0.0):
            raise ConfigError(f"oracle: variance is {self.variance}; it must be above 0 and finite.")

    def __call__(self, z: Array, logsnr: float, step_index: int = 0) -> Array:
        """x_hat = E[x | z] = mean + (alpha variance / S^2) (z - alpha mean); shape and dtype of `z`.

        Source: Karras et al. 2022 (2206.00364), appendix B.3, for one Gaussian.
        """
        a = alpha(logsnr)
        return self.mean + a * self.variance / self.spread(logsnr) ** 2 * (z - a * self.mean)

    def spread(self, logsnr: float) -> float:
        """S, the standard deviation of z at this log SNR."""
        return math.sqrt(alpha(logsnr) ** 2 * self.variance + sigma(logsnr) ** 2)

    def flow(self, z: Array, logsnr_t: float, logsnr_s: float) -> Array:
        """The probability flow's exact map from one log SNR to another.

        z_s = alpha_s mean + (S_s / S_t) (z_t - alpha_t mean)

        Args:
            z: [...] float: z_t.
            logsnr_t: nats: where z is.
            logsnr_s: nats: where it goes.

        Returns:
            z_s, shape and dtype of `z`.
        """
        ratio = self.spread(logsnr_s) / self.spread(logsnr_t)
        return alpha(logsnr_s) * self.mean + ratio * (z - alpha(logsnr_t) * self.mean)
