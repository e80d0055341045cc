"""DDIM: the deterministic sampler."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ivbench.diffusion.samplers.base import Coefficients, Sampler
from ivbench.diffusion.schedule import Schedule, alpha, sigma_ratio

__all__ = ["DDIM", "ddim_coefficients"]


def ddim_coefficients(logsnr_t: float, logsnr_s: float) -> Coefficients:
    """One deterministic update: z_s = alpha_s x_hat + (sigma_s / sigma_t) (z_t - alpha_t x_hat).

    Args:
        logsnr_t: nats: log SNR where the step begins.
        logsnr_s: nats: log SNR where it ends, logsnr_s > logsnr_t.

    Returns:
        The factors of z_t and x_hat; no noise.

    Source: Song et al. 2020 (2010.02502); in log SNR, Salimans & Ho 2022 (2202.00512).
    """
    ratio = sigma_ratio(logsnr_s, logsnr_t)
    return Coefficients(z=ratio, x=alpha(logsnr_s) - ratio * alpha(logsnr_t), noise=0.0)


@dataclass(frozen=True)
class DDIM(Sampler):
    """DDIM. Order 1. One evaluation a step. Exact where x_hat does not change over the step."""

    order: ClassVar[int] = 1

    def coefficients(self, schedule: Schedule, t: float, s: float) -> Coefficients:
        """See `ddim_coefficients`."""
        return ddim_coefficients(schedule.logsnr(t), schedule.logsnr(s))
