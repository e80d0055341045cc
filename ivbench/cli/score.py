"""`ivbench score`: scores of a suite's videos, or of a folder's, into results.json."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ivbench.cli.executing import executor_options
from ivbench.cli.options import Asked, log_option, out_option, plan_of, store_option, suite_options, timing_option
from ivbench.cli.score_folders import Folders, folder_options, score_two_folders

if TYPE_CHECKING:
    from ivbench.run import Executor

__all__ = ["score"]


@click.command()
@suite_options
@store_option
@timing_option
@executor_options
@folder_options
@out_option
@log_option
@click.pass_context
def score(
    context: click.Context,
    asked: Asked,
    executor: Executor,
    store: Path | None,
    timing: bool,
    folders: Folders,
    out: Path | None,
    trackers: tuple[str, ...],
) -> None:
    """Score the sampled videos and write results.json, results.csv and the gallery.

    Videos that the store lacks are sampled first. With --generated and --reference, the videos and images of two
    folders are scored instead of a suite's.
    """
    from ivbench.cli.console import add_to_job_summary
    from ivbench.cli.log import log_results
    from ivbench.cli.session import default_out, exit_code, in_words, score_session
    from ivbench.report import print_table
    from ivbench.report.exports.markdown import markdown_table

    if folders.generated is not None or folders.reference is not None:
        command = shlex.join(["ivbench", *sys.argv[1:]])
        scored = score_two_folders(folders, asked.device, store, out, command)
        add_to_job_summary(markdown_table(scored.results))
        context.exit(log_results(scored.path, trackers))
    name, planned = plan_of(asked)
    outcome = score_session(planned, name, store, asked.device, out or default_out(planned), timing, executor)
    print_table(outcome.results)
    add_to_job_summary(markdown_table(outcome.results))
    click.echo(f"\n{in_words(outcome.computed)}\nresults  {outcome.path}")
    context.exit(max(log_results(outcome.path, trackers), exit_code(outcome.problems)))
