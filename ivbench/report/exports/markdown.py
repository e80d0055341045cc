"""The main table in markdown, for a pull request or a job's page."""

from __future__ import annotations

from collections.abc import Sequence

from ivbench.report.exports.base import Named
from ivbench.report.tables import Column, Entry, MainTable, Row, main_table
from ivbench.results.schema import Results

__all__ = ["markdown_table", "to_markdown"]

_SPECIAL = "\\`*_{}[]<>#|~"


def to_markdown(named: Sequence[Named]) -> bytes:
    """The main table of each results file, one below the other."""
    return "\n".join(markdown_table(results) for _, results in named).encode()


def markdown_table(results: Results) -> str:
    """A heading, the main table, and what its marks mean. Texts are escaped: a label can't become a link or a tag."""
    table = main_table(results)
    lines = [
        f"### {_escaped(results.suite.name)} on {_escaped(results.cascade.name)}",
        "",
        f"| cell | {' | '.join(_head(column) for column in table.columns)} |",
        f"|---|{'---:|' * len(table.columns)}",
        *(_row(row, len(table.columns)) for row in (*table.rows, *table.references)),
        "",
        *_below(table),
    ]
    return "\n".join(lines) + "\n"


def _head(column: Column) -> str:
    return _escaped(" ".join(part for part in (column.title, column.detail, column.hint[:1]) if part).strip())


def _row(row: Row, width: int) -> str:
    if row.problem:
        return f"| {_escaped(row.label)} | stopped: {_escaped(row.problem)} |{' |' * (width - 1)}"
    return f"| {_escaped(row.label)} | {' | '.join(_entry(entry) for entry in row.entries)} |"


def _entry(entry: Entry) -> str:
    value = f"**{_escaped(entry.text)}**" if entry.strong else _escaped(entry.text)
    marks = "".join(f"<sup>{note}</sup>" for note in entry.notes)
    return " ".join(part for part in (value + marks, entry.spread, _escaped(entry.interval)) if part)


def _below(table: MainTable) -> list[str]:
    common = ", ".join(f"{key} {value}" for key, value in table.common)
    notes = [f"<sup>{number}</sup> {_escaped(text)}" for number, text in enumerate(table.footnotes, start=1)]
    bold = ["Bold: best, or not told apart from it."] if table.marks_ties else []
    lines = [f"In every cell: {_escaped(common)}."] if common else []
    return [line + "  " for line in (*lines, *bold, *notes)]


def _escaped(text: str) -> str:
    plain = "".join(f"\\{character}" if character in _SPECIAL else character for character in text)
    return " ".join(plain.split())
