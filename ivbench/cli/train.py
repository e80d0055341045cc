"""`ivbench train`: a stage, a text encoder or a probe, from a recipe."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["train"]


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
    JSON a step), strips of samples, checkpoints, the snapshots that the recipe asks for, and at the end the weights.
    Interrupted at any moment, the same command goes on from the last checkpoint of a stage or a probe, to the same loss
    curve where the number of threads is the same; a text encoder takes minutes and starts anew.
    """
    from ivbench.cli.training import set_threads
    from ivbench.config import read_yaml
    from ivbench.errors import ConfigError
    from ivbench.train.recipe import find_recipe, recipe_kind

    path = find_recipe(recipe)
    kind = recipe_kind(read_yaml(path), str(path))
    folder = out or Path("ivbench-out") / "train" / path.stem
    set_threads(threads)
    if kind == "stage":
        click.echo(_train_stage(path, folder, device))
    elif kind == "distillation":
        raise ConfigError(f"{path} is a recipe of kind distillation. Use: ivbench distill {recipe}")
    elif kind == "text-encoder":
        from ivbench.train.text_encoder import train_text_encoder

        click.echo(train_text_encoder(path, folder, _say))
    else:
        from ivbench.train.probes import train_probe

        click.echo(train_probe(path, folder, folder.with_name(f"{folder.name}-checkpoint"), _say))


def _say(line: str) -> None:
    click.echo(line, err=True)


def _train_stage(recipe: Path, out: Path, device: str) -> Path:
    """Train, and return the path of the weights."""
    from rich.console import Console

    from ivbench.cli.training import show_steps
    from ivbench.train.stage import open_stage
    from ivbench.train.torch_export import export_weights

    trainer, after_update = open_stage(recipe, out, device=device)
    with show_steps(Console(stderr=True), trainer.stage.name, trainer.step, trainer.steps) as show:
        trainer.run(show, after_update)
    weights = out / f"{trainer.stage.name}.safetensors"
    export_weights(trainer.average, weights)
    return weights
