"""Heun's method on the probability-flow ODE: the second-order reference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ivbench.diffusion.arrays import Array
from ivbench.diffusion.samplers.base import Coefficients, DenoiseX, Sampler, Step, update
from ivbench.diffusion.samplers.ddim import ddim_coefficients
from ivbench.diffusion.schedule import Schedule

__all__ = ["Heun"]


@dataclass(frozen=True)
class Heun(Sampler):
    """Heun's method. Order 2. Two evaluations a step, one in the last: 2 N - 1 in all.

    With y = z / sigma and u = alpha / sigma the probability-flow ODE is dy/du = x_hat(z, u). The explicit trapezoid
    rule on it is a DDIM step whose x_hat is the mean of those at both ends:
    z'_s = DDIM(z_t, x_1), x_1 = x_hat(z_t); z_s = DDIM(z_t, (x_1 + x_2) / 2), x_2 = x_hat(z'_s).

    Source: the ODE: Song et al. 2020 (2011.13456), in y and u Song et al. 2020 (2010.02502), equation 14;
    Heun's rule for it: Karras et al. 2022 (2206.00364), algorithm 1.
    """

    order: ClassVar[int] = 2

    def coefficients(self, schedule: Schedule, t: float, s: float) -> Coefficients:
        """See `ddim_coefficients`."""
        return ddim_coefficients(schedule.logsnr(t), schedule.logsnr(s))

    def step(self, denoise_x: DenoiseX, z: Array, step: Step, noise: Array | None = None) -> Array:
        """Predict with DDIM, evaluate there, and step again with the mean of both predictions."""
        x_1 = denoise_x(z, step.logsnr_t, step.index)
        predicted = update(z, x_1, step.coefficients)
        if step.last:
            return predicted
        x_2 = denoise_x(predicted, step.logsnr_s, step.index)
        return update(z, 0.5 * (x_1 + x_2), step.coefficients)

    def evaluations(self, step_index: int, num_steps: int) -> int:
        """Two, but one in the last step."""
        return 1 if step_index == num_steps - 1 else 2
