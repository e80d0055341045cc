"""What the commands that compute share: the store, the models, and the display of progress."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from ivbench.plan import Execution, Plan
    from ivbench.results.store import Store
    from ivbench.run import Executor, Models, Outcome, RichReporter

__all__ = [
    "STORE_VARIABLE",
    "Session",
    "default_out",
    "default_store",
    "exit_code",
    "in_words",
    "score_session",
    "session",
]

STORE_VARIABLE = "IVBENCH_STORE"


@dataclass(frozen=True)
class Session:
    """What a computing command works with."""

    store: Store
    models: Models
    reporter: RichReporter


def default_store() -> Path:
    """`$IVBENCH_STORE`, else `ivbench/store` in the user's cache folder."""
    named = os.environ.get(STORE_VARIABLE)
    if named:
        return Path(named).expanduser()
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "ivbench" / "store"


def default_out(plan: Plan) -> Path:
    """`ivbench-out/SUITE-CASCADE` in the current folder."""
    return Path("ivbench-out") / f"{plan.suite.name}-{plan.source.spec.name}"


@contextmanager
def session(cascade: str, store: Path | None, device: str, execution: Execution | None = None) -> Iterator[Session]:
    """Open store and models, and show progress on stderr while the block runs.

    Args:
        cascade: a card's name or folder, or the name of a generator.
        store: the store's folder; None: `default_store()`.
        device: where networks run.
        execution: of the plan: backend and dtype; None: PyTorch in float32.
    """
    from rich.console import Console

    from ivbench.adapters import is_door
    from ivbench.plan import Execution
    from ivbench.results.store import Store
    from ivbench.run import Models, RichReporter
    from ivbench.zoo import read_card

    reporter = RichReporter(Console(stderr=True))
    opened = Store(store or default_store(), on_problem=reporter.say)
    # What a cluster's library prints of its own accord is no result of the command.
    with reporter.shown(), redirect_stdout(sys.stderr):
        how = execution or Execution()
        models = Models(
            cascade if is_door(cascade) else read_card(cascade), device, backend=how.backend, dtype=how.dtype
        )
        yield Session(opened, models, reporter)


def score_session(
    plan: Plan,
    cascade: str,
    store: Path | None,
    device: str,
    out: Path,
    measure_time: bool,
    executor: Executor | None = None,
    command: Sequence[str] = (),
) -> Outcome:
    """Sample and score a plan, and write its results; see `ivbench.run.score_plan`.

    The results record the words of `command`; without any those of this process.
    """
    from ivbench.run import score_plan

    said = shlex.join(command or ["ivbench", *sys.argv[1:]])
    with session(cascade, store, device, plan.execution) as working:
        return score_plan(plan, working.store, working.models, working.reporter, out, said, measure_time, executor)


def in_words(computed: int) -> str:
    """How much was computed, and not found in the store."""
    if not computed:
        return "nothing was computed: all of it was in the store"
    return f"{computed:,} entr{'y' if computed == 1 else 'ies'} of the store computed"


def exit_code(problems: Mapping[str, str]) -> int:
    """Say which cells stopped, a line each, and give the command's exit code.

    Args:
        problems: cell label -> why it stopped.
    """
    for label, why in problems.items():
        click.echo(f"Error: cell {label} stopped: {why}", err=True)
    return 2 if problems else 0
