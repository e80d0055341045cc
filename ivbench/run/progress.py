"""What a long step tells while it works, and a display of it with the time that is left."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

__all__ = ["Phase", "Reporter", "RichReporter", "Silent"]

_EVERY = 10.0
"""Seconds between two lines of one phase where there is no terminal."""


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
    """A bar a step, with the time left; plain lines where there is no terminal. A line is said once."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._said: set[str] = set()
        self._progress = Progress(
            TextColumn("{task.description:<12}", markup=False),
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
        """A bar for the step, or lines where there is no terminal."""
        if self._console.is_terminal:
            return _Bar(self._progress, name, total)
        return _Lines(self._console, name, total)

    def say(self, line: str) -> None:
        """Print above the bars."""
        if line not in self._said:
            self._said.add(line)
            self._console.print(line, markup=False, highlight=False, soft_wrap=True)


class _Bar:
    def __init__(self, progress: Progress, name: str, total: float) -> None:
        self._progress = progress
        self._task = progress.add_task(name, total=max(total, 1e-9))

    def advance(self, amount: float) -> None:
        self._progress.advance(self._task, amount)


class _Lines:
    """A line at the beginning, and one every ten seconds."""

    def __init__(self, console: Console, name: str, total: float) -> None:
        self._console, self._name, self._total = console, name, max(total, 1e-9)
        self._done, self._started = 0.0, time.monotonic()
        self._last = self._started
        self._print(f"{name} ...")

    def advance(self, amount: float) -> None:
        self._done += amount
        now = time.monotonic()
        if now - self._last >= _EVERY and 0 < self._done < self._total:
            self._last = now
            left = (now - self._started) * (self._total / self._done - 1)
            self._print(f"{self._name} {100 * self._done / self._total:.0f} %, about {left:.0f} s left")

    def _print(self, line: str) -> None:
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)
