"""Task ids: the sha256 of the canonical JSON of a task's resolved settings.

Whatever can change a task's result is in its payload; labels, descriptions and the order of cells are not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ivbench.config import AnySampling, GeneratorSampling, StageSampling, canonical_json, digest
from ivbench.config.suite import MetricConfig, ReferenceConfig
from ivbench.plan.sources import CascadeSource, Execution, Source

__all__ = [
    "TASK_FORMAT",
    "canonical_json",
    "cell_id",
    "encode_payload",
    "extract_payload",
    "generate_payload",
    "input_payload",
    "metric_payload",
    "sample_payload",
    "score_payload",
    "task_id",
]

TASK_FORMAT = {"encode": 1, "input": 1, "sample": 1, "generate": 1, "extract": 1, "score": 4}
"""By kind; raised when a result changes its meaning or form: stored entries of that kind are then computed anew."""

Payload = dict[str, Any]


def task_id(payload: Payload) -> str:
    """The id of a task: 64 hexadecimal digits."""
    return digest(payload)


def encode_payload(source: CascadeSource, execution: Execution, prompts: Sequence[str]) -> Payload:
    """Encode a block of prompts.

    Args:
        source: gives the text encoder's digest and its length.
        execution: where.
        prompts: digests of the block's prompts, in order.
    """
    return {
        "kind": "encode",
        "format": TASK_FORMAT["encode"],
        "text": _text(source),
        "prompts": list(prompts),
        "execution": execution.model_dump(mode="json"),
    }


def input_payload(
    shape: Sequence[int],
    fps: float,
    prompts: Sequence[str],
    files: Sequence[str] = (),
    drawn: tuple[int, int] | None = None,
) -> Payload:
    """Read or render the videos that the first sampled stage starts from.

    Args:
        shape: (T, H, W, C) of each.
        fps: their rate.
        prompts: digests of the block's prompts, in order.
        files: digests of one file a prompt; empty: real clips of the prompts.
        drawn: of real clips the run's seed and the sample index; else None.
    """
    return {
        "kind": "input",
        "format": TASK_FORMAT["input"],
        "shape": list(shape),
        "fps": fps,
        "prompts": list(prompts),
        "files": list(files),
        "drawn": None if drawn is None else list(drawn),
    }


def sample_payload(
    source: CascadeSource,
    stage_index: int,
    sampling: StageSampling,
    execution: Execution,
    noise: str,
    seed: int,
    prompts: Sequence[str],
    sample_index: int,
    consumes: Sequence[str],
    as_bytes: bool = False,
) -> Payload:
    """Sample one stage of one run over a block of prompts.

    Args:
        source: gives the stage's spec (network, schedule, parameterization), its weights' and text encoder's digests.
        stage_index: which stage, from 0.
        sampling: resolved: sampler, steps, gamma, thresholding, guidance, augmentation SNR.
        execution: backend, device type, dtype.
        noise: the noise source, numpy or device.
        seed: of the run.
        prompts: digests of the block's prompts, in order.
        sample_index: which sample of each prompt.
        consumes: the ids of the tasks whose results it reads: encode, then the stage before.
        as_bytes: the videos are kept as uint8, which no later stage can start from; another cascade may go on from it.
    """
    stage = source.spec.stages[stage_index]
    return {
        **({"as_bytes": True} if as_bytes else {}),
        "kind": "sample",
        "format": TASK_FORMAT["sample"],
        "stage": stage.model_dump(mode="json"),
        "weights": source.weights.get(stage.name),
        "adapter": source.adapter,
        "text": _text(source),
        "sampling": sampling.model_dump(mode="json"),
        "execution": execution.model_dump(mode="json"),
        "noise": noise,
        "seed": seed,
        "prompts": list(prompts),
        "sample_index": sample_index,
        "consumes": list(consumes),
    }


def generate_payload(
    identity: str,
    sampling: GeneratorSampling,
    execution: Execution,
    seed: int,
    prompts: Sequence[str],
    sample_index: int,
) -> Payload:
    """Generate the videos of a block of prompts.

    Args:
        identity: over adapter, version, the videos' size, and weights or files.
        sampling: a value for each of the generator's settings.
        execution: device type, dtype.
        seed: of the run.
        prompts: digests of the block's prompts, in order.
        sample_index: which sample of each prompt.
    """
    return {
        "kind": "generate",
        "format": TASK_FORMAT["generate"],
        "generator": identity,
        "settings": sampling.settings,
        "execution": execution.model_dump(mode="json"),
        "seed": seed,
        "prompts": list(prompts),
        "sample_index": sample_index,
    }


def extract_payload(extractor: str, extractor_digest: str, execution: Execution, consumes: Sequence[str]) -> Payload:
    """Extract the features of a block of final videos."""
    return {
        "kind": "extract",
        "format": TASK_FORMAT["extract"],
        "extractor": extractor,
        "digest": extractor_digest,
        "execution": execution.model_dump(mode="json"),
        "consumes": list(consumes),
    }


def score_payload(
    metric: MetricConfig,
    extractor_digest: str,
    reference: ReferenceConfig,
    video: Payload,
    seeds: Sequence[int],
    prompts: Sequence[str],
    consumes: Sequence[str],
) -> Payload:
    """Score one metric of one cell.

    Args:
        metric: name, extractor, profile.
        extractor_digest: of its weights.
        reference: the real clips.
        video: size and rate of the scored videos.
        seeds: of the runs, in order.
        prompts: digests of all prompts, in suite order.
        consumes: the ids of all extract tasks of the cell, by run, sample index and block.
    """
    return {
        "kind": "score",
        "format": TASK_FORMAT["score"],
        "metric": metric_payload(metric),
        "extractor": extractor_digest,
        "reference": reference.model_dump(mode="json"),
        "video": video,
        "seeds": list(seeds),
        "prompts": list(prompts),
        "consumes": list(consumes),
    }


def metric_payload(metric: MetricConfig) -> Payload:
    """What a suite says of a metric, with every choice of its profile.

    Raises:
        ConfigError: no such profile.
    """
    return {"name": metric.name, "extractor": metric.extractor, "profile": metric.choices.payload()}


def cell_id(
    source: Source,
    sampled: Mapping[str, Source],
    given: str,
    samplings: Sequence[AnySampling],
    noise: str,
) -> str:
    """A cell's id: 16 hexadecimal digits over cascade, resolved settings and noise source.

    Args:
        source: the cascade, or the generator.
        sampled: stage -> the cascade that its weights come from, of the stages that are sampled, in order.
        given: what the first of them starts from; empty: noise.
        samplings: resolved settings of the same stages.
        noise: the noise source.

    A part of the cascade, and stages of other cascades, are named only where there are such: the ids of whole
    cascades stay what they were.
    """
    resolved = [sampling.model_dump(mode="json") for sampling in samplings]
    cell: Payload = {"cascade": source.digest, "sampling": resolved, "noise": noise}
    if list(sampled) != [stage.name for stage in source.spec.stages]:
        cell["part"] = [*sampled, given]
    if any(other.digest != source.digest for other in sampled.values()):
        cell["origins"] = [other.digest for other in sampled.values()]
    return digest(cell)[:16]


def _text(source: CascadeSource) -> Payload:
    return {"digest": source.text_encoder, **source.spec.text.model_dump(mode="json")}
