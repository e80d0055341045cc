"""A stage's network in JAX behind the door `StageModel`: one compiled step serves all timesteps and weights."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from ivbench.backends.dtypes import state_dtype
from ivbench.backends.jax_backend import (
    OUT_OF_MEMORY,
    available_device,
    computing,
    from_numpy,
    network_dtype,
    to_numpy,
)
from ivbench.backends.weights import require_finite, require_match
from ivbench.cascade.stage import StageStep, TakeStageStep
from ivbench.diffusion.samplers.base import Coefficients, Sampler, Step
from ivbench.errors import ConfigError
from ivbench.nets.jax_layers import arranged
from ivbench.nets.jax_video_unet import Context, evaluate, prepare
from ivbench.spec import StageSpec, VideoUNetSpec, parameters
from ivbench.text import TextEmbeddings

__all__ = ["JaxEvaluator", "JaxStageModel"]

Array = Any


class JaxStageModel:
    """One stage's network with its weights, ready to be evaluated.

    Args:
        stage: the stage's spec.
        weights: array by flat name, of any float dtype.
        device: a JAX platform's name, with or without a number.
        dtype: what the network computes in; the state of the sampler is float32.

    Raises:
        ConfigError: names or shapes differ from the spec's, or no such device or dtype.
        NonFiniteError: NaN or infinity in the weights; names the tensor.
    """

    out_of_memory = OUT_OF_MEMORY

    def __init__(
        self,
        stage: StageSpec,
        weights: Mapping[str, NDArray[np.floating[Any]]],
        device: str = "cpu",
        dtype: str = "float32",
    ) -> None:
        require_match(stage.name, parameters(stage.unet), weights)
        require_finite(stage.name, weights)
        self.stage, self.device, self.dtype = stage, available_device(device), dtype
        own, self._state = network_dtype(dtype), state_dtype(dtype)
        given = {name: from_numpy(weight, self.device, self._state) for name, weight in weights.items()}
        self.parameters = {name: value.astype(own) for name, value in arranged(given).items()}

    def evaluator(
        self, text: TextEmbeddings, conditioning: NDArray[np.float32] | None, augmentation: float | None
    ) -> JaxEvaluator:
        """Bind the stage's inputs for a batch: [B] prompts and their conditioning video [B, T, H, W, C]."""
        return JaxEvaluator(self, text, conditioning, augmentation)

    def to_backend(self, array: NDArray[np.float32]) -> Array:
        """A NumPy array on the model's device, in the dtype of the sampler's state."""
        return from_numpy(array, self.device, self._state)

    def to_numpy(self, array: Array) -> NDArray[np.float32]:
        """Back from the model's device."""
        return to_numpy(array)

    def compiled(self, step: StageStep) -> TakeStageStep:
        """The step, compiled once with text alone and once for guidance; see `_take`."""

        def take(evaluator: Any, z: Array, at: Step, w: float, noise: Array | None) -> Array:
            context = evaluator.context(w, step.sampler.jump)
            drawn = jnp.zeros_like(z) if noise is None else noise  # so that a step without noise is no other program
            # only a sampler with a step of its own can tell the last one from the rest
            last = at.last and type(step.sampler).step is not Sampler.step
            numbers = (at.t, at.s, at.logsnr_t, at.logsnr_s, at.coefficients, tuple(at.correction))
            with computing(self.dtype):
                return _take(step, last, self.parameters, context, z, numbers, None if w == 0.0 else w, drawn)

        return take


