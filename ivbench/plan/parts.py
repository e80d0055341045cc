"""Which stages a plan samples, and from which cascade each comes: a part of the cascade, and weights that stand in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ivbench.config.settings import ORIGINAL, Settings
from ivbench.config.suite import StagesConfig
from ivbench.errors import ConfigError, did_you_mean
from ivbench.plan.sources import CascadeSource, Source
from ivbench.spec import CascadeSpec, GeneratorSpec, StageSpec

__all__ = ["Variants", "chosen_weights", "input_shape", "mixed_spec", "origin", "part"]

Variants = Mapping[str, CascadeSource]
"""Name or folder of a cascade whose stages may stand in -> its source."""


def part(spec: CascadeSpec | GeneratorSpec, stages: StagesConfig) -> tuple[StageSpec | GeneratorSpec, ...]:
    """The stages that are sampled, in order; of a generator itself.

    Raises:
        ConfigError: no such stage, the wrong way round, or an input where none belongs or none where one is needed.
    """
    names = [stage.name for stage in spec.stages]
    for asked in (stages.from_stage, stages.to_stage):
        if asked is not None and asked not in names:
            raise ConfigError(f'cascade "{spec.name}" has no stage "{asked}".{did_you_mean(asked, names)}')
    first = 0 if stages.from_stage is None else names.index(stages.from_stage)
    last = len(names) - 1 if stages.to_stage is None else names.index(stages.to_stage)
    if first > last:
        raise ConfigError(f'stages: "{names[last]}" comes before "{names[first]}". Exchange from_stage and to_stage.')
    if first and stages.input is None:
        raise ConfigError(
            f'stage "{names[first]}" starts from videos. Say which with input: real (clips of the prompts) or '
            "videos:FOLDER."
        )
    if not first and stages.input is not None:
        raise ConfigError(f'stage "{names[0]}" starts from noise alone. Leave input out, or set from_stage.')
    return spec.stages[first : last + 1]


def input_shape(spec: CascadeSpec | GeneratorSpec, stages: StagesConfig) -> StageSpec | None:
    """The stage whose place the given videos take: their size and rate; None where the first stage is sampled."""
    return spec.before(part(spec, stages)[0].name)


def chosen_weights(layers: Sequence[Settings], stage: StageSpec) -> str:
    """Whose weights a stage has, by the layers of settings from strong to weak: `original`, or a cascade's name."""
    keys = (stage.name, stage.kind, *(["sr"] if stage.kind != "base" else []), "default")
    found = (layer.weights[key] for layer in layers if layer.weights for key in keys if key in layer.weights)
    return next(found, ORIGINAL)


def origin(source: Source, variants: Variants, weights: str) -> Source:
    """The cascade that a stage's weights come from, or the generator itself.

    Raises:
        ConfigError: a cascade that the plan was not given.
    """
    if weights == ORIGINAL:
        return source
    if weights not in variants:
        raise ConfigError(f'weights: no cascade "{weights}" was read.{did_you_mean(weights, [ORIGINAL, *variants])}')
    return variants[weights]


def mixed_spec(source: CascadeSource, variants: Variants, chosen: Mapping[str, str]) -> CascadeSpec:
    """The cascade's spec with the stages that stand in.

    Args:
        source: the cascade.
        variants: the others.
        chosen: stage -> whose weights.

    Raises:
        ConfigError: the other cascade has no such stage, one of another size or kind, or another text encoder.
    """
    if all(weights == ORIGINAL for weights in chosen.values()):
        return source.spec
    stages = [_standing_in(source, variants, stage, chosen.get(stage.name, ORIGINAL)) for stage in source.spec.stages]
    return source.spec.model_copy(update={"stages": tuple(stages)})


def _standing_in(source: CascadeSource, variants: Variants, stage: StageSpec, weights: str) -> StageSpec:
    other = origin(source, variants, weights)
    assert isinstance(other, CascadeSource)
    names = [one.name for one in other.spec.stages]
    if stage.name not in names:
        raise ConfigError(f'weights: cascade "{weights}" has no stage "{stage.name}", only {", ".join(names)}.')
    found = other.spec.stage(stage.name)
    for field in ("kind", "frames", "height", "width", "fps"):
        ours, theirs = getattr(stage, field), getattr(found, field)
        if ours != theirs:
            raise ConfigError(
                f'weights: stage "{stage.name}" has {field} {ours} in {source.spec.name} and {theirs} in {weights}. '
                "A stage that stands in makes the same videos."
            )
    if (other.text_encoder, other.spec.text) != (source.text_encoder, source.spec.text):
        raise ConfigError(f'weights: "{weights}" reads text with another encoder than {source.spec.name}.')
    return found
