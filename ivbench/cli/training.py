"""How a training shows its steps, for `train` and `distill`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["set_threads", "show_steps"]

_EVERY = 20


def set_threads(threads: int | None) -> None:
    """Let torch use this many threads of the CPU; None: all cores."""
    if threads is not None:
        import torch

        torch.set_num_threads(threads)


@contextmanager
def show_steps(console: Console, name: str, step: int, steps: int) -> Iterator[Callable[[dict[str, float]], None]]:
    """What shows a step: a bar on a terminal; elsewhere a plain line every 20 steps, and one for the last.

    Args:
        console: where.
        name: of what is trained.
        step: done before.
        steps: in all.
    """
    if step and step < steps:
        console.print(f"{name} resumed at step {step}", markup=False, highlight=False)
    if not console.is_terminal:

        def show_line(record: dict[str, float]) -> None:
            if record["step"] % _EVERY == 0 or record["step"] == steps:
                console.print(f"{name} {_line(record, steps)}", markup=False, highlight=False, soft_wrap=True)

        yield show_line
        return
    from rich.progress import BarColumn, Progress, TextColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[line]}"))
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(name, total=steps, completed=step, line="")
        yield lambda record: progress.update(task, completed=record["step"], line=_line(record, steps))


def _line(record: dict[str, float], steps: int) -> str:
    minutes, seconds = divmod(round(record["left"]), 60)
    hours, minutes = divmod(minutes, 60)
    left = f"{hours}:{minutes:02d}:{seconds:02d}"
    return f"step {record['step']:.0f}/{steps}  loss {record['loss']:.4g}  {record['rate']:.2f} steps/s  left {left}"
