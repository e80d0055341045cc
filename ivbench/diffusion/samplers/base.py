"""What every sampler is: coefficients as data, and a step that applies them.

A step goes from time t to s < t: z_s = c.z * z_t + c.x * x_hat + c.noise * n. The last step returns x_hat, no noise.
Coefficients are float64 Python numbers, known before anything runs. `Coefficients` is a tuple, so that a compiled
step may take them as 0-d arrays and be compiled once.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from array_api_compat import array_namespace

from ivbench.diffusion.arrays import Array, require_same_shape
from ivbench.diffusion.schedule import Schedule
from ivbench.errors import ConfigError

__all__ = ["LAST", "Coefficients", "DenoiseX", "Sampler", "Step", "update"]

DenoiseX = Callable[[Array, float, int], Array]
"""(z [B, T, H, W, C], logsnr, step index) -> x_hat of the same shape, guided and thresholded."""


class Coefficients(NamedTuple):
    """One step as data: z_s = z * z_t + x * x_hat + noise * n.

    Attributes:
        z: factor of the noisy video z_t.
        x: factor of the predicted clean video x_hat.
        noise: standard deviation of the fresh noise; 0 in a deterministic step.
    """

    z: float
    x: float
    noise: float


LAST = Coefficients(0.0, 1.0, 0.0)
"""The last step: z_0 = x_hat."""


@dataclass(frozen=True)
class Step:
    """One step of a run.

    Attributes:
        index: 0 is the first step, at t = 1.
        t, s: where it begins and ends, s < t.
        logsnr_t, logsnr_s: nats: log SNR there.
        coefficients: what it does.
        last: whether it ends at the data.
        correction: what a step of two evaluations does after the second, as data; else empty.
    """

    index: int
    t: float
    s: float
    logsnr_t: float
    logsnr_s: float
    coefficients: Coefficients
    last: bool
    correction: tuple[float, ...] = ()


def update(z: Array, x_hat: Array, coefficients: Coefficients, noise: Array | None = None) -> Array:
    """z_s = c.z * z_t + c.x * x_hat + c.noise * n.

    Args:
        z: [B, T, H, W, C] float: the noisy video z_t.
        x_hat: the same shape: predicted clean video; any float dtype.
        coefficients: the step's; Python numbers or 0-d arrays.
        noise: the same shape: standard normal; None in a deterministic step.

    Returns:
        The same shape, dtype of `z`.

    Raises:
        ShapeError: shapes differ; says both.
    """
    require_same_shape((z, x_hat), ("the noisy video", "the predicted clean video"))
    xp = array_namespace(z)
    z_s = coefficients.z * z + coefficients.x * xp.astype(x_hat, z.dtype, copy=False)
    if noise is None:
        return z_s
    require_same_shape((z, noise), ("the noisy video", "the noise"))
    return z_s + coefficients.noise * xp.astype(noise, z.dtype, copy=False)


class Sampler(ABC):
    """A rule that turns predictions of the clean video into a sample. A subclass gives its coefficients."""

    order: ClassVar[int]
    """Order of convergence to the data (deterministic: in the sample; stochastic: in the distribution)."""
    jump: ClassVar[int] = 1
    """Over how many steps of 1/N a prediction is used; a network that was distilled for two samplers is told."""

    @abstractmethod
    def coefficients(self, schedule: Schedule, t: float, s: float) -> Coefficients:
        """The step from time t to s < t, s > 0."""

    def times(self, num_steps: int) -> tuple[float, ...]:
        """The num_steps + 1 times 1 = t_0 > ... > 0, uniform.

        Raises:
            ConfigError: num_steps is below 1.
        """
        if num_steps < 1:
            raise ConfigError(f"num_steps is {num_steps}; it must be 1 or more.")
        return tuple(index / num_steps for index in range(num_steps, -1, -1))

    def steps(self, schedule: Schedule, num_steps: int) -> tuple[Step, ...]:
        """All steps of a run as data, in order; the last one returns x_hat."""
        times = self.times(num_steps)
        return tuple(
            self._describe(schedule, index, times[index], times[index + 1], index == num_steps - 1)
            for index in range(num_steps)
        )

    def step(self, denoise_x: DenoiseX, z: Array, step: Step, noise: Array | None = None) -> Array:
        """One step from z_t to z_s.

        Args:
            denoise_x: predicts the clean video.
            z: [B, T, H, W, C] float: z_t.
            step: which one.
            noise: the same shape, standard normal, where `step.coefficients.noise` is not 0.

        Returns:
            The same shape, dtype of `z`.

        Raises:
            ShapeError: shapes differ; says both.
        """
        return update(z, denoise_x(z, step.logsnr_t, step.index), step.coefficients, noise)

    def evaluations(self, step_index: int, num_steps: int) -> int:
        """How often a step calls `denoise_x`."""
        return 1

    def nfe(self, num_steps: int) -> int:
        """How often a run calls `denoise_x`. Guidance doubles the network evaluations."""
        return sum(self.evaluations(index, num_steps) for index in range(num_steps))

    def _describe(self, schedule: Schedule, index: int, t: float, s: float, last: bool) -> Step:
        coefficients = LAST if last else self.coefficients(schedule, t, s)
        return Step(index, t, s, schedule.logsnr(t), schedule.logsnr(s), coefficients, last)
