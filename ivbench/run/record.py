"""The record of a finished job: everything that results.json holds."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from ivbench.plan import CascadeSource, Plan, PlannedCell
from ivbench.plan.cells import published_records
from ivbench.plan.given import given_digest
from ivbench.results.schema import (
    RESULTS_VERSION,
    CascadeInfo,
    Cell,
    Counts,
    Published,
    PublishedSteps,
    Results,
    Score,
    StageCost,
    StageInfo,
    SuiteInfo,
)
from ivbench.run.conclusions import conclusions, published_differences, time_model
from ivbench.run.disclosures import disclosures
from ivbench.run.failures import failure_notes, in_words, tally_of
from ivbench.run.gallery import Gallery, prompts_shown
from ivbench.run.job import Job
from ivbench.run.sampling import Sampling
from ivbench.run.scoring import Scoring
from ivbench.run.timing import Measured

__all__ = ["Seconds", "results_of"]

Seconds = Mapping[tuple[str, str], Measured]
"""(cell id, stage) -> its measurement, where measured."""


def results_of(
    job: Job, sampling: Sampling, scoring: Scoring, seconds: Seconds, timing: str, command: str, out: Path
) -> Results:
    """Gather a job's results, and write the gallery.

    Args:
        job: finished.
        sampling: where the gallery's videos come from.
        scoring: finished.
        seconds: of each stage.
        timing: how they were measured.
        command: recorded as what made the results.
        out: the folder of results.json.
    """
    plan, differences = job.plan, scoring.differences()
    gallery = Gallery(plan, sampling, scoring, out, prompts_shown(plan, differences))
    cells = [_cell(job, cell, scoring, gallery, seconds, timing) for cell in plan.cells]
    truth = scoring.ground_truth()
    return Results(
        version=RESULTS_VERSION,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        command=command,
        suite=_suite(plan),
        cascade=_cascade(plan),
        environments=job.environments(),
        cells=cells,
        ground_truth=truth,
        ground_truth_gallery=gallery.truth(),
        ground_truth_published=_published_truth(plan),
        differences=differences,
        conclusions=conclusions(plan.suite.conclusions, cells, truth),
        published_differences=published_differences(cells),
        time_model=time_model(cells, _published_steps(plan)) if plan.suite.published is not None else None,
        disclosures=disclosures(plan),
        notes=_notes(job),
        origins=_origins(plan),
    )


def _cell(job: Job, cell: PlannedCell, scoring: Scoring, gallery: Gallery, seconds: Seconds, timing: str) -> Cell:
    problem, tally = job.problem(cell.id), tally_of(job, cell.id)
    costs = [_cost(cost, seconds.get((cell.id, cost.stage))) for cost in cell.costs]
    return Cell(
        id=cell.id,
        label=cell.label,
        settings=cell.settings,
        guidance_w=cell.guidance_w,
        scale_g=cell.scale_g,
        costs=costs,
        timing=timing if any(cost.seconds is not None for cost in costs) else "",
        scores=[_marked(score, job.plan, tally) for score in scoring.scores(cell.id)],
        gallery=[] if problem else gallery.cell(cell.id),
        published=list(cell.published),
        complete=not problem,
        problem=problem,
    )


def _marked(score: Score, plan: Plan, tally: Mapping[str, int]) -> Score:
    """A score with the count of the videos that are not in it, and the mark of weights that were loaded in part."""
    failed = sum(tally.values())
    if failed:
        kinds = {kind: count for kind, count in tally.items() if kind in Counts.model_fields and kind != "failed"}
        counts = {"generated": score.counts.used + failed, "failed": failed, **kinds}
        note = f"{failed} of {score.counts.used + failed} videos are not in this number: {in_words(tally)}"
        score = score.model_copy(
            update={"counts": score.counts.model_copy(update=counts), "notes": [*score.notes, note]}
        )
    if not plan.partial:
        return score
    return score.model_copy(update={"partial": True, "notes": [*score.notes, f"Partial load: {plan.partial}"]})


def _published_truth(plan: Plan) -> list[Published]:
    found = plan.suite.published
    return [] if found is None else list(published_records(plan.suite, found.ground_truth))


def _published_steps(plan: Plan) -> PublishedSteps | None:
    found = plan.suite.published
    if found is None or found.step_seconds is None:
        return None
    steps = found.step_seconds
    return PublishedSteps(base=steps.base, super_resolution=steps.sr, source=found.source)


def _cost(cost: StageCost, measured: Measured | None) -> StageCost:
    if measured is None:
        return cost
    update = {
        "seconds": measured.seconds,
        "repeats": list(measured.repeats),
        "peak_memory_mib": measured.memory,
    }
    return cost.model_copy(update=update)


def _notes(job: Job) -> list[str]:
    plan = job.plan
    notes = [*_partial_note(plan), *_part_note(plan), *failure_notes(job)]
    if not isinstance(plan.source, CascadeSource):
        return notes
    about = [job.store.manifest(task.id) for task in plan.encode]
    truncated = sum(one["truncated"] for one in about if one is not None)
    if not truncated:
        return notes
    return [
        *notes,
        f"{truncated} of {len(plan.prompts)} prompts are longer than the {plan.source.spec.text.length} tokens of "
        f"{plan.source.spec.text.encoder}; it did not see their ends.",
    ]


def _partial_note(plan: Plan) -> list[str]:
    """That no number here is the checkpoint's, where weights were loaded in part."""
    if not plan.partial:
        return []
    return [f"Weights were loaded in part ({plan.partial}): no number here is that of the checkpoint."]


def _part_note(plan: Plan) -> list[str]:
    """Which stages were sampled and from what, where these are not all."""
    if _whole(plan):
        return []
    names, given = ", ".join(stage.name for stage in plan.stages), plan.input_shape
    if given is None:
        return [f"A part of the cascade was sampled: {names}."]
    what = "given videos" if plan.given else "real clips of the prompts"
    size = f"{given.frames}x{given.height}x{given.width} (TxHxW), {given.fps:g} fps"
    return [f"A part of the cascade was sampled: {names}, from {what} at {size}."]


def _whole(plan: Plan) -> bool:
    return len(plan.stages) == len(plan.source.spec.stages)


def _origins(plan: Plan) -> list[str]:
    """The cascades whose weights stand in for the cascade's own."""
    named = plan.variants.items()
    return [f'Weights "{name}": cascade {source.spec.name}, {source.digest[:12]}.' for name, source in named]


def _suite(plan: Plan) -> SuiteInfo:
    suite = plan.suite
    return SuiteInfo(
        name=suite.name,
        digest=plan.suite_digest,
        description=suite.description,
        prompts=list(plan.prompts),
        runs=len(suite.run_seeds),
        seeds=list(suite.run_seeds),
        noise=suite.noise if isinstance(plan.source, CascadeSource) else "",
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
        for stage in plan.stages
    ]
    return CascadeInfo(
        name=source.spec.name,
        digest=source.digest,
        description=source.description,
        stages=stages,
        text_encoder=source.spec.text.encoder if isinstance(source, CascadeSource) else "",
        partial=plan.partial,
        part=_part(plan),
    )


def _part(plan: Plan) -> str:
    """Which stages were sampled and what the first of them started from; empty: all of them."""
    if _whole(plan):
        return ""
    names, given = ", ".join(stage.name for stage in plan.stages), given_digest(plan.suite.stages, plan.given)
    if plan.given:
        return f"{names} from videos {given[:16]}"
    return f"{names} from {given} clips" if given else names
