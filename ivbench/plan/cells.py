"""The cells of a suite on a cascade: the grid's product and the explicit ones, resolved, with short unique labels."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from ivbench.config import AnySampling, Frozen, GeneratorSampling, StageSampling, SuiteConfig
from ivbench.config.card import SNAPSHOTS
from ivbench.config.published import PublishedValue
from ivbench.config.settings import ORIGINAL, Settings
from ivbench.config.suite import CellConfig
from ivbench.errors import ConfigError
from ivbench.plan.cost import generator_costs, stage_costs
from ivbench.plan.ids import cell_id
from ivbench.plan.parts import Variants, chosen_weights, mixed_spec, origin, part
from ivbench.plan.resolve import resolve
from ivbench.plan.resolve_generator import resolve_generator
from ivbench.plan.sources import CascadeSource, GeneratorSource, Source
from ivbench.results.schema import Published, StageCost
from ivbench.spec import GeneratorSpec, Scalar, StageSpec

__all__ = ["PlannedCell", "expand", "published_records", "stand_ins"]

_PREFIXES = {"weights": "", "gamma": "gamma=", "thresholding": "", "training_step": "step ", "augmentation_snr": "snr="}
_LONG = 40
"""Characters of a setting's text in a label."""


class PlannedCell(Frozen):
    """One point of the grid on one cascade."""

    id: str
    label: str = Field(description="short, unique within the plan: 'w=3 ddim 32'")
    settings: dict[str, Scalar] = Field(description="the axes, flat; 'a/b' where stages differ, in their order")
    guidance_w: float | None = Field(description="the first stage's constant weight w; None where it oscillates")
    scale_g: float | None = Field(description="the same as scale g = 1 + w")
    stages: tuple[AnySampling, ...] = Field(description="resolved settings, one a sampled stage, in order")
    weights: tuple[str, ...] = Field(description="whose weights: original, or a cascade; one a sampled stage, in order")
    costs: tuple[StageCost, ...]
    published: tuple[Published, ...] = Field(default=(), description="what the suite's source reports for the cell")


def expand(
    suite: SuiteConfig, source: Source, variants: Variants | None = None, given: str = ""
) -> tuple[PlannedCell, ...]:
    """Every cell once: first the grid's product, then the explicit cells; without either, the defaults are one cell.

    Cells that resolve to the same settings (gamma with a sampler that has none, say) are one cell, with the first's
    place. It has one label.

    Args:
        suite: grid, cells, defaults.
        source: the cascade, whose card's settings are the weakest layer; or a generator, whose own are.
        variants: the other cascades that `weights` names.
        given: digest of the videos that the first sampled stage starts from; empty: it starts from noise.

    Raises:
        ConfigError: a setting is missing or names no stage, two labels are equal, or two labelled cells are the same.
    """
    resolved: dict[str, _Point] = {}
    labels: dict[str, str] = {}
    published: dict[str, tuple[Published, ...]] = {}
    for settings in _points(suite):
        point = _resolved(suite, source, variants or {}, settings)
        origins = [origin(source, variants or {}, weights) for weights in point.weights]
        sampled = {stage.name: other for stage, other in zip(point.stages, origins, strict=True)}
        key = cell_id(source, sampled, given, point.samplings, suite.noise)
        resolved.setdefault(key, point)
        if isinstance(settings, CellConfig):
            if settings.label is not None and labels.setdefault(key, settings.label) != settings.label:
                raise ConfigError(
                    f'cells: "{labels[key]}" and "{settings.label}" are sampled alike. Remove one of them.'
                )
            published[key] = published.get(key) or published_records(suite, settings.published)
    shown = _shown({name for point in resolved.values() for name in point.weights})
    tables = {key: _settings(point, shown) for key, point in resolved.items()}
    names = _labels(tables, labels)
    return tuple(
        _cell(key, names[key], tables[key], point, source, published.get(key, ())) for key, point in resolved.items()
    )


