"""The plan behind a results file: that of the command which the file records, if it still plans the same."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ivbench.cli.options import asked_by, plan_of
from ivbench.errors import ConfigError

if TYPE_CHECKING:
    from ivbench.plan import Plan
    from ivbench.results import Results

__all__ = ["Recorded", "recorded_plan"]

_COMMANDS = ("run", "score")


@dataclass(frozen=True)
class Recorded:
    """What made a results file.

    Attributes:
        plan: worked out anew.
        cascade: its name or folder.
        device: where networks ran.
        store: the folder that the command named; None: the default one.
    """

    plan: Plan
    cascade: str
    device: str
    store: Path | None


def recorded_plan(results: Results, path: Path) -> Recorded:
    """Plan anew what made a results file; paths of suites and cascades start at the current folder.

    Raises:
        ConfigError: the file was made of folders of videos, or its command now plans something else.
        MissingFileError: its suite or cascade is not there.
    """
    from ivbench.cli.main import COMMANDS

    words = _words(results.command)[1:]
    if not words or words[0] not in _COMMANDS:
        raise ConfigError(f'{path} records the command "{results.command}". Only those of run and score are explained.')
    try:
        values = COMMANDS[words[0]].load().make_context(words[0], words[1:], help_option_names=[]).params
    except click.UsageError as error:
        raise ConfigError(f'{path} records the command "{results.command}": {error.format_message()}') from error
    if values.get("generated") is not None:
        raise ConfigError(f"{path} was scored from folders of videos. Only results of a suite are explained.")
    asked = asked_by(values)
    name, plan = plan_of(asked)
    if plan.suite_digest != results.suite.digest:
        raise ConfigError(
            f'{path} was made by "{results.command}", which plans something else now: its suite or cascade was changed '
            "since. Bring that back, or run it again."
        )
    return Recorded(plan, name, asked.device, values["store"])


def _words(command: str) -> list[str]:
    """The words of a command line; none where a quote is left open."""
    try:
        return shlex.split(command)
    except ValueError:
        return []
