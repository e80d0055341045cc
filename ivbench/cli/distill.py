"""`ivbench distill`: the students of a stage, from a recipe."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.console import Console

    from ivbench.train.torch_distillation import StudentTrainer

__all__ = ["distill"]


@click.command()
@click.argument("recipe")
@click.option(
    "--out", type=click.Path(path_type=Path), help="Folder of the students.  [default: ivbench-out/distill/RECIPE]"
)
@click.option("--until", metavar="PHASE", help="Stop after this phase: guidance, ddim-N, stochastic-N.  [default: all]")
@click.option("--threads", type=click.IntRange(min=1), help="Threads of the CPU.  [default: all cores]")
@click.option("--device", default="cpu", show_default=True, help="Where students are trained: cpu, cuda:1.")
def distill(recipe: str, out: Path | None, until: str | None, threads: int | None, device: str) -> None:
    """Distil a trained stage into students of fewer steps.

    RECIPE is a YAML file, or the name of one in the zoo's folder `recipes`. Each phase makes one student from the one
    before: first a network that takes the guidance weight as an input, then halvings of the steps, and with them
    students for the stochastic sampler. Each has a folder with a log (a line of JSON a step), a checkpoint and a strip
    of samples, and becomes a cascade in `students/` that `ivbench run` takes. Interrupted at any moment, the same
    command goes on from the last checkpoint, to the same result where the number of threads is the same.
    """
    from rich.console import Console

    from ivbench.cli.training import set_threads
    from ivbench.config import read_yaml
    from ivbench.errors import ConfigError
    from ivbench.train.recipe import find_recipe, recipe_kind

    path = find_recipe(recipe)
    kind = recipe_kind(read_yaml(path), str(path))
    if kind != "distillation":
        raise ConfigError(f"{path} is a recipe of kind {kind}. Use: ivbench train {recipe}")
    set_threads(threads)
    _distill(path, out or Path("ivbench-out") / "distill" / path.stem, until, device, Console(stderr=True))


def _distill(recipe: Path, out: Path, until: str | None, device: str, console: Console) -> None:
    from ivbench.cli.training import show_steps
    from ivbench.train.distillation import Distillation

    def train(trainer: StudentTrainer) -> None:
        name = f"{trainer.stage.name} {trainer.phase.name}"
        with show_steps(console, name, trainer.step, trainer.steps) as show:
            trainer.run(show)

    for folder in Distillation(recipe, out, device=device).run(until, train):
        click.echo(folder)
