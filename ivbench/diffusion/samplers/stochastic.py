"""The N-step stochastic sampler of guided distillation: two steps down without noise, one step up with noise."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from ivbench.diffusion.samplers.base import Coefficients, Sampler
from ivbench.diffusion.samplers.ddim import ddim_coefficients
from ivbench.diffusion.schedule import Schedule, alpha, sigma

__all__ = ["Stochastic", "renoise_variance"]


def renoise_variance(logsnr_k: float, logsnr_s: float) -> float:
    """The variance of q(z_s | z_k) for k < s: sigma_{s|k}^2 = (1 - e^{lambda_s - lambda_k}) sigma_s^2.

    Args:
        logsnr_k: nats: log SNR at k, before the noise.
        logsnr_s: nats: log SNR at s > k, logsnr_s < logsnr_k.

    Returns:
        The variance, > 0.

    Source: paper, section 2.1, equation 1.
    """
    return -math.expm1(logsnr_s - logsnr_k) * sigma(logsnr_s) ** 2


@dataclass(frozen=True)
class Stochastic(Sampler):
    """The N-step stochastic sampler. Order 1 in the distribution. One evaluation a step, exactly N in all.

    From t, with s = t - 1/N and k = t - 2/N: z_k = alpha_k x_hat + (sigma_k / sigma_t) (z_t - alpha_t x_hat),
    then z_s = (alpha_s / alpha_k) z_k + sigma_{s|k} eps. At t = 1/N one last step returns x_hat.

    It jumps by 2/N, so it needs a student that was distilled for such jumps: with a student for jumps of 1/N
    the variance of the samples is too small.

    Source: paper, section 2.7; Meng et al. 2022 (2210.03142); Karras et al. 2022 (2206.00364).
    """

    order: ClassVar[int] = 1
    jump: ClassVar[int] = 2

    def coefficients(self, schedule: Schedule, t: float, s: float) -> Coefficients:
        """The two moves as one; k = 2 s - t."""
        logsnr_t, logsnr_s = schedule.logsnr(t), schedule.logsnr(s)
        logsnr_k = schedule.logsnr(max(2.0 * s - t, 0.0))
        down = ddim_coefficients(logsnr_t, logsnr_k)
        up = alpha(logsnr_s) / alpha(logsnr_k)
        return Coefficients(up * down.z, up * down.x, math.sqrt(renoise_variance(logsnr_k, logsnr_s)))
