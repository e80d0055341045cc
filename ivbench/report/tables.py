"""The main table in the form of the paper's Table 1, and its companions, as plain data for page and terminal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from ivbench.report.claims import Claims, Metric, measured, metrics, same_measure, score_of
from ivbench.report.formats import bounds, count, decimals, interval, number, quantity, seconds, setting, words
from ivbench.report.scores import anchor
from ivbench.results.schema import Cell, Published, Results, Score
from ivbench.results.totals import total

__all__ = [
    "NONE",
    "Column",
    "DifferenceRow",
    "Entry",
    "MainTable",
    "Row",
    "difference_rows",
    "main_table",
    "total_flops",
    "total_nfe",
    "total_seconds",
]

_GUIDANCE_KEYS = frozenset({"w", "g", "guidance_w", "scale_g"})
NONE = "\N{EN DASH}"
_PUBLISHED = "not compared"
_CONTEXT_WORDS = {
    "shuffled": "shuffled captions",
    "null_mean": "null floor, mean",
    "null_q05": "null floor, 5 % quantile",
    "null_q95": "null floor, 95 % quantile",
    "ground_truth": "real videos",
    "subset_std": "standard deviation over subsets",
}


@dataclass(frozen=True)
class Column:
    """A column: its title, smaller second and third lines, whether it holds numbers, which order is best first."""

    title: str
    detail: str = ""
    hint: str = ""
    numeric: bool = True
    best_first: str = "ascending"
    measured: bool = False
    published: bool = False


@dataclass(frozen=True)
class Entry:
    """One field of the table: text, what it sorts by, and for a score its spread, interval, footnotes and anchor."""

    text: str
    sort: float | str | None = None
    spread: str = ""
    interval: str = ""
    notes: tuple[int, ...] = ()
    strong: bool = False
    anchor: str = ""


@dataclass(frozen=True)
class Row:
    """One cell, or one reference such as the ground truth."""

    number: int
    label: str
    entries: list[Entry]
    problem: str = ""


@dataclass(frozen=True)
class MainTable:
    """Everything that the main table shows.

    Attributes:
        columns: settings, metrics and costs, without the row's own head.
        rows: one a cell, in the grid's order.
        references: what gives every cell's numbers the same scale (chance, null floor, ...); the ground truth last.
        footnotes: numbered from 1.
        common: settings that all cells share, as (key, value).
        level: of the intervals, in percent; empty where there is none.
        marks_ties: whether bold type stands for "best, or not told apart from the best".
        sources: of the published values that stand beside.
    """

    columns: list[Column]
    rows: list[Row]
    references: list[Row]
    footnotes: list[str]
    common: list[tuple[str, str]]
    level: str
    marks_ties: bool
    sources: list[str]


@dataclass(frozen=True)
class DifferenceRow:
    """A paired difference, a minus b."""

    metric: str
    a: str
    b: str
    value: str
    interval: str
    significant: bool
    sort: float


@dataclass
class _Notes:
    texts: list[str] = field(default_factory=list)

    def number(self, text: str) -> int:
        if text not in self.texts:
            self.texts.append(text)
        return self.texts.index(text) + 1


class _Beside:
    """The published values of a results file: a column behind each metric, and behind the time, that has some."""

    def __init__(self, results: Results, found: list[Metric]) -> None:
        all_ = [*(one for cell in results.cells for one in cell.published), *results.ground_truth_published]
        self.sources = list(dict.fromkeys(one.source for one in all_))
        names = {one.metric for one in all_}
        firsts = {metric.name: metric for metric in reversed(found)}
        self._metrics = {metric for name, metric in firsts.items() if name in names}
        self._timed = "seconds" in names

    def columns(self, metric: Metric) -> list[Column]:
        if metric not in self._metrics:
            return []
        best_first = "descending" if metric.higher_is_better else "ascending"
        return [Column("published", _PUBLISHED, best_first=best_first, measured=True, published=True)]

    def entries(self, values: Sequence[Published], metric: Metric, digits: int, none: str = NONE) -> list[Entry]:
        return [_published_entry(values, metric.name, digits, none)] if metric in self._metrics else []

    def seconds_column(self) -> list[Column]:
        return [Column("Time", _PUBLISHED, published=True)] if self._timed else []

    def seconds(self, values: Sequence[Published]) -> list[Entry]:
        found = next((one.value for one in values if one.metric == "seconds"), None)
        return [Entry(seconds(found), found)] if self._timed else []


def _published_entry(values: Sequence[Published], name: str, digits: int, none: str) -> Entry:
    found = next((one for one in values if one.metric == name), None)
    if found is None:
        return Entry(none)
    spread = "" if found.stderr is None else f"\N{PLUS-MINUS SIGN} {number(found.stderr, digits)}"
    return Entry(number(found.value, digits), found.value, spread)


def total_seconds(cell: Cell) -> float | None:
    """Sampling time of one video over all stages, in seconds; None where a stage was not timed."""
    return total(cost.seconds for cost in cell.costs)


def total_nfe(cell: Cell) -> int | None:
    """Network evaluations a video, over all stages; None where unknown."""
    return total(cost.nfe for cost in cell.costs)


def total_flops(cell: Cell) -> float | None:
    """Floating-point operations a video, over all stages; 1 MAC = 2 FLOPs. None where unknown."""
    return total(cost.flops for cost in cell.costs)


def main_table(results: Results) -> MainTable:
    """The main table: one row a cell, ground truth last.

    Args:
        results: the whole file.
    """
    notes, claims = _Notes(), Claims(results)
    found = claims.metrics
    keys = _setting_keys(results)
    varying = [key for key in keys if len(_values(results, key)) > 1 and not _said_by_w(results, key)]
    ties = {metric: claims.indistinct(metric) for metric in found}
    digits = {metric: _digits(results, metric) for metric in found}
    places = _places(results)
    beside = _Beside(results, found)

    def row(number_: int, cell: Cell) -> Row:
        scores: list[Entry] = []
        for metric in found:
            score = measured(cell.scores, metric)
            entry = _score_entry(score, metric, digits[metric], notes, cell.id in ties[metric])
            link = "" if score is None else anchor(0, places[score.metric, score.protocol], number_ - 1)
            scores += [replace(entry, anchor=link), *beside.entries(cell.published, metric, digits[metric])]
        costs = [*_cost_entries(cell), *beside.seconds(cell.published)]
        entries = [*_setting_entries(cell, varying), *scores, *costs]
        problem = cell.problem if not cell.scores else ""
        return Row(number_, cell.label, scores if results.of_folders else entries, problem)

    rows = [row(index, cell) for index, cell in enumerate(results.cells, 1)]
    settings = _setting_columns(results, varying)
    references = _references(results, found, digits, notes, beside, before=len(settings))
    common = [
        (words(key), _shared(results, key)) for key in keys if key not in varying and not _said_by_w(results, key)
    ]
    scores = [column for metric in found for column in (_score_column(metric), *beside.columns(metric))]
    columns = [*settings, *scores, *_cost_columns(results), *beside.seconds_column()]
    marks = any(ties.values())
    return MainTable(columns, rows, references, notes.texts, common, _level(results), marks, beside.sources)


def _places(results: Results) -> dict[tuple[str, str], int]:
    """The place of every metric and protocol among the blocks behind the numbers."""
    return {(metric.name, metric.protocol): place for place, metric in enumerate(metrics(results))}


def difference_rows(results: Results) -> list[DifferenceRow]:
    """The recorded paired differences, in the order of the file."""
    labels = {cell.id: cell.label for cell in results.cells}
    known = {(metric.name, metric.protocol): metric for metric in metrics(results)}
    rows = []
    for found in results.differences:
        metric = known.get((found.metric, found.protocol))
        digits = 3 if metric is None else _digits(results, metric)
        rows.append(
            DifferenceRow(
                found.metric if metric is None else metric.label,
                labels.get(found.a, found.a),
                labels.get(found.b, found.b),
                ("+" if found.value > 0 else "") + number(found.value, digits),
                bounds(found.interval.low, found.interval.high, digits),
                found.significant,
                found.value,
            )
        )
    return rows


_COST_COLUMNS = (
    Column("Time", "a video"),
    Column("NFE", "a video"),
    Column("FLOPs", "a video"),
)


def _cost_columns(results: Results) -> Sequence[Column]:
    return () if results.of_folders else _COST_COLUMNS


def _setting_keys(results: Results) -> list[str]:
    keys = dict.fromkeys(key for cell in results.cells for key in cell.settings)
    return [key for key in keys if key not in _GUIDANCE_KEYS]


def _values(results: Results, key: str) -> set[str | int | float | bool]:
    """The values of a setting; a cell that it does not apply to has none."""
    return {value for cell in results.cells if (value := cell.settings.get(key)) is not None}


def _said_by_w(results: Results, key: str) -> bool:
    """Whether the guidance of every cell is its weight w alone, which has a column of its own."""
    of_cells = [(cell.settings.get(key), cell.guidance_w) for cell in results.cells]
    return key == "guidance" and all(w is not None and value == f"w={w:g}" for value, w in of_cells)


def _shared(results: Results, key: str) -> str:
    """The one value of a setting, and whether it applies to some cells only."""
    values = _values(results, key)
    if not values:
        return setting(None)
    everywhere = all(cell.settings.get(key) is not None for cell in results.cells)
    return setting(values.pop()) + ("" if everywhere else " where it applies")


def _setting_columns(results: Results, varying: list[str]) -> list[Column]:
    if results.of_folders:
        return []
    guidance = [Column("w", "weight"), Column("g", "1 + w")]
    texts = {key for cell in results.cells for key, value in cell.settings.items() if isinstance(value, str | bool)}
    return [*guidance, *(Column(words(key), numeric=key not in texts) for key in varying)]


def _score_column(metric: Metric) -> Column:
    arrow = "\N{UPWARDS ARROW}" if metric.higher_is_better else "\N{DOWNWARDS ARROW}"
    hint = f"{arrow} {'higher' if metric.higher_is_better else 'lower'} is better"
    name, bracket, extractor = metric.label.partition(" [")
    unit = f", {metric.unit}" if metric.unit else ""
    best_first = "descending" if metric.higher_is_better else "ascending"
    return Column(name + unit, bracket.strip() + extractor, hint, best_first=best_first, measured=True)


def _setting_entries(cell: Cell, varying: list[str]) -> list[Entry]:
    guidance = [Entry(setting(value), value) for value in (cell.guidance_w, cell.scale_g)]
    values = [cell.settings.get(key) for key in varying]
    return [*guidance, *(Entry(setting(value), value if value is None else _sortable(value)) for value in values)]


def _sortable(value: str | int | float | bool) -> float | str:
    return value if isinstance(value, str) else float(value)


def _score_entry(score: Score | None, metric: Metric, digits: int, notes: _Notes, strong: bool = False) -> Entry:
    if score is None:
        return Entry(NONE)
    marks = [notes.number(text) for text in score.notes]
    if not score.decisive:
        marks.append(notes.number("Too few samples to decide: shown, and left out of every comparison."))
    if score.protocol != metric.protocol:
        marks.append(notes.number(f"Under protocol {score.protocol}, not {metric.protocol}: not compared."))
    spread = "" if score.stderr is None else f"\N{PLUS-MINUS SIGN} {number(score.stderr, digits)}"
    ends = interval(score.interval, digits)
    return Entry(number(score.value, digits), score.value, spread, ends, tuple(sorted(set(marks))), strong)


def _cost_entries(cell: Cell) -> list[Entry]:
    time, nfe, flops = total_seconds(cell), total_nfe(cell), total_flops(cell)
    if not cell.costs:
        return [Entry(NONE)] * len(_COST_COLUMNS)
    return [Entry(seconds(time), time), Entry(count(nfe), nfe), Entry(quantity(flops), flops)]


def _digits(results: Results, metric: Metric) -> int:
    scores = [score_of(cell.scores, metric) for cell in results.cells]
    return decimals(score.value for score in scores if score is not None)


def _references(
    results: Results, found: list[Metric], digits: dict[Metric, int], notes: _Notes, beside: _Beside, before: int
) -> list[Row]:
    """Rows below the cells: every other row's fields stay empty where the reference has no such number."""
    after, places = len(_cost_columns(results)) + len(beside.seconds_column()), _places(results)

    def row(label: str, entry: Callable[[Metric], Entry], published: Sequence[Published] = ()) -> Row:
        scores = []
        for metric in found:
            scores += [entry(metric), *beside.entries(published, metric, digits[metric], "")]
        return Row(0, label, [*[Entry("")] * before, *scores, *[Entry("")] * after])

    def truth(metric: Metric) -> Entry:
        same = [score for score in results.ground_truth if same_measure(score, metric)]
        exact = score_of(same, metric)
        score = exact or (same[0] if len(same) == 1 else None)
        entry = _score_entry(score, metric, digits[metric], notes)
        link = (
            ""
            if score is None
            else anchor(0, places[metric.name, metric.protocol], len(results.cells) + same.index(score))
        )
        return replace(entry, anchor=link)

    rows: list[Row] = []
    scales = {metric: _context(results, metric) for metric in found}
    for key in dict.fromkeys(key for scale in scales.values() for key in scale):
        entries = {
            metric: Entry(_span(*scale[key], digits[metric]) if key in scale else "")
            for metric, scale in scales.items()
        }
        rows.append(row(_CONTEXT_WORDS.get(key, words(key)), entries.__getitem__))
    return [*rows, row("ground truth", truth, results.ground_truth_published)] if results.ground_truth else rows


def _context(results: Results, metric: Metric) -> dict[str, tuple[float, float]]:
    """The values that give a metric its scale: least and greatest over the cells, which agree on some of them."""
    scores = [score_of(cell.scores, metric) for cell in results.cells]
    contexts = [score.context for score in scores if score is not None]
    keys = [key for key in (contexts[0] if contexts else {}) if all(key in each for each in contexts)]
    has_row = bool(results.ground_truth)  # suites' ground truth has a row of its own
    spans = {key: [each[key] for each in contexts] for key in keys if not (key == "ground_truth" and has_row)}
    return {key: (min(values), max(values)) for key, values in spans.items()}


def _span(low: float, high: float, digits: int) -> str:
    ends = list(dict.fromkeys((number(low, digits), number(high, digits))))
    return ("\N{EN DASH}" if low >= 0 else " to ").join(ends)


def _level(results: Results) -> str:
    levels = {score.interval.level for cell in results.cells for score in cell.scores if score.interval is not None}
    return " and ".join(f"{100 * level:g} %" for level in sorted(levels))
