"""Classifier-free guidance: the weight of each step, and the denoiser that it makes.

x_tilde = (1 + w) x_hat(z, c) - w x_hat(z); w = 0 is unguided. The map is linear, so it is the same in x-, eps- and
v-space. Imagen and diffusers write the scale g = 1 + w; here a weight is always w.
Source: paper, section 2.6.1, equation 5; Ho & Salimans 2022 (2207.12598).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from ivbench.diffusion.arrays import Array, require_same_shape
from ivbench.errors import ConfigError

__all__ = [
    "Constant",
    "Denoiser",
    "Guidance",
    "Guided",
    "Informed",
    "Oscillating",
    "PairDenoiser",
    "combine",
    "guided",
    "scale_from_weight",
    "weight_from_scale",
    "weights",
]

Denoiser = Callable[[Array, float, Any], Array]
"""(z [B, T, H, W, C], logsnr, conditioning) -> prediction."""

PairDenoiser = Callable[[Array, float, Any, Any], tuple[Array, Array]]
"""(z, logsnr, conditioning, null conditioning) -> (conditional, unconditional) prediction, in one batched call."""


class Guidance(Protocol):
    """The guidance weight w of each step of each stage."""

    def weight(self, stage: str, step_index: int, num_steps: int) -> float:
        """The weight w at step `step_index` (0 is the first, at t = 1) of `num_steps` in the named stage."""
        ...


@dataclass(frozen=True)
class Constant:
    """The same weight at every step of every stage.

    Args:
        w: guidance weight; 0 is unguided.

    Raises:
        ConfigError: not finite.
    """

    w: float

    def __post_init__(self) -> None:
        _require_finite(w=self.w)

    def weight(self, stage: str, step_index: int, num_steps: int) -> float:
        """The weight w."""
        _require_step(step_index, num_steps)
        return self.w


@dataclass(frozen=True)
class Oscillating:
    """A high weight for the first steps, then low and high in turn, in the named stages.

    The first k = ceil(initial_fraction * num_steps) steps are high; step k has the weight that `phase` names.

    Args:
        high: the high weight w.
        low: the low weight w.
        other: the weight w in stages that do not oscillate.
        initial_fraction: share of the steps that are high at first, in [0, 1].
        phase: what comes first after them, low or high.
        stages: names of the stages that oscillate.

    Raises:
        ConfigError: a weight is not finite, the fraction is out of range, or no such phase.

    Source: paper, section 2.6.2. The fraction, the phase and `other` are unspecified by the paper: ours.
    """

    high: float = 15.0
    low: float = 1.0
    other: float = 6.0
    initial_fraction: float = 0.1
    phase: Literal["low", "high"] = "low"
    stages: tuple[str, ...] = ("base", "tsr1", "ssr1")

    def __post_init__(self) -> None:
        _require_finite(high=self.high, low=self.low, other=self.other)
        if not 0.0 <= self.initial_fraction <= 1.0:
            raise ConfigError(f"guidance: initial_fraction is {self.initial_fraction:g}; it must be in [0, 1].")
        if self.phase not in ("low", "high"):
            raise ConfigError(f'guidance: phase is "{self.phase}". Allowed: low, high.')

    def initial_steps(self, num_steps: int) -> int:
        """How many steps are high at first: ceil(initial_fraction * num_steps); .07 of 100 is 7, in spite of floats."""
        return math.ceil(round(self.initial_fraction * num_steps, 9))

    def weight(self, stage: str, step_index: int, num_steps: int) -> float:
        """The weight w at a step of a stage."""
        _require_step(step_index, num_steps)
        if stage not in self.stages:
            return self.other
        after = step_index - self.initial_steps(num_steps)
        if after < 0:
            return self.high
        return self.high if (after % 2 == 0) == (self.phase == "high") else self.low


def weights(guidance: Guidance, stage: str, num_steps: int) -> tuple[float, ...]:
    """The weights w of all steps of a stage, in order of sampling."""
    return tuple(guidance.weight(stage, index, num_steps) for index in range(num_steps))


def scale_from_weight(w: float) -> float:
    """The guidance scale of Imagen and diffusers, g = 1 + w."""
    return 1.0 + w


def weight_from_scale(g: float) -> float:
    """The guidance weight of the paper, w = g - 1."""
    return g - 1.0


def combine(conditional: Array, unconditional: Array, w: float) -> Array:
    """(1 + w) conditional - w unconditional, written as conditional + w (conditional - unconditional).

    Args:
        conditional: [B, ...] float: the prediction with text, x, eps or v.
        unconditional: the same shape and kind: without.
        w: guidance weight.

    Returns:
        The same shape and dtype.

    Raises:
        ShapeError: shapes differ; says both.

    Source: paper, section 2.6.1, equation 5.
    """
    require_same_shape((conditional, unconditional), ("the conditional prediction", "the unconditional one"))
    return conditional + w * (conditional - unconditional)


@dataclass
class Guided:
    """A denoiser with its conditioning, guided by a weight given at each call; counts network evaluations.

    Args:
        conditional: (z, logsnr) -> prediction, one network evaluation.
        pair: (z, logsnr) -> (conditional, unconditional) prediction, two network evaluations.
        nfe: network evaluations so far: 1 a call where w = 0, else 2.
    """

    conditional: Callable[[Array, float], Array]
    pair: Callable[[Array, float], tuple[Array, Array]]
    nfe: int = field(default=0, init=False)

    def __call__(self, z: Array, logsnr: float, w: float | Array) -> Array:
        """The guided prediction, [B, T, H, W, C], of the denoiser's kind; a weight that is an array is not 0."""
        if isinstance(w, (int, float)) and w == 0.0:
            self.nfe += 1
            return self.conditional(z, logsnr)
        self.nfe += 2
        conditional, unconditional = self.pair(z, logsnr)
        return combine(conditional, unconditional, w)


