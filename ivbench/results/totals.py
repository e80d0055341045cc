"""Sums of what may be unknown."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

__all__ = ["total"]

Number = TypeVar("Number", int, float)


def total(values: Iterable[Number | None]) -> Number | None:
    """The sum; None where there is nothing to sum, or one of them is unknown."""
    found = list(values)
    known = [value for value in found if value is not None]
    return sum(known[1:], known[0]) if known and len(known) == len(found) else None