class JaxEvaluator:
    """A stage's network with its inputs: what does not depend on z_t is computed once, on first use."""

    def __init__(
        self,
        model: JaxStageModel,
        text: TextEmbeddings,
        conditioning: NDArray[np.float32] | None,
        augmentation: float | None,
    ) -> None:
        self._model, self._augmentation = model, augmentation
        self._text = (text.tokens, text.mask, text.pooled)
        self._conditioning = conditioning
        self._contexts: dict[tuple[float, int], Context] = {}

    def conditional(self, z: Array, logsnr: float) -> Array:
        """The prediction with text: one network evaluation."""
        return self._evaluate(z, logsnr, self._with_text)

    def distilled(self, z: Array, logsnr: float, w: float, jump: int) -> Array:
        """The prediction with text, told what the network takes: one network evaluation."""
        return self._evaluate(z, logsnr, self._told(w, jump))

    def pair(self, z: Array, logsnr: float) -> tuple[Array, Array]:
        """The predictions with and without text, as one batch of 2 B.

        Raises:
            ConfigError: the network is distilled: guidance is in it already.
        """
        with computing(self._model.dtype):
            return _pair(self._model.stage.unet, self._model.parameters, self._with_both, z, logsnr)

    def context(self, w: float, jump: int) -> Context:
        """What a step at guidance weight w shares with the others: of one evaluation, or of the pair.

        Raises:
            ConfigError: guidance on top of a network that is distilled without it.
        """
        if self._model.stage.distilled is not None:
            return self._told(w, jump)
        return self._with_text if w == 0.0 else self._with_both

    def _evaluate(self, z: Array, logsnr: float, context: Context) -> Array:
        with computing(self._model.dtype):
            return _conditional(self._model.stage.unet, self._model.parameters, context, z, logsnr)

    @cached_property
    def _with_text(self) -> Context:
        return self._prepare(*self._text, copies=1)

    @cached_property
    def _with_both(self) -> Context:
        if self._model.stage.distilled is not None:
            raise ConfigError(
                f'stage "{self._model.stage.name}" is distilled; classifier-free guidance on top of it is not allowed. '
                "Give it the weight as its input, or none."
            )
        tokens, mask, pooled = self._text
        return self._prepare(
            np.concatenate([tokens, np.zeros_like(tokens)]),
            np.concatenate([mask, np.ones_like(mask)]),
            np.concatenate([pooled, np.zeros_like(pooled)]),
            copies=2,
        )

    def _told(self, w: float, jump: int) -> Context:
        """The context of a weight and a jump; a run has one, or two where guidance oscillates."""
        unet = self._model.stage.unet
        key = (w if unet.guidance_embedding else 0.0, jump if unet.jump_embedding else 0)
        if key not in self._contexts:
            self._contexts[key] = self._prepare(*self._text, copies=1, told=key)
        return self._contexts[key]

    def _prepare(
        self,
        tokens: NDArray[Any],
        mask: NDArray[np.bool_],
        pooled: NDArray[Any],
        copies: int,
        told: tuple[float, int] = (0.0, 0),
    ) -> Context:
        unet, video = self._model.stage.unet, self._conditioning

        def each(value: float | None) -> NDArray[np.float64] | None:
            return None if value is None else np.full(len(tokens), float(value))

        given = {
            "tokens": tokens,
            "mask": mask,
            "pooled": pooled,
            "conditioning": None if video is None else np.concatenate([video] * copies),
            "augmentation": each(self._augmentation),
            "guidance": each(told[0]) if unet.guidance_embedding else None,
            "jump": each(told[1]) if unet.jump_embedding else None,
        }
        there = {name: None if x is None else from_numpy(x, self._model.device) for name, x in given.items()}
        with computing(self._model.dtype):
            return _prepared(self._model.stage, self._model.parameters, there)


class _Bound(NamedTuple):
    """A stage's evaluator inside a compiled function: with text, told, or the pair, as its context is."""

    unet: VideoUNetSpec
    parameters: dict[str, Array]
    shared: Context

    def conditional(self, z: Array, logsnr: Array) -> Array:
        return evaluate(self.unet, self.parameters, z, jnp.full(len(z), logsnr, z.dtype), self.shared)

    def distilled(self, z: Array, logsnr: Array, w: Array, jump: int) -> Array:
        return self.conditional(z, logsnr)

    def pair(self, z: Array, logsnr: Array) -> tuple[Array, Array]:
        both = self.conditional(jnp.concatenate([z, z]), logsnr)
        return both[: len(z)], both[len(z) :]


@partial(jax.jit, static_argnames=("step", "last"))
def _take(
    step: StageStep,
    last: bool,
    own: dict[str, Array],
    context: Context,
    z: Array,
    numbers: tuple[Any, ...],
    w: Array | None,
    noise: Array,
) -> Array:
    """One step with all of its numbers as arrays; w None is a weight of 0. Compiled once for each shape of a batch."""
    t, s, logsnr_t, logsnr_s, coefficients, correction = numbers
    at = Step(0, t, s, logsnr_t, logsnr_s, Coefficients(*coefficients), last, correction)
    return step(_Bound(step.stage.unet, own, context), z, at, 0.0 if w is None else w, noise)


@partial(jax.jit, static_argnames="unet")
def _conditional(unet: VideoUNetSpec, own: dict[str, Array], context: Context, z: Array, logsnr: Array) -> Array:
    return _Bound(unet, own, context).conditional(z, logsnr)


@partial(jax.jit, static_argnames="unet")
def _pair(unet: VideoUNetSpec, own: dict[str, Array], context: Context, z: Array, logsnr: Array) -> tuple[Array, Array]:
    return _Bound(unet, own, context).pair(z, logsnr)


@partial(jax.jit, static_argnames="stage")
def _prepared(stage: StageSpec, own: dict[str, Array], given: dict[str, Array | None]) -> Context:
    return prepare(stage.unet, own, frames=stage.frames, size=(stage.height, stage.width), **given)
