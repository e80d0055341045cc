"""`ivbench sample`: a suite's videos into the store."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ivbench.cli.executing import executor_options
from ivbench.cli.options import Asked, plan_of, store_option, suite_options

if TYPE_CHECKING:
    from ivbench.run import Executor

__all__ = ["sample"]


@click.command()
@suite_options
@store_option
@executor_options
@click.pass_context
def sample(context: click.Context, asked: Asked, executor: Executor, store: Path | None) -> None:
    """Sample a suite's videos into the store.

    Nothing is scored. Videos that the store has are not made again.
    """
    from ivbench.cli.session import exit_code, in_words, session
    from ivbench.run import sample_plan

    name, planned = plan_of(asked)
    with session(name, store, asked.device, planned.execution) as working:
        job = sample_plan(planned, working.store, working.models, working.reporter, executor)
    problems = {cell.label: job.problem(cell.id) for cell in planned.cells if cell.id in job.problems}
    if not problems:
        click.echo(f"{planned.videos:,} videos in {working.store.root}")
    click.echo(in_words(len(job.computed)))
    context.exit(exit_code(problems))
