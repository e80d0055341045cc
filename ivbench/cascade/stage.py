"""Sampling of one stage: noise, augmentation, conditioning video, guidance, thresholding, the one loop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from ivbench import registry
from ivbench.cascade.conditioning import conditioning_video
from ivbench.diffusion.augmentation import augment, logsnr_from_snr
from ivbench.diffusion.guidance import Guidance, Guided, Informed, weights
from ivbench.diffusion.loop import network_evaluations, take_steps, x_denoiser
from ivbench.diffusion.noise import NoiseKey, normal_batch
from ivbench.diffusion.samplers.base import Sampler, Step
from ivbench.diffusion.schedule import Schedule
from ivbench.diffusion.thresholding import Thresholding
from ivbench.errors import ConfigError, NonFiniteError, ShapeError
from ivbench.spec import StageSpec
from ivbench.text import TextEmbeddings

__all__ = [
    "CompilingModel",
    "DistilledEvaluator",
    "StageEvaluator",
    "StageModel",
    "StageSettings",
    "StageStep",
    "TakeStageStep",
    "sample_stage",
    "stage_schedule",
]

Array = Any
Floats = NDArray[np.float32]


class StageEvaluator(Protocol):
    """A stage's network with its inputs bound, on a backend's arrays."""

    def conditional(self, z: Array, logsnr: float) -> Array:
        """The prediction with text: one network evaluation."""

    def pair(self, z: Array, logsnr: float) -> tuple[Array, Array]:
        """The predictions with and without text: two network evaluations."""


@runtime_checkable
class DistilledEvaluator(Protocol):
    """What the evaluator of a distilled stage has beside `conditional`."""

    def distilled(self, z: Array, logsnr: float, w: float, jump: int) -> Array:
        """The prediction with text, told guidance weight and jump where the network takes them: one evaluation."""


class StageModel(Protocol):
    """One stage's network and weights on a backend: the door that samplers, guidance and thresholding come through."""

    stage: StageSpec
    out_of_memory: tuple[type[BaseException], ...]

    def evaluator(
        self, text: TextEmbeddings, conditioning: Floats | None, augmentation: float | None
    ) -> StageEvaluator:
        """Bind text, conditioning video [B, T, H, W, C] and its log SNR."""

    def to_backend(self, array: Floats) -> Array:
        """A NumPy array as the backend's."""

    def to_numpy(self, array: Array) -> Floats:
        """The backend's array as NumPy."""


TakeStageStep = Callable[[StageEvaluator, Array, Step, float, Array | None], Array]
"""(evaluator, z_t, step, guidance weight w, noise or None) -> z_s."""


@dataclass(frozen=True)
class StageStep:
    """One step of a stage: guide, convert to x, threshold, update.

    It reads numbers of the step and the weight only as factors, so a backend may compile it with arrays in their
    place, once for all steps; a weight of 0 and a last step stay what they are.

    Attributes:
        stage: gives the parameterization.
        sampler: which step.
        thresholding: of x_hat.
    """

    stage: StageSpec
    sampler: Sampler
    thresholding: Thresholding

    def __call__(self, evaluator: StageEvaluator, z: Array, step: Step, w: float, noise: Array | None) -> Array:
        """z_s, [B, T, H, W, C], dtype of `z`."""
        guided = _guided(self.stage, evaluator, self.sampler)
        denoise_x = x_denoiser(guided, self.stage.parameterization, {step.index: w}, self.thresholding)
        return self.sampler.step(denoise_x, z, step, noise)


@runtime_checkable
class CompilingModel(Protocol):
    """What a stage's model has beside the rest where its backend compiles whole steps."""

    def compiled(self, step: StageStep) -> TakeStageStep:
        """The step, compiled; takes evaluators of this model."""


@dataclass(frozen=True)
class StageSettings:
    """How a stage is sampled.

    Attributes:
        sampler: which steps.
        num_steps: how many.
        guidance: weight w by step.
        thresholding: of x_hat.
        augmentation_snr: alpha^2 / sigma^2 of the noised conditioning video; None = not noised.
    """

    sampler: Sampler
    num_steps: int
    guidance: Guidance
    thresholding: Thresholding
    augmentation_snr: float | None = None

    def nfe(self, stage: StageSpec) -> int:
        """Network evaluations of a stage for one video."""
        of_steps = weights(self.guidance, stage.name, self.num_steps)
        return network_evaluations(self.sampler, of_steps, informed=stage.guidance_embedding)


