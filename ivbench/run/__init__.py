"""The runner: executes a plan on a store, step by step, and writes results."""

from ivbench.run.executors import Executor, InlineExecutor, Resources
from ivbench.run.job import Job
from ivbench.run.models import Models
from ivbench.run.pipeline import Outcome, sample_plan, score_plan
from ivbench.run.progress import Reporter, RichReporter, Silent

__all__ = [
    "Executor",
    "InlineExecutor",
    "Job",
    "Models",
    "Outcome",
    "Reporter",
    "Resources",
    "RichReporter",
    "Silent",
    "sample_plan",
    "score_plan",
]
