"""What a plan costs before anything runs: network evaluations and FLOPs by stage, cell and plan."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ivbench.config import StageSampling
from ivbench.diffusion.guidance import weights
from ivbench.diffusion.loop import network_evaluations
from ivbench.plan.resolve import guidance_of, sampler_of
from ivbench.plan.tasks import SampleTask
from ivbench.results.schema import StageCost
from ivbench.spec import CascadeSpec, StageSpec

__all__ = ["estimate_seconds", "nfe", "sampling_flops", "stage_costs"]


def nfe(sampling: StageSampling, stage: StageSpec) -> int:
    """Network evaluations of one video in one stage.

    A step whose guidance weight is not 0 counts twice, but for a network that has the weight as an input (distilled).
    """
    of_steps = weights(guidance_of(sampling, stage.name), stage.name, sampling.num_steps)
    if stage.unet.guidance_embedding:
        of_steps = tuple(0.0 for _ in of_steps)
    return network_evaluations(sampler_of(sampling), of_steps)


def stage_costs(spec: CascadeSpec, samplings: Sequence[StageSampling]) -> tuple[StageCost, ...]:
    """The cost of one video in each stage, in order; FLOPs: 1 MAC = 2 FLOPs.

    Args:
        spec: the cascade.
        samplings: resolved settings, one a stage.
    """
    rows = []
    for stage, sampling in zip(spec.stages, samplings, strict=True):
        count = nfe(sampling, stage)
        rows.append(
            StageCost(
                stage=stage.name,
                sampler=sampling.sampler,
                steps=sampling.num_steps,
                nfe=count,
                flops=float(count * stage.flops(spec.text.length)),
            )
        )
    return tuple(rows)


def sampling_flops(spec: CascadeSpec, tasks: Iterable[SampleTask]) -> float:
    """FLOPs of sample tasks: what cells share is counted once, since they share the task."""
    each = {stage.name: stage.flops(spec.text.length) for stage in spec.stages}
    return float(sum(_evaluations(spec, task) * each[task.stage] for task in tasks))


def estimate_seconds(spec: CascadeSpec, tasks: Iterable[SampleTask], seconds: Mapping[str, float]) -> float:
    """Seconds that sample tasks take.

    Args:
        spec: the cascade.
        tasks: of a plan, or those that are left.
        seconds: stage -> seconds a video and network evaluation, measured.
    """
    return sum(_evaluations(spec, task) * seconds[task.stage] for task in tasks)


def _evaluations(spec: CascadeSpec, task: SampleTask) -> int:
    return nfe(task.sampling, spec.stages[task.stage_index]) * len(task.prompts)