def sample_stage(
    model: StageModel,
    settings: StageSettings,
    text: TextEmbeddings,
    keys: Sequence[NoiseKey],
    low: Floats | None = None,
    on_step: Callable[[Step, Array], None] | None = None,
) -> Floats:
    """Sample one stage for a batch of prompts.

    Args:
        model: the stage's network.
        settings: how.
        text: embeddings of the B prompts.
        keys: B noise keys, one a sample; their stage and purpose are set here.
        low: [B, T', H', W', C] in [-1, 1]: the output of the stage before; None for a base model.
        on_step: called after each step.

    Returns:
        [B, T, H, W, C] float32 in about [-1, 1], rounded to float16's values: what the next stage reads, stored or not.

    Raises:
        ConfigError: the stage needs a conditioning video and gets none, or the reverse; an augmentation SNR is set
            for a stage that was not trained with one; or a distilled stage is asked for other steps, another sampler
            or other guidance than it was distilled for.
        ShapeError: the conditioning video does not fit, or prompts, keys and videos differ in number.
        NonFiniteError: the sample has NaN or infinity, or leaves float16's range; names the stage.
    """
    stage = model.stage
    _require_rows(stage, text, keys, low)
    keys = [NoiseKey(key.seed, key.prompt_digest, key.sample_index, stage.name) for key in keys]
    step_weights = weights(settings.guidance, stage.name, settings.num_steps)
    _require_distilled(stage, settings, step_weights)
    conditioning, level = _conditioning(stage, settings, keys, low)
    evaluator = model.evaluator(text, conditioning, level)
    whole = StageStep(stage, settings.sampler, settings.thresholding)
    take = model.compiled(whole) if isinstance(model, CompilingModel) else whole

    def noise(index: int) -> Array:
        return model.to_backend(normal_batch([key.at("step", index) for key in keys], stage.shape))

    start = model.to_backend(normal_batch([key.at("init") for key in keys], stage.shape))
    try:
        video = take_steps(
            lambda z, step, drawn: take(evaluator, z, step, step_weights[step.index], drawn),
            settings.sampler.steps(stage_schedule(stage), settings.num_steps),
            start,
            noise,
            on_step,
        )
    except NonFiniteError as error:
        raise NonFiniteError(f'stage "{stage.name}": {error}') from error
    return _rounded(stage, model.to_numpy(video))


def _require_distilled(stage: StageSpec, settings: StageSettings, step_weights: Sequence[float]) -> None:
    if stage.distilled is not None:
        known = {name: registry.load("sampler", name) for name in stage.distilled.samplers}
        own = type(settings.sampler)
        name = next((name for name, kind in known.items() if kind is own), own.__name__.lower())
        stage.distilled.require(stage.name, name, settings.num_steps, step_weights)


def _guided(stage: StageSpec, evaluator: StageEvaluator, sampler: Sampler) -> Guided | Informed:
    """Classifier-free guidance, or the network's own where it is distilled."""
    if stage.distilled is None:
        return Guided(evaluator.conditional, evaluator.pair)
    if not isinstance(evaluator, DistilledEvaluator):
        raise ConfigError(
            f'stage "{stage.name}" is distilled, and its adapter cannot tell the network guidance weight and jump. '
            "Use the native format."
        )
    distilled = evaluator.distilled
    return Informed(lambda z, logsnr, w: distilled(z, logsnr, w, sampler.jump))


def stage_schedule(stage: StageSpec) -> Schedule:
    """The noise schedule that a stage was trained with."""
    schedule: Schedule = registry.load("schedule", stage.schedule)(
        logsnr_min=stage.logsnr_min, logsnr_max=stage.logsnr_max
    )
    return schedule


def _rounded(stage: StageSpec, video: Floats) -> Floats:
    with np.errstate(over="ignore"):
        half = video.astype(np.float16)
    if not np.isfinite(half).all():
        largest = float(abs(video).max())
        raise NonFiniteError(f'stage "{stage.name}": a value of {largest:.3g} is beyond float16. Use thresholding.')
    return half.astype(np.float32)


def _require_rows(stage: StageSpec, text: TextEmbeddings, keys: Sequence[NoiseKey], low: Floats | None) -> None:
    videos = len(keys) if low is None else len(low)
    if not len(keys) == len(text.tokens) == videos:
        raise ShapeError(
            f'stage "{stage.name}" got {len(text.tokens)} prompts, {len(keys)} noise keys and {videos} conditioning '
            "videos. Give one of each a sample."
        )


def _conditioning(
    stage: StageSpec, settings: StageSettings, keys: Sequence[NoiseKey], low: Floats | None
) -> tuple[Floats | None, float | None]:
    """The conditioning video, noised and resized in the network's order, and the log SNR that the net is told."""
    if (low is None) != (stage.kind == "base"):
        needs = "starts from noise alone" if stage.kind == "base" else "needs the output of the stage before"
        raise ConfigError(f'stage "{stage.name}" is of kind {stage.kind} and {needs}.')
    if low is None:
        return None, None
    if not stage.augmentation:
        if settings.augmentation_snr is not None:
            raise ConfigError(f'stage "{stage.name}" was trained without augmentation. Set no augmentation_snr for it.')
        return conditioning_video(low, stage), None
    if settings.augmentation_snr is None:
        return conditioning_video(low, stage), stage.logsnr_max
    level = logsnr_from_snr(settings.augmentation_snr)
    after = stage.network is not None and stage.network.noise_after_resizing
    video = conditioning_video(low, stage) if after else low
    video = augment(video, normal_batch([key.at("augment") for key in keys], video.shape[1:]), level)
    return video if after else conditioning_video(video, stage), level
