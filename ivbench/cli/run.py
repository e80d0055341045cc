"""`ivbench run`: plan, sample, score and report in one command."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ivbench.cli.executing import executor_options
from ivbench.cli.options import Asked, log_option, out_option, plan_of, store_option, suite_options, timing_option

if TYPE_CHECKING:
    from ivbench.run import Executor

__all__ = ["run"]


@click.command()
@suite_options
@store_option
@timing_option
@executor_options
@out_option
@log_option
@click.option("--open/--no-open", "open_it", default=True, help="Open the report in the browser, where there is one.")
@click.pass_context
def run(
    context: click.Context,
    asked: Asked,
    executor: Executor,
    store: Path | None,
    timing: bool,
    out: Path | None,
    trackers: tuple[str, ...],
    open_it: bool,
) -> None:
    """Plan, sample, score and report a suite: the whole way in one command.

    Without an option: the suite `quick` on the small cascade that comes with ivbench. What the store has is not
    computed again; interrupted, the same command goes on where it stopped.
    """
    from ivbench.cli.console import add_to_job_summary, open_page
    from ivbench.cli.log import log_results
    from ivbench.cli.session import default_out, exit_code, in_words, score_session
    from ivbench.report import print_table, write_report
    from ivbench.report.exports.markdown import markdown_table

    name, planned = plan_of(asked)
    folder = out or default_out(planned)
    outcome = score_session(planned, name, store, asked.device, folder, timing, executor)
    page = write_report(outcome.path, folder / "report.html")
    print_table(outcome.results)
    add_to_job_summary(markdown_table(outcome.results))
    click.echo(f"\n{in_words(outcome.computed)}\nresults  {outcome.path}\nreport   {page}")
    if open_it:
        open_page(page)
    context.exit(max(log_results(outcome.path, trackers), exit_code(outcome.problems)))
