"""Settings as configured (partly, by stage, in layers) -> settings of one stage, with nothing left to a default."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from ivbench import registry
from ivbench.config.settings import AXES, Guidance, GuidanceConfig, Settings, StageSampling, Thresholding
from ivbench.diffusion import guidance as diffusion_guidance
from ivbench.diffusion import thresholding as diffusion_thresholding
from ivbench.diffusion.samplers.base import Sampler
from ivbench.errors import ConfigError, did_you_mean
from ivbench.plan.resolve_generator import refuse_settings_of_generators
from ivbench.spec import CascadeSpec, StageSpec

__all__ = ["guidance_of", "resolve", "sampler_of", "thresholding_of"]

_MISSING = object()
_THRESHOLDING = Thresholding(kind="dynamic", percentile=99.5)
"""Imagen's, where neither suite nor card says another."""
_AUGMENTATION_SNR = 5.0
"""One of the paper's two (3 or 5), where neither suite nor card says another."""


def resolve(
    layers: Sequence[Settings], spec: CascadeSpec, cards: Mapping[str, Sequence[Settings]] | None = None
) -> tuple[StageSampling, ...]:
    """The settings of each stage of a cascade.

    Args:
        layers: from strong to weak: the cell's, the suite's defaults. For each stage and setting the first layer
            that has a value for that stage wins.
        spec: the cascade.
        cards: stage -> weaker layers: the card of the cascade that stands in for it, then the cascade's own.

    Returns:
        One record a stage, in order.

    Raises:
        ConfigError: a key is no stage, no such sampler, guidance, sampler or steps are nowhere given, or a distilled
            stage is asked for what it was not distilled for.
    """
    for layer in layers:
        refuse_settings_of_generators(layer, spec.name)
        _check_stages(layer, spec)
    samplings = tuple(_resolve_stage([*layers, *(cards or {}).get(stage.name, ())], stage) for stage in spec.stages)
    for stage, sampling in zip(spec.stages, samplings, strict=True):
        _require_distilled(stage, sampling)
    return samplings


def _require_distilled(stage: StageSpec, sampling: StageSampling) -> None:
    if stage.distilled is not None:
        of_steps = diffusion_guidance.weights(guidance_of(sampling, stage.name), stage.name, sampling.num_steps)
        stage.distilled.require(stage.name, sampling.sampler, sampling.num_steps, of_steps)


def _check_stages(layer: Settings, spec: CascadeSpec) -> None:
    allowed = [*(stage.name for stage in spec.stages), "base", "tsr", "ssr", "sr", "default"]
    oscillating = [
        stage for one in (layer.guidance or {}).values() if one.oscillate for stage in one.oscillate.stages or ()
    ]
    named = [(axis, key) for axis in AXES for key in getattr(layer, axis) or ()]
    for axis, key in [*named, *(("guidance.oscillate.stages", stage) for stage in oscillating)]:
        if key not in allowed:
            raise ConfigError(f'{axis}: cascade "{spec.name}" has no stage "{key}".{did_you_mean(key, allowed)}')


def _resolve_stage(layers: Sequence[Settings], stage: StageSpec) -> StageSampling:
    sampler = _required(layers, "sampler", stage)
    guidance, key = _find(layers, "guidance", stage)
    if guidance is _MISSING:
        _required(layers, "guidance", stage)
    thresholding, _ = _find(layers, "thresholding", stage)
    return StageSampling(
        sampler=sampler,
        num_steps=_required(layers, "steps", stage),
        gamma=_gamma(layers, sampler, stage),
        thresholding=_THRESHOLDING if thresholding is _MISSING else thresholding,
        guidance=_guidance(guidance, key, stage),
        augmentation_snr=_augmentation(layers, stage),
    )


def _find(layers: Sequence[Settings], axis: str, stage: StageSpec) -> tuple[Any, str]:
    """The value of the first layer that has one for the stage, and the key that it stands under."""
    keys = [stage.name, stage.kind, *(["sr"] if stage.kind != "base" else []), "default"]
    for layer in layers:
        values = getattr(layer, axis) or {}
        for key in keys:
            if key in values:
                return values[key], key
    return _MISSING, ""


def _required(layers: Sequence[Settings], axis: str, stage: StageSpec) -> Any:
    value, _ = _find(layers, axis, stage)
    if value is _MISSING:
        raise ConfigError(f'{axis} is not given for stage "{stage.name}". Set defaults.{axis}, or an axis of the grid.')
    return value


def _gamma(layers: Sequence[Settings], sampler: str, stage: StageSpec) -> float | None:
    """Gamma where the sampler has one: as configured, else the sampler's own default."""
    fields = {field.name: field for field in dataclasses.fields(registry.load("sampler", sampler))}
    if "gamma" not in fields:
        return None
    value, _ = _find(layers, "gamma", stage)
    default: Any = fields["gamma"].default
    return float(default if value is _MISSING else value)


def _guidance(configured: GuidanceConfig, key: str, stage: StageSpec) -> Guidance:
    oscillation = configured.oscillate
    if oscillation is None:
        return Guidance(kind="constant", w=configured.constant)
    names = oscillation.stages
    applies = (key != "default" or stage.oscillates) if names is None else bool({stage.name, stage.kind} & set(names))
    if not applies:
        return Guidance(kind="constant", w=oscillation.otherwise)
    return Guidance(
        kind="oscillate",
        high=oscillation.high,
        low=oscillation.low,
        initial=oscillation.initial,
        phase=oscillation.phase,
    )


def _augmentation(layers: Sequence[Settings], stage: StageSpec) -> float | None:
    """None for a stage that wasn't trained on augmented conditioning videos, whatever is configured for all."""
    if not stage.augmentation:
        return None
    value, _ = _find(layers, "augmentation_snr", stage)
    return _AUGMENTATION_SNR if value is _MISSING else value


def sampler_of(sampling: StageSampling) -> Sampler:
    """The sampler that a stage's settings name, ready for the sampling loop.

    Raises:
        ConfigError: no such sampler.
    """
    kind = registry.load("sampler", sampling.sampler)
    sampler: Sampler = kind() if sampling.gamma is None else kind(gamma=sampling.gamma)
    return sampler


def guidance_of(sampling: StageSampling, stage: str) -> diffusion_guidance.Guidance:
    """The guidance of a stage, ready for the sampling loop; `stage` is its name."""
    guidance = sampling.guidance
    if guidance.kind == "constant":
        return diffusion_guidance.Constant(_number(guidance.w))
    return diffusion_guidance.Oscillating(
        high=_number(guidance.high),
        low=_number(guidance.low),
        other=_number(guidance.high),
        initial_fraction=_number(guidance.initial),
        phase=guidance.phase or "low",
        stages=(stage,),
    )


def thresholding_of(sampling: StageSampling) -> diffusion_thresholding.Thresholding:
    """The thresholding of a stage, ready for the sampling loop."""
    thresholding = sampling.thresholding
    if thresholding.percentile is None:
        return diffusion_thresholding.Thresholding(thresholding.kind)
    return diffusion_thresholding.Thresholding(thresholding.kind, thresholding.percentile)


def _number(value: float | None) -> float:
    if value is None:
        raise ConfigError("guidance lacks a weight. Constant guidance has w; oscillating has high, low and initial.")
    return value
