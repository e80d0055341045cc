"""Heun's method on the probability-flow ODE: the second-order reference."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar, NamedTuple

from array_api_compat import array_namespace

from ivbench.diffusion.arrays import Array
from ivbench.diffusion.samplers.base import Coefficients, DenoiseX, Sampler, Step, update
from ivbench.diffusion.samplers.ddim import ddim_coefficients
from ivbench.diffusion.schedule import Schedule, alpha, sigma

__all__ = ["Correction", "Heun", "heun_correction"]


class Correction(NamedTuple):
    """The second half of a step as data: z_s = z * z_t + x_1 * x_1 + x_2 * x_2.

    Attributes:
        z: factor of the noisy video z_t.
        x_1: factor of the clean video predicted at t.
        x_2: factor of the one predicted at s.
    """

    z: float
    x_1: float
    x_2: float


def heun_correction(logsnr_t: float, logsnr_s: float) -> Correction:
    """The trapezoid rule in the angle: z_s = z_t + (phi_s - phi_t) (v_1 + v_2) / 2, phi = arctan(sigma / alpha).

    v_1 = (alpha_t z_t - x_1) / sigma_t, v_2 = (alpha_s z'_s - x_2) / sigma_s, and z'_s is the DDIM step from z_t.

    Args:
        logsnr_t: nats: log SNR where the step begins.
        logsnr_s: nats: log SNR where it ends, logsnr_s > logsnr_t.

    Returns:
        The factors of z_t, x_1 and x_2.

    Source: the ODE dz/dphi = v: Salimans & Ho 2022 (2202.00512), appendix D; Heun's rule for a diffusion ODE:
    Karras et al. 2022 (2206.00364), algorithm 1.
    """
    predictor = ddim_coefficients(logsnr_t, logsnr_s)
    half = 0.5 * (math.atan(math.exp(-0.5 * logsnr_s)) - math.atan(math.exp(-0.5 * logsnr_t)))
    at_t, at_s = half / sigma(logsnr_t), half / sigma(logsnr_s)
    return Correction(
        z=1.0 + at_t * alpha(logsnr_t) + at_s * alpha(logsnr_s) * predictor.z,
        x_1=at_s * alpha(logsnr_s) * predictor.x - at_t,
        x_2=-at_s,
    )


@dataclass(frozen=True)
class Heun(Sampler):
    """Heun's method. Order 2. Two evaluations a step, one in the last: 2 N - 1 in all.

    The variable is the angle phi, in which the ODE is smooth up to both ends; in alpha / sigma or sigma / alpha the
    error falls as log(N) / N^2 only. Meant for schedules whose angle is near linear in time, as the cosine's is.
    """

    order: ClassVar[int] = 2

    def coefficients(self, schedule: Schedule, t: float, s: float) -> Coefficients:
        """The predictor's, see `ddim_coefficients`."""
        return ddim_coefficients(schedule.logsnr(t), schedule.logsnr(s))

    def step(self, denoise_x: DenoiseX, z: Array, step: Step, noise: Array | None = None) -> Array:
        """Predict with DDIM, evaluate there, correct; see `heun_correction`. The last step returns x_hat."""
        x_1 = denoise_x(z, step.logsnr_t, step.index)
        predicted = update(z, x_1, step.coefficients)
        if step.last:
            return predicted
        x_2 = denoise_x(predicted, step.logsnr_s, step.index)
        c = Correction(*step.correction)
        xp = array_namespace(z)
        return c.z * z + xp.astype(c.x_1 * x_1 + c.x_2 * x_2, z.dtype, copy=False)

    def _describe(self, schedule: Schedule, index: int, t: float, s: float, last: bool) -> Step:
        step = super()._describe(schedule, index, t, s, last)
        return step if last else replace(step, correction=heun_correction(step.logsnr_t, step.logsnr_s))

    def evaluations(self, step_index: int, num_steps: int) -> int:
        """Two, but one in the last step."""
        return 1 if step_index == num_steps - 1 else 2
