"""Plan -> videos -> scores -> results.json, each step skipping what the store has."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ivbench.errors import ConfigError
from ivbench.plan import Plan, PlannedCell
from ivbench.results.files import write_csv, write_results
from ivbench.results.schema import RESULTS_VERSION, CascadeInfo, Cell, Results, Score, StageInfo, SuiteInfo
from ivbench.results.store import Store
from ivbench.run.disclosures import disclosures
from ivbench.run.environment import describe_environment
from ivbench.run.features import Features
from ivbench.run.gallery import cell_gallery, truth_gallery
from ivbench.run.models import Models
from ivbench.run.progress import Reporter
from ivbench.run.sampling import Sampling
from ivbench.run.scoring import Scoring
from ivbench.run.timing import Timing

__all__ = ["Outcome", "sample_plan", "score_plan"]

RESULTS = "results.json"
TABLE = "results.csv"


@dataclass(frozen=True)
class Outcome:
    """What a run left behind.

    Attributes:
        results: the record.
        path: of results.json.
        computed: tasks that were computed and not found in the store.
        problems: cell label -> why it has no scores.
    """

    results: Results
    path: Path
    computed: int
    problems: dict[str, str]


def sample_plan(plan: Plan, store: Store, models: Models, reporter: Reporter) -> Sampling:
    """Make every video that the store lacks.

    Raises:
        ConfigError: the cascade has no weights for a stage.
    """
    _require_weights(plan)
    sampling = Sampling(plan, store, models, reporter)
    sampling.run()
    return sampling


def score_plan(
    plan: Plan, store: Store, models: Models, reporter: Reporter, out: Path, command: str, measure_time: bool = True
) -> Outcome:
    """Score a plan's videos, making those that are missing, and write results.json, results.csv and the gallery.

    Args:
        plan: what to score.
        store: where everything is kept.
        models: cascade and extractors.
        reporter: told of progress.
        out: folder of the results.
        command: recorded as what made the results.
        measure_time: whether sampling time is measured.
    """
    sampling = sample_plan(plan, store, models, reporter)
    features = Features(plan, store, models, sampling, reporter)
    features.run()
    scoring = Scoring(plan, store, models, features, reporter, sampling.problems)
    scores, truth = scoring.run(), scoring.ground_truth()
    environment = describe_environment(plan.execution)
    timing = Timing(plan, store, models, environment, reporter)
    seconds = timing.run() if measure_time else {}
    cells = [
        _cell(cell, scores[cell.id], seconds, timing.description if measure_time else "", sampling, scoring, plan, out)
        for cell in plan.cells
    ]
    results = Results(
        version=RESULTS_VERSION,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        command=command,
        suite=_suite(plan),
        cascade=_cascade(plan),
        environments=[environment],
        cells=cells,
        ground_truth=truth,
        ground_truth_gallery=truth_gallery(plan, out),
        differences=scoring.differences(),
        disclosures=disclosures(plan),
    )
    write_results(results, out / RESULTS)
    write_csv(results, out / TABLE)
    labels = {cell.id: cell.label for cell in plan.cells}
    problems = {labels[cell]: why for cell, why in sampling.problems.items()}
    return Outcome(results, out / RESULTS, len(sampling.computed), problems)


def _require_weights(plan: Plan) -> None:
    missing = [stage.name for stage in plan.source.spec.stages if stage.name not in plan.source.weights]
    if missing:
        raise ConfigError(
            f'cascade "{plan.source.spec.name}" has no weights for {", ".join(missing)}: it can be planned and counted, '
            "not sampled. Name a cascade with weights: ivbench zoo list"
        )


def _cell(
    cell: PlannedCell,
    scores: list[Score],
    seconds: dict[tuple[str, str], tuple[float, float]],
    timing: str,
    sampling: Sampling,
    scoring: Scoring,
    plan: Plan,
    out: Path,
) -> Cell:
    problem = sampling.problems.get(cell.id, "")
    costs = []
    for cost in cell.costs:
        measured = seconds.get((cell.id, cost.stage))
        if measured is not None:
            cost = cost.model_copy(update={"seconds": measured[0], "peak_memory_mib": measured[1]})
        costs.append(cost)
    return Cell(
        id=cell.id,
        label=cell.label,
        settings=cell.settings,
        guidance_w=cell.guidance_w,
        scale_g=cell.scale_g,
        costs=costs,
        timing=timing,
        scores=scores,
        gallery=[] if problem else cell_gallery(plan, cell.id, sampling, scoring, out),
        complete=not problem,
        problem=problem,
    )


def _suite(plan: Plan) -> SuiteInfo:
    suite = plan.suite
    return SuiteInfo(
        name=suite.name,
        digest=plan.suite_digest,
        description=suite.description,
        prompts=list(plan.prompts),
        runs=len(suite.run_seeds),
        seeds=list(suite.run_seeds),
    )


def _cascade(plan: Plan) -> CascadeInfo:
    source = plan.source
    stages = [
        StageInfo(
            name=stage.name,
            kind=stage.kind,
            frames=stage.frames,
            height=stage.height,
            width=stage.width,
            fps=stage.fps,
            parameters=stage.parameters,
            weights=source.weights.get(stage.name, ""),
        )
        for stage in source.spec.stages
    ]
    return CascadeInfo(
        name=source.spec.name,
        digest=source.digest,
        description=source.description,
        stages=stages,
        text_encoder=source.spec.text.encoder,
    )
