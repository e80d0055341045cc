"""Smaller batches where a device runs out of memory."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TypeVar

__all__ = ["in_batches", "is_out_of_memory", "kinds_out_of_memory"]

T = TypeVar("T")


def in_batches(
    count: int,
    run: Callable[[slice], T],
    out_of_memory: tuple[type[BaseException], ...],
    largest: int | None = None,
) -> list[T]:
    """Run a batch whole, or in halves of halves where it does not fit.

    Args:
        count: rows of the batch.
        run: computes some of its rows.
        out_of_memory: what `run` raises when they are too many.
        largest: rows to begin with; None: all.

    Returns:
        What `run` returned, in order of rows.

    Raises:
        Whatever of `out_of_memory` a single row raised.
    """
    size, start, parts = min(count, largest or count), 0, []
    while start < count:
        try:
            parts.append(run(slice(start, min(start + size, count))))
        except out_of_memory:
            if size == 1:
                raise
            size = (size + 1) // 2
        else:
            start += size
    return parts


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that memory ran out."""
    return isinstance(error, kinds_out_of_memory())


def kinds_out_of_memory() -> tuple[type[BaseException], ...]:
    """The exceptions that say so: Python's, and torch's where torch is loaded."""
    torch = sys.modules.get("torch")
    return (MemoryError,) if torch is None else (MemoryError, torch.OutOfMemoryError)
