"""The prompts on which two cells differ most: recorded differences, sorted in the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ivbench.report.claims import Claims, Metric, metrics
from ivbench.report.formats import decimals
from ivbench.report.sources import Source, label
from ivbench.results.schema import Interval

__all__ = ["PromptPair", "pairs_of_run", "prompt_data"]


@dataclass(frozen=True)
class PromptPair:
    """A paired difference that has its value for every prompt.

    Attributes:
        metric: its label.
        unit: of the values.
        higher_is_better: the direction.
        a, b: labels of the two sides; the difference is a minus b.
        value, interval: of all prompts together.
        by_prompt: in suite order; None = no video.
        prompts: the texts.
        leads: whether it is among those to show first.
    """

    metric: str
    unit: str
    higher_is_better: bool
    a: str
    b: str
    value: float
    interval: Interval
    by_prompt: Sequence[float | None]
    prompts: tuple[str, ...]
    leads: bool = False


def pairs_of_run(source: Source) -> list[PromptPair]:
    """The differences between a run's cells that have values by prompt; the best cell against the first leads."""
    results, claims = source.results, Claims(source.results)
    labels = {cell.id: label(source, cell) for cell in results.cells}
    known = {(metric.name, metric.protocol): metric for metric in metrics(results)}
    found = []
    for one in results.differences:
        metric = known.get((one.metric, one.protocol))
        if metric is None or len(one.by_prompt) != len(results.suite.prompts):
            continue
        found.append(
            PromptPair(
                metric.label,
                metric.unit,
                metric.higher_is_better,
                labels.get(one.a, one.a),
                labels.get(one.b, one.b),
                one.value,
                one.interval,
                one.by_prompt,
                tuple(results.suite.prompts),
                {one.a, one.b} == _lead(claims, metric),
            )
        )
    return found


def _lead(claims: Claims, metric: Metric) -> set[str]:
    """The best cell and the first; where the best is the first, its neighbour."""
    best, cells = claims.best(metric), claims.cells
    if best is None or len(cells) < 2:
        return {cell.id for cell in cells[:2]}
    return {best.id, cells[1].id if best is cells[0] else cells[0].id}


def prompt_data(pairs: list[PromptPair]) -> dict[str, Any]:
    """As the page's script wants it: texts once, values rounded to the digits that are shown.

    Returns:
        `texts`, and `pairs` with the place of every prompt's text and its value; the leading pair's place is `first`.
    """
    texts = list(dict.fromkeys(text for pair in pairs for text in pair.prompts))
    place = {text: index for index, text in enumerate(texts)}
    first = next((index for index, pair in enumerate(pairs) if pair.leads), 0)
    return {"texts": texts, "first": first, "pairs": [_record(pair, place) for pair in pairs]}


def _record(pair: PromptPair, place: dict[str, int]) -> dict[str, Any]:
    digits = decimals(value for value in pair.by_prompt if value is not None)
    whole = decimals([pair.value, pair.interval.low, pair.interval.high])
    return {
        "metric": pair.metric,
        "unit": pair.unit,
        "higher": pair.higher_is_better,
        "a": pair.a,
        "b": pair.b,
        "all": [round(end, whole) for end in (pair.value, pair.interval.low, pair.interval.high)],
        "precision": whole,
        "digits": digits,
        "values": [
            [place[text], round(value, digits)]
            for text, value in zip(pair.prompts, pair.by_prompt, strict=True)
            if value is not None
        ],
    }
