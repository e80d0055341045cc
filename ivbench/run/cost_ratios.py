"""Ratios of what two cells cost: exact of FLOPs and evaluations, with a range over repeats of seconds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ivbench.config.conclusions import ConclusionConfig
from ivbench.results.schema import Cell, Range, StageCost
from ivbench.results.totals import total

__all__ = ["Spread", "cost", "ratio_test"]

_EXACT = ("flops", "nfe")


@dataclass(frozen=True)
class Spread:
    """A cost or a ratio of costs.

    Attributes:
        value: of seconds by the median repeat of each stage.
        low, high: least and largest over repeats; `value` itself where it is exact.
        repeats: the fewest behind it; None: it is exact.
    """

    value: float
    low: float
    high: float
    repeats: int | None

    @property
    def range(self) -> Range | None:
        """None where it is exact, or of one repeat."""
        if self.repeats is None or self.repeats < 2:
            return None
        return Range(low=self.low, high=self.high, repeats=self.repeats)


def ratio_test(wanted: ConclusionConfig, of: Cell, to: Cell) -> Mapping[str, object]:
    """The fields of a conclusion on a cost of `to` over that of `of`.

    It holds or fails where the whole range does; it is undecided where the range lies on both sides of what is asked
    for, and with one repeat, which has no range.
    """
    assert wanted.quantity is not None
    ratio = _ratio(wanted.quantity, of, to)
    if wanted.near is not None:
        threshold = _ratio(wanted.near, of, to)
    else:
        assert wanted.at_least is not None
        threshold = Spread(wanted.at_least, wanted.at_least, wanted.at_least, None)
    fields = {
        "quantity": wanted.quantity,
        "value": None if ratio is None else ratio.value,
        "range": None if ratio is None else ratio.range,
        "threshold": None if threshold is None else threshold.value,
        "tolerance": wanted.tolerance,
    }
    if ratio is None or threshold is None:
        return fields
    return {**fields, "verdict": _verdict(_over(ratio, threshold), wanted.tolerance)}


def cost(quantity: str, stages: Sequence[StageCost]) -> Spread | None:
    """Of one video over all stages; None where it is not known.

    Args:
        quantity: seconds, seconds_parallel, flops or nfe.
        stages: of one cell. Each was timed by itself, so the least sum is the sum of their least repeats.
    """
    if quantity in _EXACT:
        exact = total(getattr(stage, quantity) for stage in stages)
        return None if exact is None else Spread(exact, exact, exact, None)
    timed = [_stage_seconds(quantity, stage) for stage in stages]
    known = [one for one in timed if one is not None]
    if not known or len(known) < len(timed):
        return None
    return Spread(
        sum(one.value for one in known),
        sum(one.low for one in known),
        sum(one.high for one in known),
        min(one.repeats or 1 for one in known),
    )


def _stage_seconds(quantity: str, stage: StageCost) -> Spread | None:
    if stage.seconds is None:
        return None
    factor = 1.0
    if quantity == "seconds_parallel":
        if stage.nfe is None or not stage.rounds:
            return None
        factor = stage.rounds / stage.nfe
    repeats = stage.repeats or [stage.seconds]
    return Spread(factor * stage.seconds, factor * min(repeats), factor * max(repeats), len(repeats))


def _ratio(quantity: str, of: Cell, to: Cell) -> Spread | None:
    below, above = (cost(quantity, cell.costs) for cell in (of, to))
    return None if below is None or above is None or not below.low > 0 else _over(above, below)


def _over(above: Spread, below: Spread) -> Spread:
    repeats = [one.repeats for one in (above, below) if one.repeats is not None]
    return Spread(
        above.value / below.value, above.low / below.high, above.high / below.low, min(repeats) if repeats else None
    )


def _verdict(relative: Spread, tolerance: float | None) -> str:
    """Of a ratio over what is asked for: at least 1 without a tolerance, else within it of 1."""
    if relative.repeats == 1:
        return "undecided"
    least, most = (1.0, math.inf) if tolerance is None else (1 - tolerance, 1 + tolerance)
    if least <= relative.low and relative.high <= most:
        return "holds"
    return "fails" if relative.high < least or relative.low > most else "undecided"
