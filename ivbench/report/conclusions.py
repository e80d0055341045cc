"""Conclusions put to the test on the cells; published differences beside ours; a model of sampling time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ivbench.report.claims import metrics
from ivbench.report.formats import bounds, decimals, number, seconds
from ivbench.results.schema import Conclusion, PublishedDifference, Results, TimeModel

__all__ = ["ConclusionRow", "PublishedRow", "Tests", "tests_of"]

_NONE = "\N{EN DASH}"
_COSTS = {
    "seconds": "sampling time",
    "seconds_parallel": "sampling time, guidance in parallel",
    "flops": "FLOPs",
    "nfe": "NFE",
}
_EXACT = ("flops", "nfe")


@dataclass(frozen=True)
class ConclusionRow:
    """A conclusion in words, its cells and quantity, our value, what was asked for, the verdict.

    Attributes:
        interval: of the value, or its range over repeats; empty where there is neither.
        basis: of a ratio: what its ends are, or that it is exact.
        ours: a test of our own: no published value stands beside it.
    """

    text: str
    cells: str
    quantity: str
    value: str
    interval: str
    basis: str
    asked: str
    published: str
    verdict: str
    ours: bool


@dataclass(frozen=True)
class PublishedRow:
    """The difference of two cells in combined standard errors: in our table and in the published one."""

    cells: str
    metric: str
    measured: str
    published: str


@dataclass(frozen=True)
class Tests:
    """All that a results file holds of conclusions and published values.

    Attributes:
        conclusions: a row each.
        differences: a row for every two cells and metric that have published values.
        time: the linear model of sampling time in sentences; empty where there is none.
    """

    conclusions: list[ConclusionRow]
    differences: list[PublishedRow]
    time: str


def tests_of(results: Results) -> Tests:
    """The recorded tests as text; nothing is tested here."""
    labels = {cell.id: cell.label for cell in results.cells}
    titles = {metric.name: metric.label for metric in reversed(metrics(results))}
    return Tests(
        [_conclusion(one, labels) for one in results.conclusions],
        [_published(one, labels, titles) for one in results.published_differences],
        _time(results),
    )


def _conclusion(one: Conclusion, labels: dict[str, str]) -> ConclusionRow:
    ratio = one.kind == "ratio"
    value, threshold = one.value, one.threshold
    spread = one.range if ratio else one.interval
    ends = () if spread is None else (spread.low, spread.high)
    digits = decimals([each for each in (value, threshold, *ends) if each is not None])
    of, to = labels.get(one.of, one.of), labels.get(one.to, one.to)
    return ConclusionRow(
        one.text,
        f"{to} over {of}" if ratio else f"{of} against {to}",
        _COSTS.get(one.quantity, one.quantity),
        _NONE if value is None else number(value, digits) + ("\N{MULTIPLICATION SIGN}" if ratio else ""),
        bounds(*ends, digits) if len(ends) == 2 else "",
        _basis(one),
        _asked(one, digits),
        _NONE if one.published is None else f"{one.published:g}".replace("-", "\N{MINUS SIGN}"),
        one.verdict,
        one.published is None,
    )


def _basis(one: Conclusion) -> str:
    if one.kind != "ratio" or one.value is None:
        return ""
    if one.quantity in _EXACT:
        return "exact"
    return "" if one.range is None else f"range over {one.range.repeats} repeats"


def _asked(one: Conclusion, digits: int) -> str:
    """What the conclusion asks for, and the one-sided bound that it was held against."""
    if one.kind == "better":
        return "the interval excludes 0"
    if one.threshold is None:
        return _NONE
    threshold = number(one.threshold, digits)
    if one.kind == "non_inferior":
        bound = "" if one.bound is None else f"; one-sided 95 % bound {number(one.bound, digits)}"
        return f"margin {threshold}{bound}"
    if one.kind == "equivalent":
        bound = "" if one.bound is None else f"; farther one-sided 95 % bound {number(one.bound, digits)}"
        return f"margin \N{PLUS-MINUS SIGN}{threshold}{bound}"
    if one.tolerance is None:
        return f"at least {threshold}\N{MULTIPLICATION SIGN}"
    return f"within {100 * one.tolerance:g} % of {threshold}\N{MULTIPLICATION SIGN}"


def _published(one: PublishedDifference, labels: dict[str, str], titles: dict[str, str]) -> PublishedRow:
    cells = f"{labels.get(one.a, one.a)} against {labels.get(one.b, one.b)}"
    return PublishedRow(cells, titles.get(one.metric, one.metric), _errors(one.measured), _errors(one.published))


def _errors(value: float | None) -> str:
    return _NONE if value is None else ("+" if value > 0 else "") + number(value, 1)


def _time(results: Results) -> str:
    found = results.time_model
    if found is None:
        return ""
    parts = [found.constant, found.base, found.super_resolution]
    return " ".join([_sentence(parts, found.largest_error), *_steps(found)])


def _sentence(parts: Sequence[float], error: float) -> str:
    constant, base, rest = (seconds(abs(part)) for part in parts)
    sign = "\N{MINUS SIGN}" if parts[0] < 0 else ""
    return (
        f"Sampling time of one video is {sign}{constant} + {base} for each evaluation of the base + {rest} for each "
        f"evaluation of a super-resolution stage, within {100 * error:.1f} % in every timed cell."
    )


def _steps(found: TimeModel) -> list[str]:
    """The same in the paper's units, whose steps evaluate once with and once without the prompt, in parallel."""
    if found.super_resolution_step is None:
        return []
    base, rest = seconds(found.base), seconds(found.super_resolution_step)
    ours = f"With guidance in parallel, that is {base} a base step and {rest} a step of all super-resolution stages"
    if found.published is None:
        return [f"{ours}."]
    base, rest = seconds(found.published.base), seconds(found.published.super_resolution)
    return [f"{ours}; published: {base} and {rest} ({found.published.source})."]
