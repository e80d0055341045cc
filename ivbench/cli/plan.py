"""`ivbench plan`: what a suite will do and cost, before anything runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ivbench.cli.console import print_rows
from ivbench.cli.options import not_an_input, plan_of, suite_options

if TYPE_CHECKING:
    from ivbench.plan import Plan, PlannedCell

__all__ = ["plan", "show_plan"]


@click.command()
@suite_options
@click.option("--out", type=click.Path(path_type=Path), help="Write the plan to this file: plan.json.")
def plan(suite: str, cascade: str | None, device: str, out: Path | None) -> None:
    """Show a suite's cells, tasks and cost before anything runs.

    NFE are network evaluations of one video, guidance doubles them; TFLOPs are of one video too, with 1 MAC = 2 FLOPs.
    """
    from ivbench.plan import write_plan

    not_an_input(out, suite)
    _, planned = plan_of(suite, cascade, device)
    show_plan(planned)
    if out is not None:
        write_plan(planned, out)
        click.echo(out)


def show_plan(planned: Plan) -> None:
    """Print cells with their cost, then tasks and totals."""
    stages = planned.source.spec.stages
    columns = ["cell", *(f"NFE {stage.name}" for stage in stages), "NFE", "TFLOPs"]
    print_rows(columns, [_row(cell) for cell in planned.cells], right=columns[1:])
    runs = len(planned.suite.run_seeds)
    click.echo(
        f"\n{planned.suite.name} on {planned.source.spec.name}: {len(planned.cells)} cells x {runs} runs x "
        f"{len(planned.prompts)} prompts = {planned.videos:,} videos, {planned.flops / 1e12:,.4g} TFLOPs of sampling"
    )
    kinds = {name: len(getattr(planned, name)) for name in ("encode", "sample", "extract", "score")}
    click.echo("tasks: " + ", ".join(f"{count:,} {name}" for name, count in kinds.items()))
    without = [stage.name for stage in stages if stage.name not in planned.source.weights]
    if without:
        click.echo(f"no weights for {', '.join(without)}: this can be planned, not sampled")


def _row(cell: PlannedCell) -> list[str]:
    each = [cost.nfe for cost in cell.costs]
    flops = sum(cost.flops for cost in cell.costs)
    return [cell.label, *map(str, each), str(sum(each)), f"{flops / 1e12:,.4g}"]
