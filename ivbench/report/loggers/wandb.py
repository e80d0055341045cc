"""Weights & Biases: one run a results file, with a table of all cells, a summary by cell, and the report."""

from __future__ import annotations

from pathlib import Path

from ivbench.errors import MissingDependencyError, StoreError
from ivbench.report.loggers.base import Logged, facts, values

__all__ = ["to_wandb"]


def to_wandb(logged: Logged) -> str:
    """Log to the project; `place` is the folder of local files. WANDB_MODE=offline keeps everything there.

    Raises:
        MissingDependencyError: wandb is not installed.
        StoreError: wandb can't log in, or its folder can't be written.
    """
    try:
        import wandb
    except ModuleNotFoundError:
        raise MissingDependencyError("wandb", "wandb") from None
    if logged.place is not None:
        Path(logged.place).mkdir(parents=True, exist_ok=True)
    try:
        with wandb.init(
            project=logged.project,
            name=logged.name,
            dir=logged.place,
            config=facts(logged.results),
            reinit="create_new",
        ) as run:
            run.log({"cells": _table(wandb.Table, logged)})
            for cell in logged.results.cells:
                run.summary.update({f"{cell.label}/{name}": value for name, value in values(cell)})
            if logged.report is not None:
                run.log({"report": wandb.Html(str(logged.report), inject=False)})
            files = wandb.Artifact(f"results-{run.id}", "results")
            files.add_file(str(logged.source))
            run.log_artifact(files)
            return f"run {run.id} in {run.dir}"
    except (wandb.Error, OSError) as error:
        raise StoreError(f"wandb: {error}. The results file is kept.") from error


def _table(kind: type, logged: Logged) -> object:
    cells = logged.results.cells
    settings = list(dict.fromkeys(key for cell in cells for key in cell.settings))
    names = list(dict.fromkeys(name for cell in cells for name, _ in values(cell)))
    table = kind(columns=["cell", *settings, *names])
    for cell in cells:
        told = dict(values(cell))
        table.add_data(cell.label, *(str(cell.settings.get(key)) for key in settings), *map(told.get, names))
    return table
