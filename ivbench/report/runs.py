"""Several runs on one page: a table a metric, with the paired differences that were computed for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ivbench.metrics.multiplicity import holm
from ivbench.metrics.protocol import measure
from ivbench.report.claims import differing, metrics
from ivbench.report.formats import bounds, decimals, interval, listed, number
from ivbench.report.prompts import PromptPair
from ivbench.report.scores import anchor
from ivbench.report.sources import Source
from ivbench.results.schema import Interval, Score

__all__ = [
    "Against",
    "Change",
    "RunEntry",
    "RunRow",
    "RunTable",
    "change_pairs",
    "corrected",
    "run_tables",
    "run_verdict",
]

_SETTLED = ("better", "worse")


@dataclass(frozen=True)
class Change:
    """One metric of one cell in a later run against the first, as it was computed beforehand.

    Attributes:
        cell: its label in both.
        metric: the score's label.
        protocol: of both scores.
        value, interval: later minus first, paired by prompt; None where too few prompts leave no interval.
        detectable: the smallest difference that this many prompts would show by itself; None where there is none, and
            where the difference shows by itself but not among so many.
        verdict: better, worse, no difference seen, or undecided.
        by_prompt: of a mean: the difference of each prompt, in suite order.
        p_value: of the difference by itself; None where it decides nothing.
    """

    cell: str
    metric: str
    protocol: str
    value: float | None
    interval: Interval | None
    detectable: float | None
    verdict: str
    by_prompt: Sequence[float | None] = ()
    p_value: float | None = None


@dataclass(frozen=True)
class Against:
    """A later run against the first.

    Attributes:
        changes: of all that the two share under one protocol and the same settings.
        missing: what the first has and this run lacks.
        altered: "cell: what" of cells of one label that are not compared, since their settings differ.
        problem: why nothing could be compared; empty where something was.
    """

    changes: Sequence[Change]
    missing: Sequence[str] = ()
    altered: Sequence[str] = ()
    problem: str = ""


@dataclass(frozen=True)
class RunEntry:
    """A cell's value in one run, and its difference from the first run's."""

    text: str
    sort: float | None = None
    spread: str = ""
    interval: str = ""
    anchor: str = ""
    difference: str = ""
    difference_sort: float | None = None
    difference_interval: str = ""
    verdict: str = ""
    detectable: str = ""


@dataclass(frozen=True)
class RunRow:
    """A cell, with an entry a run."""

    label: str
    entries: list[RunEntry]


@dataclass(frozen=True)
class RunTable:
    """All runs by one metric, extractor and profile.

    Attributes:
        title, unit, direction: of the metric.
        higher_is_better: the direction.
        rows: a cell each, in the first run's order, then what others add.
        truth: the ground truth's value in each run.
        notes: runs that were scored under another protocol, and in which fields it differs.
    """

    title: str
    unit: str
    direction: str
    higher_is_better: bool
    rows: list[RunRow]
    truth: RunRow | None
    notes: list[str]


_Measure = tuple[str, str]


def corrected(against: Sequence[Against]) -> list[Against]:
    """The same with verdicts that hold for all changes of the page together, at an error rate of 5 % (Holm)."""
    tested = [change.p_value for one in against for change in one.changes if change.p_value is not None]
    told = iter(holm(tested))

    def again(change: Change) -> Change:
        if change.p_value is None or next(told) or change.verdict not in _SETTLED:
            return change
        return replace(change, verdict="no difference seen", detectable=None)

    return [replace(one, changes=[again(change) for change in one.changes]) for one in against]


def run_tables(sources: list[Source], against: Sequence[Against]) -> list[RunTable]:
    """A table for every metric that some run has.

    Args:
        sources: the runs, at least two; the first is what the others are compared with.
        against: of every run but the first, in order.
    """
    found: dict[_Measure, None] = {}
    for source in sources:
        for metric in metrics(source.results):
            found.setdefault(measure(metric.label, metric.protocol))
    return [_table(one, sources, against) for one in found]


def _table(wanted: _Measure, sources: list[Source], against: Sequence[Against]) -> RunTable:
    labels = list(dict.fromkeys(cell.label for source in sources for cell in source.results.cells))
    scores = {(run, label): score for run, source in enumerate(sources) for label, score in _scores(source, wanted)}
    first = next(iter(scores.values()))
    digits = decimals(score.value for score in scores.values())

    def entry(run: int, label: str) -> RunEntry:
        score = scores.get((run, label))
        change = None if run == 0 else _change(against[run - 1], label, score)
        return _entry(sources[run], run, label, score, change, digits)

    rows = [
        RunRow(label, [entry(run, label) for run in range(len(sources))])
        for label in labels
        if any((run, label) in scores for run in range(len(sources)))
    ]
    direction = f"{'higher' if first.higher_is_better else 'lower'} is better"
    notes = _notes(sources, scores)
    return RunTable(
        wanted[0], first.unit, direction, first.higher_is_better, rows, _truth(wanted, sources, digits), notes
    )


def _scores(source: Source, wanted: _Measure) -> list[tuple[str, Score]]:
    return [
        (cell.label, score)
        for cell in source.results.cells
        for score in cell.scores
        if measure(score.label, score.protocol) == wanted
    ]


def _change(against: Against, label: str, score: Score | None) -> Change | None:
    if score is None:
        return None
    return next(
        (
            one
            for one in against.changes
            if (one.cell, one.metric, one.protocol) == (label, score.label, score.protocol)
        ),
        None,
    )


def _entry(source: Source, run: int, label: str, score: Score | None, change: Change | None, digits: int) -> RunEntry:
    if score is None:
        return RunEntry("\N{EN DASH}")
    spread = "" if score.stderr is None else f"\N{PLUS-MINUS SIGN} {number(score.stderr, digits)}"
    value, ends = None if change is None else change.value, None if change is None else change.interval
    return RunEntry(
        number(score.value, digits),
        score.value,
        spread,
        interval(score.interval, digits),
        _anchor(source, run, label, score),
        "" if value is None else _signed(value, digits),
        value,
        "" if ends is None else bounds(ends.low, ends.high, digits),
        "" if change is None else change.verdict,
        "" if change is None or change.detectable is None else number(change.detectable, digits),
    )


def _signed(value: float, digits: int) -> str:
    return ("+" if value > 0 else "") + number(value, digits)


def _anchor(source: Source, run: int, label: str, score: Score) -> str:
    places = [(metric.name, metric.protocol) for metric in metrics(source.results)]
    row = next(index for index, cell in enumerate(source.results.cells) if cell.label == label)
    return anchor(run, places.index((score.metric, score.protocol)), row)


def _truth(wanted: _Measure, sources: list[Source], digits: int) -> RunRow | None:
    entries = []
    for source in sources:
        found = [s for s in source.results.ground_truth if measure(s.label, s.protocol) == wanted]
        ends = interval(found[0].interval, digits) if found else ""
        entries.append(RunEntry(number(found[0].value, digits), interval=ends) if found else RunEntry(""))
    return RunRow("ground truth", entries) if any(entry.text for entry in entries) else None


def _notes(sources: list[Source], scores: dict[tuple[int, str], Score]) -> list[str]:
    """For every run with scores whose protocol is not the first run's: the fields that differ, and in which cells."""
    notes = []
    for run, source in enumerate(sources[1:], 1):
        shared = [label for of_run, label in scores if of_run == run and (0, label) in scores]
        cells: dict[str, list[str]] = {}
        for label in shared:
            cells.setdefault(differing(scores[0, label], scores[run, label]), []).append(label)
        for said, labels in cells.items():
            where = "" if len(labels) == len(shared) else f" in {listed(labels)}"
            if said:
                there = " there" if where else ""
                notes.append(
                    f"{source.name} was scored under another protocol than {sources[0].name}{where}, so the two are "
                    f"not compared{there}: {said}."
                )
    return notes


