"""What stands behind every number: protocol and its fields, counts, runs, interval, scale."""

from __future__ import annotations

from dataclasses import dataclass

from ivbench.report.claims import Metric, metrics, same_measure
from ivbench.report.formats import decimals
from ivbench.report.sources import Source
from ivbench.results.schema import Score

__all__ = ["Block", "ScoreRow", "anchor", "blocks"]


@dataclass(frozen=True)
class ScoreRow:
    """One score: whose it is, and the anchor that its number in a table leads to."""

    label: str
    score: Score
    anchor: str


@dataclass(frozen=True)
class Block:
    """All scores of one metric and protocol of one run.

    Attributes:
        source: the run.
        metric: with its protocol.
        fields: what the protocol's hash covers.
        rows: a score each, ground truth last.
        digits: after the point.
        context: keys of the values that give the scores a scale.
        others: protocols of rows that have another, with their labels.
    """

    source: Source
    metric: Metric
    fields: dict[str, str | int | float | bool | None]
    rows: list[ScoreRow]
    digits: int
    context: list[str]
    others: list[tuple[str, list[str]]]


def anchor(run: int, metric: int, row: int) -> str:
    """The id of a score's row: places of its run, metric and cell; the ground truth comes after the cells."""
    return f"score-{run}-{metric}-{row}"


def blocks(sources: list[Source]) -> list[Block]:
    """Everything behind the numbers of a page, run by run and metric by metric."""
    return [
        _block(source, run, metric, place)
        for run, source in enumerate(sources)
        for place, metric in enumerate(metrics(source.results))
    ]


def _block(source: Source, run: int, metric: Metric, place: int) -> Block:
    results = source.results
    rows = [
        ScoreRow(cell.label, score, anchor(run, place, row))
        for row, cell in enumerate(results.cells)
        for score in cell.scores
        if (score.metric, score.protocol) == (metric.name, metric.protocol)
    ]
    digits, fields = decimals(row.score.value for row in rows), rows[0].score.fields
    truths = [score for score in results.ground_truth if same_measure(score, metric)]
    rows += [
        ScoreRow("ground truth", score, anchor(run, place, len(results.cells) + index))
        for index, score in enumerate(truths)
    ]
    context = list(dict.fromkeys(key for row in rows for key in row.score.context))
    others: dict[str, list[str]] = {}
    for row in rows:
        if row.score.protocol != metric.protocol:
            others.setdefault(row.score.protocol, []).append(row.label)
    return Block(source, metric, fields, rows, digits, context, list(others.items()))
