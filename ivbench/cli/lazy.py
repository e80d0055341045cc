"""A click group that knows its commands' names and help, and imports a command's module only to run it."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import click

from ivbench.errors import did_you_mean

__all__ = ["EXIT_PIPE", "LazyCommand", "LazyGroup"]

EXIT_PIPE = 141


@dataclass(frozen=True)
class LazyCommand:
    """Where a command is, and the line that stands for it in the group's help.

    Attributes:
        target: `module:object`, a `click.Command`.
        help: one line without a full stop; the command's own help begins with it.
    """

    target: str
    help: str

    def load(self) -> click.Command:
        """Import the module and return the command."""
        module, _, attribute = self.target.partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command


class LazyGroup(click.Group):
    """A group over a table of `LazyCommand`: its help imports none of them.

    Args:
        lazy: name to command, in the order of the help.
        kwargs: what `click.Group` takes.
    """

    def __init__(self, *args: Any, lazy: Mapping[str, LazyCommand], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.lazy = dict(lazy)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order of the table."""
        return list(self.lazy)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return a command; None for a name that the table does not have."""
        entry = self.lazy.get(cmd_name)
        return None if entry is None else entry.load()

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that the arguments begin with.

        Raises:
            click.UsageError: no such command; says the nearest one.
        """
        name = args[0]
        if not name.startswith("-") and name not in self.lazy:
            ctx.fail(f'no command is called "{name}".{did_you_mean(name, self.lazy)}')
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; a reader of its output that goes away ends it with 141, as a shell counts SIGPIPE.

        click's own 1 is this program's word for a regression.
        """
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left is flushed to nowhere
            raise click.exceptions.Exit(EXIT_PIPE) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the table of commands from the table's own lines."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.help) for name, entry in self.lazy.items()])