def run_verdict(sources: list[Source], against: Sequence[Against]) -> list[str]:
    """Sentences on every later run: where it is better or worse than the first, by which metrics, and by how much."""
    lines = []
    for source, found in zip(sources[1:], against, strict=True):
        said: dict[str, list[str]] = {}
        for name in dict.fromkeys(change.metric for change in found.changes):
            said.setdefault(_said([change for change in found.changes if change.metric == name]), []).append(name)
        lines += [
            f"{source.name} against {sources[0].name} by {listed(names)}: {what}." for what, names in said.items()
        ]
        if not said:
            why = found.problem or _first_of(found.altered) or "no score has the same protocol in both"
            lines.append(f"{source.name} and {sources[0].name} cannot be compared: {why.rstrip('.')}.")
    return lines


def _first_of(lines: Sequence[str]) -> str:
    return lines[0] + (f", and {len(lines) - 1} more" if len(lines) > 1 else "") if lines else ""


def _said(changes: list[Change]) -> str:
    cells = len(changes)
    if cells == 1:
        return f"{changes[0].verdict}{_amount(changes[0])}"
    parts = []
    for verdict in dict.fromkeys((*_SETTLED, "no difference seen", "undecided")):
        own = [change for change in changes if change.verdict == verdict]
        if own:
            most = max(own, key=lambda change: abs(change.value or 0.0))
            detail = f" (most in {most.cell}:{_amount(most)})" if verdict in _SETTLED else ""
            parts.append(f"{verdict} in {'all' if len(own) == cells else len(own)} of the {cells} cells{detail}")
    return ", ".join(parts)


def _amount(change: Change) -> str:
    if change.value is None or change.interval is None:
        return ""
    digits = decimals([change.value, change.interval.low, change.interval.high])
    return f" {_signed(change.value, digits)} {bounds(change.interval.low, change.interval.high, digits)}"


def change_pairs(sources: list[Source], against: Sequence[Against]) -> list[PromptPair]:
    """The differences between runs that have values by prompt; the first of them leads."""
    found: list[PromptPair] = []
    texts = tuple(sources[0].results.suite.prompts)
    for source, one in zip(sources[1:], against, strict=True):
        known = {(metric.label, metric.protocol): metric for metric in metrics(source.results)}
        for change in one.changes:
            metric = known[change.metric, change.protocol]
            if change.value is None or change.interval is None or len(change.by_prompt) != len(texts):
                continue
            sides = [f"{run.name} \N{MIDDLE DOT} {change.cell}" for run in (source, sources[0])]
            found.append(
                PromptPair(
                    change.metric,
                    metric.unit,
                    metric.higher_is_better,
                    sides[0],
                    sides[1],
                    change.value,
                    change.interval,
                    change.by_prompt,
                    texts,
                    leads=not found,
                )
            )
    return found
