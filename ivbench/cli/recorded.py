"""What a results file was made of: the plan, or the folders, of the command that it records."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ivbench.cli.options import asked_by, plan_of
from ivbench.cli.score_folders import folder_request, folders_by
from ivbench.errors import ConfigError

if TYPE_CHECKING:
    from ivbench.plan import Plan
    from ivbench.results import Results
    from ivbench.run.folder_scoring import FolderRequest

__all__ = ["RecordedFolders", "RecordedPlan", "recorded"]

_COMMANDS = ("run", "score")


@dataclass(frozen=True)
class RecordedPlan:
    """What made a suite's results.

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


@dataclass(frozen=True)
class RecordedFolders:
    """What made the results of folders.

    Attributes:
        request: what was scored, and how.
        store: as of `RecordedPlan`.
    """

    request: FolderRequest
    store: Path | None


def recorded(results: Results, path: Path) -> RecordedPlan | RecordedFolders:
    """Work out anew what made a results file; paths in its command start at the current folder.

    Raises:
        ConfigError: its command is none of run and score, or now plans something else.
        MissingFileError: its suite or cascade is not there.
    """
    values = _values(results, path)
    if values.get("generated") is not None:
        return RecordedFolders(folder_request(folders_by(values), values["device"]), values["store"])
    asked = asked_by(values)
    name, plan = plan_of(asked)
    if plan.suite_digest != results.suite.digest:
        raise ConfigError(
            f'{path} was made by "{results.command}", which plans something else now: its suite or cascade was changed '
            "since. Bring that back, or run it again."
        )
    return RecordedPlan(plan, name, asked.device, values["store"])


def _values(results: Results, path: Path) -> dict[str, Any]:
    """What the recorded command says, by parameter."""
    from ivbench.cli.main import COMMANDS

    words = _words(results.command)[1:]
    if not words or words[0] not in _COMMANDS:
        raise ConfigError(f'{path} records the command "{results.command}". Only those of run and score are explained.')
    try:
        return COMMANDS[words[0]].load().make_context(words[0], words[1:], help_option_names=[]).params
    except click.UsageError as error:
        raise ConfigError(f'{path} records the command "{results.command}": {error.format_message()}') from error


def _words(command: str) -> list[str]:
    """The words of a command line; none where a quote is left open."""
    try:
        return shlex.split(command)
    except ValueError:
        return []
