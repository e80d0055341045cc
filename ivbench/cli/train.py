"""`ivbench train`: a stage, a text encoder or a probe, from a recipe."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.console import Console

    from ivbench.train.torch_stage import StageTrainer

__all__ = ["train"]

_EVERY = 20


@click.command()
@click.argument("recipe")
@click.option(
    "--out", type=click.Path(path_type=Path), help="Folder of the training.  [default: ivbench-out/train/RECIPE]"
)
@click.option("--threads", type=click.IntRange(min=1), help="Threads of the CPU.  [default: all cores]")
@click.option("--device", default="cpu", show_default=True, help="Where a stage is trained: cpu, cuda:1.")
def train(recipe: str, out: Path | None, threads: int | None, device: str) -> None:
    """Train a stage, a text encoder or a probe from a recipe.

    RECIPE is a YAML file, or the name of one in the zoo's folder `recipes`. Of a stage the folder gets a log (a line of
    JSON a step), strips of samples, checkpoints, and at the end the weights. Interrupted at any moment, the same
    command goes on from the last checkpoint of a stage or a probe, to the same loss curve where the number of threads
    is the same; a text encoder takes minutes and starts anew.
    """
    from ivbench.config import read_yaml
    from ivbench.train.recipe import find_recipe, recipe_kind

    path = find_recipe(recipe)
    kind = recipe_kind(read_yaml(path), str(path))
    folder = out or Path("ivbench-out") / "train" / path.stem
    if threads is not None:
        _set_threads(threads)
    if kind == "stage":
        click.echo(_train_stage(path, folder, device))
    elif kind == "text-encoder":
        from ivbench.train.text_encoder import train_text_encoder

        click.echo(train_text_encoder(path, folder, _say))
    else:
        from ivbench.train.probes import train_probe

        click.echo(train_probe(path, folder, folder.with_name(f"{folder.name}-checkpoint"), _say))


def _say(line: str) -> None:
    click.echo(line, err=True)


def _set_threads(threads: int) -> None:
    import torch

    torch.set_num_threads(threads)


def _train_stage(recipe: Path, out: Path, device: str) -> Path:
    """Train, and return the path of the weights."""
    from rich.console import Console

    from ivbench.train.stage import open_stage
    from ivbench.train.torch_export import export_weights

    console = Console(stderr=True)
    trainer, strips = open_stage(recipe, out, device=device)
    if trainer.step:
        console.print(f"resumed at step {trainer.step}", highlight=False)
    with _display(console, trainer) as show:
        trainer.run(show, strips.write)
    weights = out / f"{trainer.stage.name}.safetensors"
    export_weights(trainer.average, weights)
    return weights


@contextmanager
def _display(console: Console, trainer: StageTrainer) -> Iterator[Callable[[dict[str, float]], None]]:
    """What shows a step: a bar on a terminal; elsewhere a plain line every 20 steps, and one for the last."""
    name, steps = trainer.stage.name, trainer.recipe.steps
    if not console.is_terminal:

        def show_line(record: dict[str, float]) -> None:
            if record["step"] % _EVERY == 0 or record["step"] == steps:
                console.print(f"{name} {_line(record, steps)}", markup=False, highlight=False, soft_wrap=True)

        yield show_line
        return
    from rich.progress import BarColumn, Progress, TextColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[line]}"))
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(name, total=steps, completed=trainer.step, line="")
        yield lambda record: progress.update(task, completed=record["step"], line=_line(record, steps))


def _line(record: dict[str, float], steps: int) -> str:
    minutes, seconds = divmod(round(record["left"]), 60)
    hours, minutes = divmod(minutes, 60)
    left = f"{hours}:{minutes:02d}:{seconds:02d}"
    return f"step {record['step']:.0f}/{steps}  loss {record['loss']:.4f}  {record['rate']:.2f} steps/s  left {left}"
