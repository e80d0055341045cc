"""What a plan will take on this machine: what the store has of it already, bytes to write, and seconds.

Seconds come from what the store's entries say they took; before a first run those of sampling and features come from
the cards. What takes seconds whatever the plan is left out: texts of captions, gallery and report.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from ivbench import registry
from ivbench.config import GeneratorSampling, StageSampling
from ivbench.plan.cost import nfe
from ivbench.plan.parts import origin
from ivbench.plan.plan import Plan
from ivbench.plan.real import real_features
from ivbench.plan.sources import CascadeSource
from ivbench.plan.tasks import EncodeTask, InputTask, SampleTask, ScoreTask
from ivbench.plan.timing import REPEATS, TIMING_BATCH, compared_cells, repeats_of
from ivbench.results.store import Store
from ivbench.spec import StageSpec
from ivbench.zoo import find_card

__all__ = ["KINDS", "Estimate", "amount_of", "estimate", "shared_tasks"]

KINDS = ("encode", "input", "sample", "extract", "score")
"""Kinds of tasks, in the order of work."""
_BY_CLIP = ("clips", "motion")
_FLOAT_BYTES = 4
_LOOKED_AT = 2_000
"""Entries of the store whose times are read, the latest first."""

Rates = Mapping[tuple[str, str], float]
"""(kind, what) -> seconds a unit: a TFLOP of a stage's weights, or a step of a generator's video; a video or a real
clip of an extractor, the clip with its rendering; a score of a metric."""


@dataclass(frozen=True)
class Estimate:
    """What is left to do.

    Attributes:
        found: kind -> tasks whose results the store has.
        video_bytes: of the videos to write, with those that the first sampled stage starts from.
        text_bytes: of the text embeddings to write.
        feature_bytes: of the features to write, of videos and of real clips; None where nothing says how many an
            extractor has.
        seconds: step -> seconds; None where nothing says how long it takes.
        by_card: the steps whose seconds come from cards, and so from another machine.
    """

    found: Mapping[str, int]
    video_bytes: int
    text_bytes: int
    feature_bytes: int | None
    seconds: Mapping[str, float | None]
    by_card: frozenset[str]


def shared_tasks(plan: Plan) -> tuple[int, int]:
    """How many sample tasks serve several cells, and how many there would be without sharing."""
    return sum(len(task.cells) > 1 for task in plan.sample), sum(len(task.cells) for task in plan.sample)


def estimate(plan: Plan, store: Store) -> Estimate:
    """Estimate a plan before anything runs; reads manifests, computes nothing.

    Args:
        plan: what to do.
        store: where results go and come from.
    """
    missing = {kind: [task for task in getattr(plan, kind) if not store.has(task.id)] for kind in KINDS}
    rates = _rates(store)
    videos = [(task.extractor, len(task.prompts)) for task in missing["extract"]]
    clips = _missing_clips(plan, missing["score"], store)
    steps = {
        "sampling": _sampling_seconds(plan, missing["sample"], rates),
        "timing": _timing_seconds(plan, rates),
        "features": _feature_seconds("extract", videos, rates),
        "real clips": _feature_seconds("real", clips, rates),
        "scores": (_total([(("score", task.metric.name), 1) for task in missing["score"]], rates), False),
    }
    return Estimate(
        found={kind: len(getattr(plan, kind)) - len(missing[kind]) for kind in KINDS},
        video_bytes=sum(_video_bytes(plan, task) for kind in ("input", "sample") for task in missing[kind]),
        text_bytes=sum(_text_bytes(plan, task) for task in missing["encode"]),
        feature_bytes=_feature_bytes(plan, [*videos, *clips]),
        seconds={step: seconds for step, (seconds, _) in steps.items()},
        by_card=frozenset(step for step, (_, of_cards) in steps.items() if of_cards),
    )


def _missing_clips(plan: Plan, scores: Sequence[ScoreTask], store: Store) -> list[tuple[str, int]]:
    """Real clips whose features the store lacks, of each entry the extractor and how many; of missing scores only."""
    found = real_features(plan, dict.fromkeys(task.metric for task in scores))
    return [(one.extractor, one.clips) for one in found if not store.has(one.id)]


def _video_bytes(plan: Plan, task: SampleTask | InputTask) -> int:
    """Of float16 videos, [T, H, W, C] each; of uint8 ones from the last stage."""
    stage = plan.stage(task) if isinstance(task, SampleTask) else plan.input_shape
    assert stage is not None
    as_bytes = isinstance(task, SampleTask) and task.as_bytes
    return len(task.prompts) * math.prod(stage.shape) * (1 if as_bytes else 2)


def _text_bytes(plan: Plan, task: EncodeTask) -> int:
    """Of float32 tokens [L, D], their bool mask [L] and their float32 mean [D]."""
    assert isinstance(plan.source, CascadeSource)
    text = plan.source.spec.text
    return len(task.prompts) * (text.length * (_FLOAT_BYTES * text.dim + 1) + _FLOAT_BYTES * text.dim)


def _feature_bytes(plan: Plan, videos: Sequence[tuple[str, int]]) -> int | None:
    """Of float32 features of so many videos by each extractor: a row a clip, or a row a frame."""
    dims = {name: _dim(name) for name in {name for name, _ in videos}}
    clips = {metric.extractor for metric in plan.suite.metrics if registry.load("metric", metric.name).kind in _BY_CLIP}
    total = 0
    for name, count in videos:
        dim = dims[name]
        if dim is None:
            return None
        rows = 1 if name in clips else plan.stages[-1].shape[0]
        total += count * rows * dim * _FLOAT_BYTES
    return total


def _dim(extractor: str) -> int | None:
    """Features of a frame or a clip, as the card or the registered class itself says; else None."""
    card = find_card(extractor)
    if card is not None:
        return card.config.feature_dim
    known = extractor in registry.names("extractor")
    dim = getattr(registry.load("extractor", extractor), "dim", None) if known else None
    return dim if isinstance(dim, int) else None


def _sampling_seconds(plan: Plan, tasks: list[SampleTask], rates: Rates) -> tuple[float | None, bool]:
    """Seconds, and whether they come from cards; None where nothing says them."""
    measured = _total([(("sample", _weights(plan, task)), amount_of(plan, task)) for task in tasks], rates)
    if measured is not None:
        return measured, False
    of_card = [_card_seconds(plan, task) for task in tasks]
    known = [seconds for seconds in of_card if seconds is not None]
    return (sum(known), True) if len(known) == len(tasks) else (None, False)


def _timing_seconds(plan: Plan, rates: Rates) -> tuple[float | None, bool]:
    """Likewise, of measuring sampling time: whether this machine's are in the store already is not looked at."""
    settings: dict[tuple[str, ...], SampleTask] = {}
    for task in plan.sample:
        settings.setdefault((task.weights, task.stage, task.sampling.model_dump_json()), task)
    compared, total, cards = compared_cells(plan), 0.0, False
    for task in settings.values():
        found, by_card = _sampling_seconds(plan, [task], rates)
        if found is None:
            return None, False
        cards = cards or by_card
        batch = found * TIMING_BATCH / len(task.prompts)
        total += batch * repeats_of(batch, 1 if compared.isdisjoint(task.cells) else REPEATS)
    return total, cards


