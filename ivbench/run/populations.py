"""Features of all videos of a plan's cells, as arrays: what simulations of pairs of results draw from."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ivbench.config import MetricConfig
from ivbench.metrics import Conditions
from ivbench.plan import Plan
from ivbench.results.store import Store
from ivbench.run.executors.base import Executor
from ivbench.run.job import Job
from ivbench.run.models import Models
from ivbench.run.progress import Reporter
from ivbench.run.unit_runner import UnitRunner
from ivbench.run.worker import Worker

__all__ = ["features_of_cells"]


def features_of_cells(
    plan: Plan, store: Store, models: Models, reporter: Reporter, executor: Executor
) -> dict[MetricConfig, tuple[Conditions, list[NDArray[Any]]]]:
    """Sample a plan's cells, and extract the features of their videos.

    Args:
        plan: what to sample.
        store: keeps the videos and features.
        models: cascade and extractors.
        reporter: told of progress.
        executor: where the work is done.

    Returns:
        Of every metric its conditions, and for each cell that did not stop [runs x samples, P, ...] features.

    Raises:
        IvbenchError: as `score_plan`.
    """
    worker = Worker(Job(plan, store, models, reporter))
    runner = UnitRunner(worker, executor)
    job, features = worker.job, worker.features
    runner.load([*features.models(), *worker.sampling.models()])
    worker.sampling.run(runner.run)
    features.run(runner.run)
    cells = [cell.id for cell in plan.cells if not job.stopped([cell.id])]
    tasks = {(task.cell, task.metric): task.consumes for task in plan.score}

    def of_cell(cell: str, metric: MetricConfig) -> NDArray[Any]:
        batches = list(features.batches(tasks[cell, metric]))
        videos = len(plan.suite.run_seeds) * plan.suite.samples_per_prompt
        rows = np.concatenate([batch.features for batch in batches])
        return rows.reshape(videos, len(plan.prompts), *rows.shape[1:])

    return {
        metric: (worker.scoring.conditions(metric), [of_cell(cell, metric) for cell in cells])
        for metric in plan.suite.metrics
    }