def stand_ins(suite: SuiteConfig, source: Source) -> list[str]:
    """The cascades whose weights take the place of the source's in a stage that is sampled, sorted.

    Raises:
        ConfigError: no such stage, or a part of the cascade that can't be.
    """
    if isinstance(source, GeneratorSource):
        return []
    stages = [stage for stage in part(source.spec, suite.stages) if isinstance(stage, StageSpec)]
    named = {chosen_weights((point, suite.defaults), stage) for point in _points(suite) for stage in stages}
    return sorted(named - {ORIGINAL})


def published_records(suite: SuiteConfig, values: Mapping[str, PublishedValue]) -> tuple[Published, ...]:
    """Published values as a results file holds them, with the suite's source."""
    if suite.published is None:
        return ()
    source = suite.published.source
    return tuple(
        Published(metric=name, value=found.value, stderr=found.stderr, source=source) for name, found in values.items()
    )


@dataclass(frozen=True)
class _Point:
    """One resolved point: of each sampled stage its spec, settings and whose weights.

    Attributes:
        stages, samplings, weights: one a sampled stage.
        series: what the cell calls its weights; None: their own names.
        training_step: of snapshots: after how many updates; None: of none of the weights, or several.
    """

    stages: tuple[StageSpec | GeneratorSpec, ...]
    samplings: tuple[AnySampling, ...]
    weights: tuple[str, ...]
    series: str | None = None
    training_step: int | None = None


def _resolved(suite: SuiteConfig, source: Source, variants: Variants, settings: Settings) -> _Point:
    layers = (settings, suite.defaults)
    if isinstance(source, GeneratorSource):
        return _Point((source.spec,), (resolve_generator(layers, source.spec),), (ORIGINAL,))
    sampled = {stage.name for stage in part(source.spec, suite.stages)}
    chosen = {
        stage.name: chosen_weights(layers, stage) if stage.name in sampled else ORIGINAL for stage in source.spec.stages
    }
    spec = mixed_spec(source, variants, chosen)
    cards = {
        stage: (*([] if weights == ORIGINAL else [variants[weights].sampling]), source.sampling)
        for stage, weights in chosen.items()
    }
    by_stage = dict(zip(chosen, resolve(layers, spec, cards), strict=True))
    stages = part(spec, suite.stages)
    names = [stage.name for stage in stages]
    weights = tuple(chosen[name] for name in names)
    return _Point(
        stages,
        tuple(by_stage[name] for name in names),
        weights,
        settings.series if isinstance(settings, CellConfig) else None,
        _training_step(weights, source, variants),
    )


def _training_step(weights: Sequence[str], source: CascadeSource, variants: Variants) -> int | None:
    steps = {(variants[name] if name != ORIGINAL else source).training_step for name in weights} - {None}
    return steps.pop() if len(steps) == 1 else None


def _points(suite: SuiteConfig) -> list[Settings]:
    points = [] if suite.grid is None else list(suite.grid.points(suite.name))
    return [*points, *suite.cells] or [Settings()]


def _cell(
    key: str,
    label: str,
    table: dict[str, Scalar],
    point: _Point,
    source: Source,
    published: tuple[Published, ...],
) -> PlannedCell:
    first = point.samplings[0]
    w = first.guidance_w if isinstance(first, GeneratorSampling) else first.guidance.w
    return PlannedCell(
        id=key,
        label=label,
        settings=table,
        guidance_w=w,
        scale_g=None if w is None else 1 + w,
        stages=point.samplings,
        weights=point.weights,
        costs=_costs(point, source),
        published=published,
    )


def _costs(point: _Point, source: Source) -> tuple[StageCost, ...]:
    if isinstance(source, GeneratorSource):
        return generator_costs(source.spec, point.samplings)
    return stage_costs(point.stages, point.samplings, source.spec.text.length)


def _settings(point: _Point, shown: Mapping[str, str]) -> dict[str, Scalar]:
    """The axes, flat; of a generator what it exposes."""
    first = point.samplings[0]
    if isinstance(first, GeneratorSampling):
        w = {} if first.guidance_w is None else {"guidance": f"w={first.guidance_w:g}"}
        return {**first.settings, **w}
    return _axes(point, shown)


