"""The real clips that scores stand on: which they are, and under which ids the store keeps their features."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from ivbench import registry
from ivbench.config import MetricConfig, digest
from ivbench.data.prompts import prompt_digest
from ivbench.data.shapes.labels import attributes_of
from ivbench.plan.plan import Plan

__all__ = [
    "CHUNK",
    "FLOOR",
    "RealFeatures",
    "features_id",
    "floor_clips",
    "have_clips",
    "real_features",
    "real_id",
    "reference_id",
]

CHUNK = 64
"""Reference clips an entry: a larger reference keeps the entries of a smaller one."""
FLOOR = 1_000_000
"""Samples of real clips of the prompts from here on are the null floor's: no run has as many."""
_BANK = 16
"""Real clips of each prompt that the null floor draws from; three times a cell's videos of it where these are more."""
_FORMAT = 2


@dataclass(frozen=True)
class RealFeatures:
    """An entry of the store: features of some real clips.

    Attributes:
        id: of the entry.
        extractor: its name.
        clips: how many.
    """

    id: str
    extractor: str
    clips: int


def have_clips(plan: Plan) -> bool:
    """Whether every prompt is a caption of the shapes domain, so that there are real clips of it."""
    return all(attributes_of(prompt) is not None for prompt in plan.prompts)


def floor_clips(plan: Plan) -> int:
    """Real clips of each prompt that a null floor draws from."""
    return max(_BANK, 3 * plan.suite.videos_of_a_prompt)


def real_features(plan: Plan, metrics: Iterable[MetricConfig]) -> list[RealFeatures]:
    """What the scores of some metrics stand on beside the videos: reference, null floor and ground truth; each once."""
    found = (one for config in metrics for one in (*_reference(plan, config), *_of_prompts(plan, config)))
    return list({one.id: one for one in found}.values())


def _reference(plan: Plan, config: MetricConfig) -> Iterator[RealFeatures]:
    """The first `reference.count` clips, in whole chunks; without clips of the prompts the floor's follow on them."""
    if not registry.load("metric", config.name).compares:
        return
    floor = 0 if have_clips(plan) else floor_clips(plan) * len(plan.prompts)
    for start in range(0, plan.suite.reference.count + floor, CHUNK):
        yield RealFeatures(reference_id(plan, config.extractor, start), config.extractor, CHUNK)


def _of_prompts(plan: Plan, config: MetricConfig) -> Iterator[RealFeatures]:
    """A clip of each prompt: for each draw of the null floor, else for each run and sample of the ground truth."""
    if not have_clips(plan):
        return
    suite = plan.suite
    drawn = [(suite.reference.seed, FLOOR + place) for place in range(floor_clips(plan))]
    runs = [(seed, sample) for seed in suite.run_seeds for sample in range(suite.samples_per_prompt)]
    for seed, sample in drawn if registry.load("metric", config.name).has_floor else runs:
        yield RealFeatures(real_id(plan, config.extractor, seed, sample), config.extractor, len(plan.prompts))


def reference_id(plan: Plan, extractor: str, start: int) -> str:
    """The id of the features of `CHUNK` clips of the reference distribution, from the clip `start` on."""
    clips = [start, start + CHUNK]
    return features_id(plan, "reference", extractor, seed=plan.suite.reference.seed, clips=clips)


def real_id(plan: Plan, extractor: str, seed: int, sample: int) -> str:
    """The id of the features of a real clip of each prompt, of one seed and sample index."""
    prompts = [prompt_digest(prompt) for prompt in plan.prompts]
    return features_id(plan, "real", extractor, seed=seed, sample=sample, prompts=prompts)


def features_id(plan: Plan, kind: str, extractor: str, **deciding: Any) -> str:
    """The id of features that are of no sampled video.

    Args:
        plan: the extractors' digests, execution, and size and rate of the final videos.
        kind: reference, real or texts.
        extractor: its name.
        deciding: what else decides them.
    """
    stage = plan.stages[-1]
    return digest(
        {
            "kind": kind,
            "format": _FORMAT,
            "extractor": [extractor, plan.extractors[extractor]],
            "execution": plan.execution.model_dump(mode="json"),
            "video": {} if kind == "texts" else {"shape": list(stage.shape), "fps": stage.fps},
            **deciding,
        }
    )
