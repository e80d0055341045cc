"""What a long step tells while it works, and a display of it with a time estimate."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

__all__ = ["Phase", "Reporter", "RichReporter", "Silent"]


class Phase(Protocol):
    """One step's progress."""

    def advance(self, amount: float) -> None:
        """So much more is done, in the step's own unit."""


class Reporter(Protocol):
    """Where steps report to."""

    def phase(self, name: str, total: float) -> Phase:
        """A step begins; `total` is what it has to do, in any unit."""

    def say(self, line: str) -> None:
        """One line that stays."""


class Silent:
    """Reports nothing; for libraries and tests. `lines` keeps what was said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def phase(self, name: str, total: float) -> Phase:
        """A phase that shows nothing."""
        return self

    def advance(self, amount: float) -> None:
        """Nothing."""

    def say(self, line: str) -> None:
        """Keep the line."""
        self.lines.append(line)


class RichReporter:
    """A bar a step, with the time left; plain lines where there is no terminal."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress = Progress(
            TextColumn("{task.description:<12}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
        )

    @contextmanager
    def shown(self) -> Iterator[RichReporter]:
        """Show the bars while the block runs."""
        if not self._console.is_terminal:
            yield self
            return
        with self._progress:
            yield self

    def phase(self, name: str, total: float) -> Phase:
        """A bar for the step, or a line where there is no terminal."""
        if not self._console.is_terminal:
            self._console.print(f"{name} ...")
        return _Bar(self._progress, name, total)

    def say(self, line: str) -> None:
        """Print above the bars."""
        self._console.print(line, markup=False, highlight=False)


class _Bar:
    def __init__(self, progress: Progress, name: str, total: float) -> None:
        self._progress = progress
        self._task = progress.add_task(name, total=max(total, 1e-9))

    def advance(self, amount: float) -> None:
        self._progress.advance(self._task, amount)
