"""What may be said of two cells: only what the results' paired differences support."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from math import comb
from typing import Literal

from ivbench.metrics.multiplicity import holm, p_value
from ivbench.metrics.protocol import differing_fields, measure
from ivbench.results.schema import Cell, Difference, Interval, Results, Score

__all__ = ["Claims", "Metric", "Relation", "differing", "measured", "measures", "metrics", "same_measure", "score_of"]


_Key = tuple[str, str, str, str]
"""Of a difference: metric, protocol, ids of its two cells."""


@dataclass(frozen=True)
class Metric:
    """One column of numbers: a metric under one protocol."""

    name: str
    label: str
    protocol: str
    higher_is_better: bool
    unit: str


@dataclass(frozen=True)
class Relation:
    """How one cell stands to another by one metric.

    Attributes:
        verdict: better or worse (the paired difference stays when it is corrected for all of the page), tied (it does
            not), or untested.
        amount: size of the paired difference; None where untested.
        interval: ends of the difference turned so that positive is better; None where untested.
    """

    verdict: Literal["better", "worse", "tied", "untested"]
    amount: float | None = None
    interval: tuple[float, float] | None = None


def metrics(results: Results) -> list[Metric]:
    """The columns of numbers, in the order in which the cells give them."""
    found: dict[tuple[str, str], Metric] = {}
    for cell in results.cells:
        for score in cell.scores:
            metric = Metric(score.metric, score.label, score.protocol, score.higher_is_better, score.unit)
            found.setdefault((score.metric, score.protocol), metric)
    return list(found.values())


def measures(results: Results) -> list[Metric]:
    """One metric for every metric, extractor and profile: under the protocol of the most cells, or of the first."""
    found: dict[tuple[str, str], list[Metric]] = {}
    for cell in results.cells:
        for score in cell.scores:
            metric = Metric(score.metric, score.label, score.protocol, score.higher_is_better, score.unit)
            found.setdefault(measure(score.label, score.protocol), []).append(metric)
    return [Counter(each).most_common(1)[0][0] for each in found.values()]


def same_measure(score: Score, metric: Metric) -> bool:
    """Whether a score is of that metric, extractor and profile, whatever else decides it."""
    return measure(score.label, score.protocol) == measure(metric.label, metric.protocol)


def score_of(scores: list[Score], metric: Metric) -> Score | None:
    """The score of a metric under its protocol, None where there is none."""
    for score in scores:
        if score.metric == metric.name and score.protocol == metric.protocol:
            return score
    return None


def measured(scores: list[Score], metric: Metric) -> Score | None:
    """The score of a metric, extractor and profile under whatever protocol, None where there is none."""
    return next((score for score in scores if same_measure(score, metric)), None)


def differing(a: Score, b: Score) -> str:
    """The fields in which two scores' protocols differ, in a sentence; empty where they are the same."""
    return ", ".join(f"{name} ({_short(x)} / {_short(y)})" for name, (x, y) in differing_fields(a, b).items())


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 24 else f"{text[:12]}\N{HORIZONTAL ELLIPSIS}"


class Claims:
    """The paired differences of a results file, found by metric and pair of cells.

    Attributes:
        cells: of the file.
        metrics: its columns.
        family: how many pairs of cells there are, over all metrics, that could be told apart. The best cell is found
            by looking at all, so claims on it are corrected for all.
    """

    def __init__(self, results: Results) -> None:
        self.cells = results.cells
        self.metrics = measures(results)
        self._pairs = {(found.metric, found.protocol, found.a, found.b): found for found in results.differences}
        self.family = sum(comb(len(self._deciding(metric)), 2) for metric in self.metrics)
        self._told = self._told_apart()

    def best(self, metric: Metric) -> Cell | None:
        """The cell with the best value, among those whose score decides; None where no score does."""
        deciding = self._deciding(metric)
        if not deciding:
            return None
        sign = 1 if metric.higher_is_better else -1
        return max(deciding, key=lambda pair: sign * pair[0])[1]

    def _deciding(self, metric: Metric) -> list[tuple[float, Cell]]:
        scored = [(score_of(cell.scores, metric), cell) for cell in self.cells]
        return [(score.value, cell) for score, cell in scored if score is not None and score.decisive]

    def _told_apart(self) -> set[_Key]:
        """The differences that stay when they are corrected for their number: those of all metrics together."""
        columns = {(metric.name, metric.protocol) for metric in self.metrics}
        known = [(key, one) for key, one in self._pairs.items() if key[:2] in columns and one.significant]
        fallen = holm([p_value(one.value, one.interval) for _, one in known], self.family)
        return {key for (key, _), told in zip(known, fallen, strict=True) if told}

    def apart(self, metric: Metric) -> list[Cell]:
        """Cells whose score decides but has another protocol than the metric: they are compared with no other."""
        scores = [(cell, measured(cell.scores, metric)) for cell in self.cells]
        return [cell for cell, score in scores if score and score.decisive and score.protocol != metric.protocol]

    def relate(self, metric: Metric, a: Cell, b: Cell) -> Relation:
        """How cell `a` stands to cell `b`, from their recorded paired difference."""
        for first, second, forwards in ((a, b, True), (b, a, False)):
            key = (metric.name, metric.protocol, first.id, second.id)
            if key in self._pairs:
                return _judge(self._pairs[key], key in self._told, forwards == metric.higher_is_better)
        return Relation("untested")

    def rivals(self, metric: Metric) -> list[tuple[Cell, Relation]]:
        """How the best cell stands to every other cell whose score decides."""
        best = self.best(metric)
        if best is None:
            return []
        scores = [(cell, score_of(cell.scores, metric)) for cell in self.cells if cell is not best]
        return [
            (cell, self.relate(metric, best, cell)) for cell, score in scores if score is not None and score.decisive
        ]

    def indistinct(self, metric: Metric) -> frozenset[str]:
        """Ids of the best cell and of all that no paired difference tells from it.

        Empty where no difference was tested, and where a cell has another protocol: it may be better than the best.
        """
        best, rivals = self.best(metric), self.rivals(metric)
        if best is None or self.apart(metric) or all(relation.verdict == "untested" for _, relation in rivals):
            return frozenset()
        return frozenset([best.id, *(cell.id for cell, relation in rivals if relation.verdict in ("tied", "worse"))])


def _judge(difference: Difference, told: bool, greater_is_better: bool) -> Relation:
    sign = 1 if greater_is_better else -1
    low, high = _turned(difference.interval, sign)
    amount = sign * difference.value
    if not told:
        return Relation("tied", amount, (low, high))
    return Relation("better" if amount > 0 else "worse", amount, (low, high))


def _turned(interval: Interval, sign: int) -> tuple[float, float]:
    return (interval.low, interval.high) if sign > 0 else (-interval.high, -interval.low)