@dataclass
class Informed:
    """A denoiser that takes the guidance weight as an input (distilled): one network evaluation, whatever the weight.

    Args:
        denoiser: (z, logsnr, w) -> prediction, which stands for the guided one.
        nfe: network evaluations so far.

    Source: Meng et al. 2022 (2210.03142), section 3.1.
    """

    denoiser: Callable[[Array, float, float], Array]
    nfe: int = field(default=0, init=False)

    def __call__(self, z: Array, logsnr: float, w: float) -> Array:
        """The prediction, [B, T, H, W, C], of the denoiser's kind."""
        self.nfe += 1
        return self.denoiser(z, logsnr, w)


def guided(denoiser: Denoiser, conditioning: Any, null: Any, pair: PairDenoiser | None = None) -> Guided:
    """Bind a denoiser to its conditioning, ready to be guided.

    Args:
        denoiser: (z, logsnr, conditioning) -> prediction.
        conditioning: opaque: with text.
        null: opaque: the same without text.
        pair: evaluates both in one batched call; left out, the denoiser is called twice.

    Returns:
        A `Guided`: (z, logsnr, w) -> prediction.
    """
    both = pair if pair is not None else _one_by_one(denoiser)
    return Guided(
        conditional=lambda z, logsnr: denoiser(z, logsnr, conditioning),
        pair=lambda z, logsnr: both(z, logsnr, conditioning, null),
    )


def _one_by_one(denoiser: Denoiser) -> PairDenoiser:
    def both(z: Array, logsnr: float, conditioning: Any, null: Any) -> tuple[Array, Array]:
        return denoiser(z, logsnr, conditioning), denoiser(z, logsnr, null)

    return both


def _require_finite(**values: float) -> None:
    for name, value in values.items():
        if not math.isfinite(value):
            raise ConfigError(f"guidance: {name} is {value}; it must be finite.")


def _require_step(step_index: int, num_steps: int) -> None:
    if not 0 <= step_index < num_steps:
        raise ConfigError(f"guidance: step {step_index} of {num_steps} does not exist; steps are 0 to {num_steps - 1}.")
