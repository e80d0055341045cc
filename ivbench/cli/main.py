"""The command `ivbench`: the group of commands, and what happens to errors.

Exit codes: 0 pass, 1 regression, 2 usage or missing value, 3 inconclusive, 70 a fault in ivbench itself (with its
traceback: please report it), 130 interrupted, 141 the reader of its output went away.
"""

from __future__ import annotations

import io
import sys
import traceback
from collections.abc import Sequence

import click

from ivbench.cli.lazy import LazyCommand, LazyGroup
from ivbench.errors import IvbenchError, MissingDependencyError

__all__ = ["COMMANDS", "EXIT_FAULT", "EXIT_INTERRUPTED", "EXIT_USAGE", "ivbench", "main"]

EXIT_USAGE = 2
EXIT_FAULT = 70
EXIT_INTERRUPTED = 130

COMMANDS = {
    "run": LazyCommand("ivbench.cli.run:run", "Plan, sample, score and report a suite: the whole way in one command"),
    "plan": LazyCommand("ivbench.cli.plan:plan", "Show a suite's cells, tasks and cost before anything runs"),
    "sample": LazyCommand("ivbench.cli.sample:sample", "Sample a suite's videos into the store"),
    "score": LazyCommand("ivbench.cli.score:score", "Score the sampled videos and write results.json"),
    "report": LazyCommand("ivbench.cli.report:report", "Write the HTML report of a results.json, or of several"),
    "compare": LazyCommand("ivbench.cli.compare:compare", "Compare two results files: new minus old, paired by prompt"),
    "check": LazyCommand("ivbench.cli.check:check", "Hold results against a baseline: the gate for CI"),
    "error-rates": LazyCommand(
        "ivbench.cli.error_rates:error_rates",
        "Measure how often compare and check are wrong, on simulated re-runs whose truth is known",
    ),
    "export": LazyCommand(
        "ivbench.cli.export:export", "Write results as CSV, Parquet, markdown, LaTeX, lm-eval, torch-fidelity or VBench"
    ),
    "log": LazyCommand("ivbench.cli.log:log", "Log finished results to wandb, MLflow or TensorBoard"),
    "store": LazyCommand("ivbench.cli.store:store_group", "Show, verify and clean up the store of what was computed"),
    "train": LazyCommand("ivbench.cli.train:train", "Train a stage, a text encoder or a probe from a recipe"),
    "distill": LazyCommand("ivbench.cli.distill:distill", "Distil a trained stage into students of fewer steps"),
    "metric": LazyCommand("ivbench.cli.metric:metric", "List metrics and profiles, write statistics, test responses"),
    "selftest": LazyCommand("ivbench.cli.selftest:selftest", "Check this installation: numbers, files, libraries"),
    "zoo": LazyCommand("ivbench.cli.zoo:zoo", "List, show and verify the cascades that come with ivbench"),
}

# The extra that brings a library, for the message where one is missing.
_EXTRAS = {
    "av": "video",
    "einops": "zoo",
    "flax": "flax",
    "jax": "jax",
    "open_clip": "zoo",
    "ml_dtypes": "zoo",
    "mlflow": "mlflow",
    "msgpack": "zoo",
    "orbax": "flax",
    "psutil": "zoo",
    "pyarrow": "parquet",
    "ray": "ray",
    "tensorboard": "tensorboard",
    "timm": "zoo",
    "tokenizers": "zoo",
    "torch": "zoo",
    "torchvision": "zoo",
    "transformers": "zoo",
    "vl_convert": "zoo",
    "wandb": "wandb",
}


@click.command(
    cls=LazyGroup,
    lazy=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="ivbench", message="ivbench %(version)s")
def ivbench() -> None:
    """Sample and score text-to-video diffusion cascades the way the Imagen Video paper does.

    `ivbench run` needs no argument: it samples the small cascade that comes with ivbench over a small grid, scores it,
    and opens the report.
    """


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; a user's mistake is one line on stderr.

    Args:
        arguments: what follows `ivbench`; by default the process's own.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # an arrow on an ASCII terminal is a question mark, not a crash
    try:
        returned = ivbench.main(args=arguments, prog_name="ivbench", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return EXIT_USAGE
    except (IvbenchError, click.ClickException, OSError) as error:
        click.echo(f"Error: {_one_line(error)}", err=True)
        return EXIT_USAGE
    except (click.Abort, KeyboardInterrupt):
        click.echo("Interrupted. What was finished is kept; the same command goes on from there.", err=True)
        return EXIT_INTERRUPTED
    except Exception as error:
        if isinstance(error, ModuleNotFoundError) and (
            extra := _EXTRAS.get(library := (error.name or "").partition(".")[0])
        ):
            click.echo(f"Error: {MissingDependencyError(library, extra)}", err=True)
            return EXIT_USAGE
        traceback.print_exc(file=sys.stderr)
        said = "This is a fault in ivbench, or in an object of yours that it ran, not in its input."
        click.echo(f"{said} If it is ivbench's, please report it with the lines above.", err=True)
        return EXIT_FAULT
    return returned if isinstance(returned, int) else 0


def _one_line(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror and error.filename:
        message = f"{error.strerror}: {error.filename}"
    else:
        message = error.format_message() if isinstance(error, click.ClickException) else str(error)
    if isinstance(error, click.UsageError) and error.ctx is not None:
        message = f"{message} See: {error.ctx.command_path} --help"
    return " ".join(message.split()) or type(error).__name__