def _axes(point: _Point, shown: Mapping[str, str]) -> dict[str, Scalar]:
    samplings = [sampling for sampling in point.samplings if isinstance(sampling, StageSampling)]
    lifted = [one for stage, one in zip(point.stages, samplings, strict=True) if stage.kind != "base"]
    guidance = _joined([sampling.guidance.label for sampling in samplings])
    return {
        "weights": point.series or _joined([shown[weights] for weights in point.weights]),
        **({} if point.training_step is None else {"training_step": point.training_step}),
        "guidance": str(guidance).replace("/w=", "/"),
        "sampler": _joined([sampling.sampler for sampling in samplings]),
        "steps": _joined([sampling.num_steps for sampling in samplings]),
        "gamma": _joined([sampling.gamma for sampling in samplings]),
        "thresholding": _joined([sampling.thresholding.label for sampling in samplings]),
        "augmentation_snr": _joined([_level(sampling) for sampling in lifted]),
    }


def _shown(weights: Collection[str]) -> dict[str, str]:
    """A cascade's name; of a folder its last two parts, since checkpoints often differ in one of them.

    Snapshots have the name of their training's folder. What would be called alike gets more of its path.
    """
    folders = {name: Path(name) for name in weights if "/" in name or os.sep in name}
    trainings = {name: path.parent.parent for name, path in folders.items() if path.parent.name == SNAPSHOTS}
    parts = {name: trainings.get(name, path).parts for name, path in folders.items()}
    length = {name: 1 if name in trainings else 2 for name in folders}
    while True:
        found = {name: "-".join(parts[name][-length[name] :]) or SNAPSHOTS for name in folders}
        alike = {
            name
            for name in folders
            for other in folders
            if found[name] == found[other] and parts[name] != parts[other] and length[name] < len(parts[name])
        }
        if not alike:
            return {name: found.get(name, name) for name in weights}
        length.update({name: length[name] + 1 for name in alike})


def _level(sampling: StageSampling) -> float | str:
    """The SNR of a stage's augmentation; no augmentation is a level too, and tells cells apart."""
    return "none" if sampling.augmentation_snr is None else sampling.augmentation_snr


def _joined(values: Sequence[Scalar]) -> Scalar:
    """One value where all are equal, else each change in stage order: 16, 5, 5 -> '16/5'."""
    changes = [value for index, value in enumerate(values) if index == 0 or value != values[index - 1]]
    if len(changes) <= 1:
        return changes[0] if changes else None
    return "/".join(
        "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value) for value in changes
    )


def _labels(tables: dict[str, dict[str, Scalar]], given: dict[str, str]) -> dict[str, str]:
    """Guidance, sampler and steps always; another axis where it tells cells apart; a number where nothing does."""
    repeated = [label for label, count in Counter(given.values()).items() if count > 1]
    if repeated:
        raise ConfigError(f'cells: two are labelled "{repeated[0]}". Labels must differ.')
    always = ("guidance", "sampler", "steps")
    plain = {key: [str(table[axis]) for axis in always if table.get(axis) is not None] for key, table in tables.items()}
    axes = dict.fromkeys(axis for table in tables.values() for axis in table if axis not in always)
    for axis in axes:
        prefix = _PREFIXES.get(axis, f"{axis}=")
        if len({str(table[axis]) for table in tables.values() if table.get(axis) is not None}) > 1:
            for key, table in tables.items():
                plain[key] += [] if table.get(axis) is None else [f"{prefix}{_plain(table[axis])}"]
    taken = set(given.values())
    labels = dict(given)
    for key, parts in plain.items():
        if key not in labels:
            made = " ".join(parts) or "default"
            label, number = made, 2
            while label in taken:
                label, number = f"{made} ({number})", number + 1
            labels[key] = label
            taken.add(label)
    return labels


def _plain(value: Scalar) -> str:
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return text if len(text) <= _LONG else f"{text[:_LONG]}..."
