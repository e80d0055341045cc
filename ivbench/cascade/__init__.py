"""Sampling: one stage, and stages that feed one another."""

from ivbench.cascade.conditioning import conditioning_video, fill_frames, upsample
from ivbench.cascade.stage import DistilledEvaluator, StageEvaluator, StageModel, StageSettings, sample_stage

__all__ = [
    "DistilledEvaluator",
    "StageEvaluator",
    "StageModel",
    "StageSettings",
    "conditioning_video",
    "fill_frames",
    "sample_stage",
    "upsample",
]
