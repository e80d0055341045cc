"""Weights & Biases: one run a results file, with a table of all cells, a summary by cell, and the report."""

from __future__ import annotations

from pathlib import Path

from ivbench.report.loggers.base import Line, Logged, Logger, facts, lines

__all__ = ["WANDB"]


def _write(logged: Logged) -> str:
    """Log to the project; `place` is the folder of local files. WANDB_MODE=offline keeps everything there."""
    import wandb

    if logged.place is not None:
        Path(logged.place).mkdir(parents=True, exist_ok=True)
    told = lines(logged.results)
    with wandb.init(
        project=logged.project, name=logged.name, dir=logged.place, config=facts(logged.results), reinit="create_new"
    ) as run:
        run.log({"cells": _table(wandb.Table, told)})
        for line in told:
            run.summary.update({f"{line.label}/{name}": value for name, value in line.values.items()})
        if logged.report is not None:
            run.log({"report": wandb.Html(str(logged.report), inject=False)})
        files = wandb.Artifact(f"results-{run.id}", "results")
        files.add_file(str(logged.source))
        run.log_artifact(files)
        return f"run {run.id} in {run.dir}"


def _table(kind: type, told: list[Line]) -> object:
    """A row a line; settings are texts, since one axis may hold numbers and words."""
    settings = list(dict.fromkeys(key for line in told for key in line.settings))
    names = list(dict.fromkeys(name for line in told for name in line.values))
    about = list(dict.fromkeys(key for line in told for key in line.about))
    table = kind(columns=["cell", *settings, *names, *about])
    for line in told:
        texts = [str(line.settings.get(key, "")) for key in settings]
        table.add_data(line.label, *texts, *map(line.values.get, names), *(line.about.get(key, "") for key in about))
    return table


WANDB = Logger("wandb", "wandb", _write)
