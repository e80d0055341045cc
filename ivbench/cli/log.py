"""`ivbench log`: results into an experiment tracker."""

from __future__ import annotations

from pathlib import Path

import click

from ivbench.cli.options import results_file

__all__ = ["log", "log_results"]

LOGGERS = ("mlflow", "tensorboard", "wandb")


@click.command()
@click.argument("results", type=click.Path(path_type=Path))
@click.option(
    "--to", "kinds", type=click.Choice(LOGGERS), multiple=True, required=True, help="The tracker; repeatable."
)
@click.option("--place", help="The tracker's folder or address.  [default: the tracker's own]")
@click.option("--project", default="ivbench", show_default=True, help="What the tracker calls a group of runs.")
def log(results: Path, kinds: tuple[str, ...], place: str | None, project: str) -> None:
    """Log finished results to wandb, MLflow or TensorBoard.

    RESULTS is a results.json, or the folder that holds one. Every cell is logged with its settings, scores, standard
    errors, intervals, protocol ids and costs; nothing is computed.
    """
    log_results(results_file(results), kinds, place, project)


def log_results(source: Path, kinds: tuple[str, ...], place: str | None = None, project: str = "ivbench") -> None:
    """Log a results file to trackers, and say where each put it."""
    from ivbench.report.loggers import Logged
    from ivbench.report.loggers import log as logged
    from ivbench.results import read_results

    if not kinds:
        return
    what = Logged(read_results(source), source, place, project)
    for kind in kinds:
        click.echo(f"{kind}: {logged(kind, what)}")