def _feature_seconds(kind: str, videos: Sequence[tuple[str, int]], rates: Rates) -> tuple[float | None, bool]:
    """Likewise, of extractors' videos, or of real clips: as long as a video where none of them says how long."""
    of_videos = {(kind, name): rate for (known, name), rate in rates.items() if known == "extract"}
    known = {**of_videos, **rates}
    of_cards = {
        (kind, name): rate for name, rate in _card_rates({name for name, _ in videos}) if (kind, name) not in known
    }
    total = _total([((kind, name), float(count)) for name, count in videos], {**of_cards, **known})
    return total, total is not None and bool(of_cards)


def _card_rates(extractors: Iterable[str]) -> Iterator[tuple[str, float]]:
    """Seconds a video of the extractors whose cards say them."""
    for name in extractors:
        card = find_card(name)
        if card is not None and card.config.seconds_per_video is not None:
            yield name, card.config.seconds_per_video


def amount_of(plan: Plan, task: SampleTask) -> float:
    """How much work a sample task is: TFLOPs, or for a generator, whose FLOPs nobody knows, steps of videos."""
    if isinstance(task.sampling, GeneratorSampling):
        steps = task.sampling.settings.get("steps")
        return float(len(task.prompts) * (1 if steps is None else int(steps)))
    return (plan.flops_of([task]) or 0.0) / 1e12


def _amount(about: Mapping[str, Any]) -> float:
    return float(about["amount"]) if "amount" in about else float(about["flops"]) / 1e12


def _weights(plan: Plan, task: SampleTask) -> str:
    return origin(plan.source, plan.variants, task.weights).weights.get(task.stage, "")


def _card_seconds(plan: Plan, task: SampleTask) -> float | None:
    source, stage = origin(plan.source, plan.variants, task.weights), plan.stage(task)
    if not isinstance(source, CascadeSource) or not isinstance(task.sampling, StageSampling):
        return None
    each = source.seconds_per_evaluation.get(task.stage)
    assert isinstance(stage, StageSpec)
    return None if each is None else each * nfe(task.sampling, stage) * len(task.prompts)


def _total(units: Iterable[tuple[tuple[str, str], float]], rates: Rates) -> float | None:
    """Seconds of all units; None where one's rate is not known."""
    total = 0.0
    for key, amount in units:
        if key not in rates:
            return None
        total += rates[key] * amount
    return total


def _rates(store: Store) -> Rates:
    """Total seconds over total units of what the store's latest entries say."""
    seconds: dict[tuple[str, str], float] = defaultdict(float)
    amounts: dict[tuple[str, str], float] = defaultdict(float)
    for about in islice(store.latest(), _LOOKED_AT):
        for key, spent, amount in _measured(about):
            seconds[key] += spent
            amounts[key] += amount
    return {key: seconds[key] / amounts[key] for key in seconds if amounts[key] > 0}


def _measured(about: Mapping[str, Any]) -> Iterator[tuple[tuple[str, str], float, float]]:
    kind = about.get("kind")
    if kind == "sample" and "sampling_seconds" in about:
        yield ("sample", str(about["weights"])), float(about["sampling_seconds"]), _amount(about)
    elif kind in ("extract", "reference", "real") and "videos" in about:
        yield (
            ("extract" if kind == "extract" else "real", str(about["extractor"])),
            float(about["seconds"]),
            float(about["videos"]),
        )
    elif kind == "score" and "metric" in about:
        yield ("score", str(about["metric"])), float(about["seconds"]), 1.0
