"""Suite and cascade -> cells -> task graph with ids and costs. Imports no framework and runs nothing."""

from ivbench.plan.cells import PlannedCell, expand, stand_ins
from ivbench.plan.cost import stage_costs
from ivbench.plan.estimate import Estimate, estimate, shared_tasks
from ivbench.plan.ids import task_id
from ivbench.plan.plan import Plan, build_plan, read_plan, sized, write_plan
from ivbench.plan.resolve import guidance_of, resolve, sampler_of, thresholding_of
from ivbench.plan.sources import (
    CascadeSource,
    Execution,
    GeneratorSource,
    Source,
    cascade_source,
    extractor_digests,
    torch_device,
)
from ivbench.plan.tasks import EncodeTask, ExtractTask, InputTask, SampleTask, ScoreTask, blocks

__all__ = [
    "CascadeSource",
    "EncodeTask",
    "Estimate",
    "Execution",
    "ExtractTask",
    "GeneratorSource",
    "InputTask",
    "Plan",
    "PlannedCell",
    "SampleTask",
    "ScoreTask",
    "Source",
    "blocks",
    "build_plan",
    "cascade_source",
    "estimate",
    "expand",
    "extractor_digests",
    "guidance_of",
    "read_plan",
    "resolve",
    "sampler_of",
    "shared_tasks",
    "sized",
    "stage_costs",
    "stand_ins",
    "task_id",
    "thresholding_of",
    "torch_device",
    "write_plan",
]
