"""`ivbench plan`: what a suite will do and cost, before anything runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ivbench.cli.console import print_rows
from ivbench.cli.options import Asked, not_an_input, plan_of, store_option, suite_options

if TYPE_CHECKING:
    from ivbench.plan import Estimate, Plan, PlannedCell

__all__ = ["plan", "show_plan"]


@click.command()
@suite_options
@store_option
@click.option("--out", type=click.Path(path_type=Path), help="Write the plan to this file: plan.json.")
def plan(asked: Asked, store: Path | None, out: Path | None) -> None:
    """Show a suite's cells, tasks and cost before anything runs.

    NFE are network evaluations of one video, guidance doubles them; TFLOPs are of one video too, with 1 MAC = 2 FLOPs.
    Seconds are those that entries of the store took on this machine; before a first run, those of the card, which do
    not know how long real clips take to render. Of timing they are of --timing, all of it anew. Gallery and report,
    some seconds, come on top.
    """
    from ivbench.cli.session import default_store
    from ivbench.plan import estimate, write_plan
    from ivbench.results.store import Store

    not_an_input(out, asked.suite)
    _, planned = plan_of(asked)
    show_plan(planned, estimate(planned, Store(store or default_store())))
    if out is not None:
        write_plan(planned, out)
        click.echo(out)


def show_plan(planned: Plan, left: Estimate) -> None:
    """Print cells with their cost, then tasks and totals."""
    stages = planned.stages
    costs = [*(f"NFE {stage.name}" for stage in stages), "NFE", "TFLOPs"]
    columns = ["cell", *(costs if all(cell.costs for cell in planned.cells) else [])]
    print_rows(columns, [_row(cell) for cell in planned.cells], right=columns[1:])
    cost = f"{_tera(planned.flops)} TFLOPs of sampling" if len(columns) > 1 else "already sampled"
    runs = len(planned.suite.run_seeds)
    samples = planned.suite.samples_per_prompt
    each = f" x {samples} samples" if samples > 1 else ""
    click.echo(
        f"\n{planned.suite.name} on {planned.source.spec.name}: {len(planned.cells)} cells x {runs} runs x "
        f"{len(planned.prompts)} prompts{each} = {planned.videos:,} videos, {cost}"
    )
    for line in (*_tasks(planned, left), *_time(left)):
        click.echo(line)
    without = dict.fromkeys(stage for weights, stage in _used(planned) if not _has_weights(planned, weights, stage))
    if without:
        click.echo(f"no weights for {', '.join(without)}: this can be planned, not sampled")


def _tasks(planned: Plan, left: Estimate) -> list[str]:
    from ivbench.plan import shared_tasks
    from ivbench.plan.estimate import KINDS

    counts = {kind: len(getattr(planned, kind)) for kind in KINDS}
    shared, unshared = shared_tasks(planned)
    return [
        "tasks: " + ", ".join(f"{count:,} {kind}" for kind, count in counts.items() if count or kind != "input"),
        f"shared: {shared:,} of the sample tasks serve several cells; without sharing there would be {unshared:,}",
        f"store: {sum(left.found.values()):,} of {sum(counts.values()):,} results are there; to write: "
        f"videos {_megabytes(left.video_bytes)}, features {_megabytes(left.feature_bytes)}, "
        f"texts {_megabytes(left.text_bytes)}",
    ]


def _megabytes(size: int | None) -> str:
    return "of unknown size" if size is None else f"{size / 1e6:,.3g} MB"


def _time(left: Estimate) -> list[str]:
    known = [f"{step} {_duration(seconds)}" for step, seconds in left.seconds.items() if seconds is not None]
    unknown = [step for step, seconds in left.seconds.items() if seconds is None]
    by_card = [step for step in left.seconds if step in left.by_card]
    whose = "all" if len(by_card) == len(known) else ", ".join(by_card)
    how = f"{whose} at the cards' speed, which is another machine's" if by_card else "as this store's entries took"
    lines = [f"time: {', '.join(known)} ({how})"] if known else []
    if unknown:
        lines.append(f"time of {' and '.join(unknown)}: not known until this store has some")
    return lines


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}" if minutes else f"{rest} s"


def _used(planned: Plan) -> list[tuple[str, str]]:
    return list(dict.fromkeys((task.weights, task.stage) for task in planned.sample))


def _has_weights(planned: Plan, weights: str, stage: str) -> bool:
    from ivbench.plan.parts import origin

    return stage in origin(planned.source, planned.variants, weights).weights


def _row(cell: PlannedCell) -> list[str]:
    from ivbench.results.totals import total

    if not cell.costs:
        return [cell.label]
    each = [cost.nfe for cost in cell.costs]
    counts = ["unknown" if nfe is None else str(nfe) for nfe in (*each, total(each))]
    return [cell.label, *counts, _tera(total(cost.flops for cost in cell.costs))]


def _tera(flops: float | None) -> str:
    return "unknown" if flops is None else f"{flops / 1e12:,.4g}"
