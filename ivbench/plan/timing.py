"""How often sampling time is measured, for those who measure it and for those who say how long that takes."""

from __future__ import annotations

from ivbench.plan.plan import Plan

__all__ = ["REPEATS", "TIMING_BATCH", "compared_cells", "goes_on", "repeats_of"]

TIMING_BATCH = 16
"""Videos of a measurement; a generator's are its own batch."""
REPEATS = 3
ENOUGH = 1.0
"""Seconds after which a measurement is not repeated, unless a conclusion is on the ratio of its cell's time."""


def compared_cells(plan: Plan) -> set[str]:
    """Ids of the cells whose sampling time a conclusion compares."""
    times = {"seconds", "seconds_parallel"}
    ratios = [one for one in plan.suite.conclusions if times & {one.quantity, one.near}]
    labels = {label for one in ratios for label in (one.of, one.to)}
    return {cell.id for cell in plan.cells if cell.label in labels}


def repeats_of(seconds: float, least: int) -> int:
    """Repeats of a measurement that takes so long each time, at least so many."""
    done = 0
    while goes_on(done, done * seconds, least):
        done += 1
    return done


def goes_on(done: int, spent: float, least: int) -> bool:
    """Whether a measurement is repeated, after so many repeats in so many seconds."""
    return done < least or (done < REPEATS and spent < ENOUGH)
