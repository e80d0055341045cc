"""Plan -> videos -> scores -> results.json, each step skipping what the store has."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from ivbench.errors import ConfigError, StoreError
from ivbench.plan import Plan
from ivbench.plan.parts import origin
from ivbench.results.atomic import remedy
from ivbench.results.files import write_csv, write_results
from ivbench.results.schema import Results
from ivbench.results.store import Store
from ivbench.run.executors import Executor, InlineExecutor
from ivbench.run.job import Job
from ivbench.run.models import Models
from ivbench.run.progress import Reporter
from ivbench.run.real_clips import require_reference
from ivbench.run.record import results_of
from ivbench.run.timing import Timing
from ivbench.run.unit_runner import UnitRunner
from ivbench.run.worker import Worker

__all__ = ["RESULTS", "TABLE", "Outcome", "require_folder", "sample_plan", "score_plan"]

RESULTS = "results.json"
TABLE = "results.csv"


@dataclass(frozen=True)
class Outcome:
    """What a run left behind.

    Attributes:
        results: the record.
        path: of results.json.
        computed: store entries that were computed and not found: texts, videos, features, scores and measurements.
        problems: cell label -> why it has no scores.
    """

    results: Results
    path: Path
    computed: int
    problems: dict[str, str]


def sample_plan(plan: Plan, store: Store, models: Models, reporter: Reporter, executor: Executor | None = None) -> Job:
    """Make every video that the store lacks.

    Args:
        plan: what to sample.
        store: where everything is kept.
        models: the cascade.
        reporter: told of progress.
        executor: where the work is done; None: in this process.

    Returns:
        What was computed, and which cells stopped and why.

    Raises:
        ConfigError: the cascade has no weights for a stage, or the suite asks for what this runner does not do.
        IvbenchError: a network cannot be loaded.
    """
    _require_runnable(plan)
    worker = Worker(Job(plan, store, models, reporter))
    runner = UnitRunner(worker, executor or InlineExecutor())
    runner.load(worker.sampling.models())
    worker.sampling.run(runner.run)
    return worker.job


def score_plan(
    plan: Plan,
    store: Store,
    models: Models,
    reporter: Reporter,
    out: Path,
    command: str,
    measure_time: bool = True,
    executor: Executor | None = None,
) -> Outcome:
    """Score a plan's videos, making those that are missing, and write results.json, results.csv and the gallery.

    What can fail by a wrong file or setting is looked at before anything is sampled.

    Args:
        plan: what to score.
        store: where everything is kept.
        models: cascade and extractors.
        reporter: told of progress.
        out: folder of the results.
        command: recorded as what made the results.
        measure_time: whether sampling time is measured: in this process, after the executor's workers have ended.
        executor: where the work is done; None: in this process.

    Raises:
        ConfigError: as `sample_plan`; or the reference set cannot be made, or an extractor does not serve its metric.
        StoreError: `out` or the store cannot be written.
        IvbenchError: a network cannot be loaded.
    """
    _require_runnable(plan)
    require_reference(plan)
    require_folder(out)
    job, executor = Job(plan, store, models, reporter), executor or InlineExecutor()
    worker, timing = Worker(job), Timing(job)
    if measure_time:
        timing.require_device()
    _compute(worker, UnitRunner(worker, executor))
    executor.close()
    seconds = timing.run() if measure_time else {}
    results = results_of(job, worker.sampling, worker.scoring, seconds, timing.description, command, out)
    write_results(results, out / RESULTS)
    write_csv(results, out / TABLE)
    problems = {cell.label: cell.problem for cell in results.cells if cell.problem}
    return Outcome(results, out / RESULTS, len(job.computed), problems)


def _compute(worker: Worker, runner: UnitRunner) -> None:
    """Everything that the store lacks; what can fail by a wrong file first."""
    runner.load([*worker.features.models(), *worker.sampling.models()])
    worker.sampling.run(runner.run)
    worker.features.run(runner.run)
    worker.scoring.run(runner.run)


def _require_runnable(plan: Plan) -> None:
    for weights in dict.fromkeys(task.weights for task in plan.sample):
        source = origin(plan.source, plan.variants, weights)
        stages = dict.fromkeys(task.stage for task in plan.sample if task.weights == weights)
        missing = [stage for stage in stages if stage not in source.weights]
        if missing:
            raise ConfigError(
                f'cascade "{source.spec.name}" has no weights for {", ".join(missing)}: it can be planned, not '
                "sampled. Name a cascade with weights: ivbench zoo list"
            )
    if plan.suite.noise != "numpy":
        raise ConfigError(f'noise is "{plan.suite.noise}", which this runner does not draw. Allowed: numpy.')


def require_folder(out: Path) -> None:
    """Make the folder of the results, before anything expensive.

    Raises:
        StoreError: it can't be made or written.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out):
            pass
    except OSError as error:
        raise StoreError(f"{out} can't be made or written: {error.strerror or error}. {remedy(error)}") from error
