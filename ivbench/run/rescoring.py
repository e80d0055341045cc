"""Scores from what a store has: features are extracted where they are missing, videos never sampled."""

from __future__ import annotations

from ivbench.plan import Plan
from ivbench.results.schema import Score
from ivbench.results.store import Store
from ivbench.run.job import Job
from ivbench.run.models import Models
from ivbench.run.progress import Reporter
from ivbench.run.worker import Worker

__all__ = ["rescored"]


def rescored(plan: Plan, cell: str, store: Store, models: Models, reporter: Reporter) -> Score | None:
    """The score of a cell by a plan's first metric, or None where the store lacks videos of it.

    Args:
        plan: what to score.
        cell: id of one of its cells.
        store: of videos and features.
        models: extractors are taken from it.
        reporter: told of progress.

    Raises:
        IvbenchError: a network cannot be loaded, or a feature is not finite.
    """
    metric = plan.suite.metrics[0]
    scores = [task for task in plan.score if task.cell == cell and task.metric == metric]
    extracts = {task.id: task for task in plan.extract}
    worker = Worker(Job(plan, store, models, reporter))
    for task in (extracts[one] for score in scores for one in score.consumes):
        if not store.has(task.id) and store.get(task.sample) is None:
            return None
    worker.scoring.make(scores[0].id)
    return worker.scoring.scores(cell)[0]
