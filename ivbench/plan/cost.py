"""What a plan costs before anything runs: network evaluations and FLOPs by stage, cell and plan."""

from __future__ import annotations

from collections.abc import Sequence

from ivbench.config import AnySampling, GeneratorSampling, StageSampling
from ivbench.diffusion.guidance import weights
from ivbench.diffusion.loop import network_evaluations
from ivbench.plan.resolve import guidance_of, sampler_of
from ivbench.plan.tasks import SampleTask
from ivbench.results.schema import StageCost
from ivbench.spec import GeneratorSpec, StageSpec

__all__ = ["generator_costs", "nfe", "stage_costs", "task_flops"]


def nfe(sampling: StageSampling, stage: StageSpec) -> int:
    """Network evaluations of one video in one stage.

    A step whose guidance weight is not 0 counts twice, but for a network that has the weight as an input (distilled).
    """
    of_steps = weights(guidance_of(sampling, stage.name), stage.name, sampling.num_steps)
    return network_evaluations(sampler_of(sampling), of_steps, informed=stage.guidance_embedding)


def stage_costs(
    stages: Sequence[StageSpec | GeneratorSpec], samplings: Sequence[AnySampling], text_length: int
) -> tuple[StageCost, ...]:
    """The cost of one video in each stage, in order; FLOPs: 1 MAC = 2 FLOPs.

    Args:
        stages: which are sampled.
        samplings: resolved settings, one a stage.
        text_length: tokens a prompt.
    """
    rows = []
    for stage, sampling in zip(stages, samplings, strict=True):
        assert isinstance(stage, StageSpec)
        assert isinstance(sampling, StageSampling)
        count = nfe(sampling, stage)
        rows.append(
            StageCost(
                stage=stage.name,
                sampler=sampling.sampler,
                steps=sampling.num_steps,
                nfe=count,
                rounds=network_evaluations(sampler_of(sampling), [0.0] * sampling.num_steps),
                flops=float(count * stage.flops(text_length)),
            )
        )
    return tuple(rows)


def generator_costs(spec: GeneratorSpec, samplings: Sequence[AnySampling]) -> tuple[StageCost, ...]:
    """The cost of one video of a generator: its steps, where it has such; evaluations and FLOPs are unknown.

    Videos that are already sampled have no cost.
    """
    if spec.kind == "videos":
        return ()
    rows = []
    for sampling in samplings:
        assert isinstance(sampling, GeneratorSampling)
        steps, sampler = sampling.settings.get("steps"), sampling.settings.get("sampler")
        rows.append(
            StageCost(
                stage=spec.name,
                sampler="its own" if sampler is None else str(sampler),
                steps=None if steps is None else int(steps),
                nfe=None,
                flops=None,
            )
        )
    return tuple(rows)


def task_flops(stage: StageSpec | GeneratorSpec, task: SampleTask, text_length: int) -> float | None:
    """FLOPs of one sample task; `stage` is the one whose weights it uses. None where nobody knows them."""
    if isinstance(stage, GeneratorSpec) or isinstance(task.sampling, GeneratorSampling):
        return None
    return float(nfe(task.sampling, stage) * len(task.prompts) * stage.flops(text_length))
