"""`ivbench log`: results into an experiment tracker."""

from __future__ import annotations

from pathlib import Path

import click

from ivbench.cli.options import results_file, trackers_option

__all__ = ["log", "log_results"]


@click.command()
@click.argument("results", type=click.Path(path_type=Path))
@trackers_option("--to", "The tracker: {}; repeatable.", required=True)
@click.option("--place", help="The tracker's folder or address.  [default: the tracker's own]")
@click.option("--project", default="ivbench", show_default=True, help="What the tracker calls a group of runs.")
@click.option("--name", help="What the tracker calls these results.  [default: suite and cascade]")
@click.pass_context
def log(
    context: click.Context, results: Path, trackers: tuple[str, ...], place: str | None, project: str, name: str | None
) -> None:
    """Log finished results to wandb, MLflow or TensorBoard.

    RESULTS is a results.json, or the folder that holds one. Every cell is logged with its settings, scores, standard
    errors, intervals, protocol ids and costs, and so is the ground truth; nothing is computed.
    """
    context.exit(log_results(results_file(results), trackers, place, project, name))


def log_results(
    source: Path, trackers: tuple[str, ...], place: str | None = None, project: str = "ivbench", name: str | None = None
) -> int:
    """Log a results file to trackers, and say where each put it.

    Returns:
        The exit code: 2 where a tracker failed; each says why in a line, and keeps no other from its turn.
    """
    from ivbench.errors import IvbenchError
    from ivbench.report.loggers import Logged
    from ivbench.report.loggers import log as logged
    from ivbench.results import read_results

    if not trackers:
        return 0
    what, code = Logged(read_results(source), source, place, project, name), 0
    for tracker in trackers:
        try:
            click.echo(f"{tracker}: {logged(tracker, what)}")
        except IvbenchError as error:
            click.echo(f"Error: {tracker}: {' '.join(str(error).split())}", err=True)
            code = error.exit_code
    return code
