"""The one sampling loop, what it needs from a denoiser, and what it costs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from array_api_compat import array_namespace

from ivbench.diffusion.arrays import Array
from ivbench.diffusion.guidance import Guided, Informed
from ivbench.diffusion.parameterization import Parameterization, to_x
from ivbench.diffusion.samplers.base import DenoiseX, Sampler, Step
from ivbench.diffusion.schedule import Schedule
from ivbench.diffusion.thresholding import Thresholding
from ivbench.errors import ConfigError, NonFiniteError

__all__ = ["TakeStep", "network_evaluations", "sample", "take_steps", "x_denoiser"]

TakeStep = Callable[[Array, Step, Array | None], Array]
"""(z_t, step, noise or None) -> z_s."""


def sample(
    denoise_x: DenoiseX,
    sampler: Sampler,
    schedule: Schedule,
    z_init: Array,
    num_steps: int,
    noise: Callable[[int], Array] | None = None,
    on_step: Callable[[Step, Array], None] | None = None,
) -> Array:
    """Sample: from noise at t = 1 to data at t = 0.

    Args:
        denoise_x: (z, logsnr, step index) -> x_hat, guided and thresholded.
        sampler: which steps.
        schedule: log SNR of time.
        z_init: [B, T, H, W, C] float32: standard normal noise, any backend.
        num_steps: >= 1.
        noise: (step index) -> standard normal noise like `z_init`; asked only where a step uses noise.
        on_step: called after each step with the step and its result.

    Returns:
        [B, T, H, W, C], dtype and backend of `z_init`: the last x_hat.

    Raises:
        ConfigError: num_steps is below 1, or the sampler needs noise and gets none.
        ShapeError: the denoiser or the noise changed the shape; says both.
        NonFiniteError: the sample has NaN or infinity.
    """

    def take(z: Array, step: Step, drawn: Array | None) -> Array:
        return sampler.step(denoise_x, z, step, drawn)

    return take_steps(take, sampler.steps(schedule, num_steps), z_init, noise, on_step)


def take_steps(
    take: TakeStep,
    steps: Sequence[Step],
    z_init: Array,
    noise: Callable[[int], Array] | None = None,
    on_step: Callable[[Step, Array], None] | None = None,
) -> Array:
    """The loop of `sample`, whose step may be compiled.

    Args:
        take: one step.
        steps: of a sampler, in order.
        z_init: as of `sample`; so are `noise`, `on_step`, what is returned and what is raised.
        noise: see there.
        on_step: see there.
    """
    z = z_init
    for step in steps:
        z = take(z, step, _noise_of(step, noise))
        if on_step is not None:
            on_step(step, z)
    xp = array_namespace(z)
    if not bool(xp.all(xp.isfinite(z))):
        raise NonFiniteError("the sample has NaN or infinity. Check the weights, the dtype and the guidance weight.")
    return z


def x_denoiser(
    guided: Guided | Informed,
    parameterization: Parameterization,
    weights: Sequence[float] | Mapping[int, float],
    thresholding: Thresholding,
) -> DenoiseX:
    """What the loop asks for, from a guided denoiser: guide, convert to x, threshold.

    Args:
        guided: (z, logsnr, w) -> prediction.
        parameterization: what it predicts.
        weights: guidance weight w of each step, or of those that it will be asked for.
        thresholding: of x_hat.

    Returns:
        (z, logsnr, step index) -> x_hat.
    """

    def denoise_x(z: Array, logsnr: float, step_index: int) -> Array:
        prediction = guided(z, logsnr, weights[step_index])
        return thresholding(to_x(prediction, z, logsnr, parameterization))

    return denoise_x


def network_evaluations(sampler: Sampler, weights: Sequence[float], informed: bool = False) -> int:
    """NFE of a run, known before it: guidance doubles a step's evaluations where its weight is not 0.

    Args:
        sampler: which steps.
        weights: guidance weight w of each step; their number is num_steps.
        informed: the network takes the weight as an input, so that nothing is doubled.

    Returns:
        How often the network is evaluated for each video.
    """
    num_steps = len(weights)
    return sum(
        sampler.evaluations(index, num_steps) * (1 if informed or w == 0.0 else 2) for index, w in enumerate(weights)
    )


def _noise_of(step: Step, noise: Callable[[int], Array] | None) -> Array | None:
    if step.coefficients.noise == 0.0:
        return None
    if noise is None:
        raise ConfigError("this sampler adds noise at each step and was given none. Pass noise, or use ddim or heun.")
    return noise(step.index)
