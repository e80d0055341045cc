"""The main table in the terminal: a rich table, or plain aligned lines where there is no terminal or no colour."""

from __future__ import annotations

import os

from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from ivbench.report.tables import NONE, Column, Entry, MainTable, Row, main_table
from ivbench.report.verdict import Verdict, verdict
from ivbench.results.schema import Results

__all__ = ["plain_table", "print_table", "rich_table"]


def print_table(results: Results, console: Console | None = None) -> None:
    """Print verdict, main table and footnotes.

    Args:
        results: the whole file.
        console: where to; standard output where none is given.
    """
    console = console or Console()
    table, said = main_table(results), verdict(results)
    if not console.is_terminal or os.environ.get("NO_COLOR"):
        console.file.write("\n".join([*_introduction(said), "", plain_table(table), *_closing(table), ""]))
        return
    for line in _introduction(said):
        console.print(Text(line))
    wide = rich_table(table)
    unlimited = console.options.update(max_width=10_000)
    fits = Measurement.get(console, unlimited, wide).maximum <= console.width
    console.print(wide if fits else narrow_table(table))
    for line in _closing(table):
        console.print(Text(line, style="dim"))


def rich_table(table: MainTable) -> Table:
    """The main table for a terminal; intervals stand below their values."""
    found = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    found.add_column("cell", overflow="fold", min_width=8)
    for column in table.columns:
        found.add_column(Text(_title(column)), justify="right" if column.numeric else "left", overflow="fold")
    for row in table.rows:
        found.add_row(*map(_text, [Entry(_head(row)), *row.entries]))
    if table.references:
        found.add_section()
    for row in table.references:
        found.add_row(*map(_text, [Entry(row.label), *row.entries]), style="dim")
    return found


def narrow_table(table: MainTable) -> Table:
    """The main table for a terminal that is too narrow for it: a line a cell and measurement."""
    found = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for title, right in (("cell", False), ("", False), ("value", True), ("interval", True)):
        found.add_column(title, justify="right" if right else "left", overflow="fold")
    for row in (*table.rows, *table.references):
        found.add_section()
        head = _head(row)
        for column, entry in zip(table.columns, row.entries, strict=True):
            if column.measured and entry.text not in ("", NONE):
                value = " ".join(part for part in (entry.text, entry.spread, _marks(entry)) if part)
                strong = "bold" if entry.strong else ""
                found.add_row(Text(head), Text(_title(column)), Text(value, strong), Text(entry.interval))
                head = ""
    return found


def plain_table(table: MainTable) -> str:
    """The main table as aligned lines of plain text, one line a row, never cut or folded."""
    rows = [["cell", *map(_title, table.columns)]]
    rows += [[_head(row), *(_line(entry) for entry in row.entries)] for row in (*table.rows, *table.references)]
    numeric = [False, *(column.numeric for column in table.columns)]
    widths = [max(len(row[index]) for row in rows) for index in range(len(numeric))]
    lines = []
    for row in rows:
        fields = zip(row, widths, numeric, strict=True)
        lines.append("  ".join(f"{text:{'>' if right else '<'}{width}}" for text, width, right in fields).rstrip())
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])


def _introduction(said: Verdict) -> list[str]:
    return [said.compared, *said.headline, *(f"Warning: {line}" for line in said.warnings)]


def _closing(table: MainTable) -> list[str]:
    common = ", ".join(f"{key} {value}" for key, value in table.common)
    lines = [f"In every cell: {common}."] if common else []
    ends = f", [low, high] the {table.level} interval" if table.level else ""
    lines.append(f"\N{PLUS-MINUS SIGN} is the standard error over runs; a Frechet value is of all runs together{ends}.")
    return lines + [f"{index}) {text}" for index, text in enumerate(table.footnotes, 1)]


def _title(column: Column) -> str:
    if column.published:
        return column.title if column.measured else f"{column.title} published"
    if not column.measured:
        return column.title
    return " ".join(part for part in (column.title, column.detail, column.hint[0]) if part)


def _head(row: Row) -> str:
    return f"{row.number} {row.label}" if row.number else row.label


def _line(entry: Entry) -> str:
    parts = [entry.text, entry.spread, entry.interval, _marks(entry)]
    return " ".join(part for part in parts if part)


def _marks(entry: Entry) -> str:
    return "".join(f"{note})" for note in entry.notes)


def _text(entry: Entry) -> Text:
    first = " ".join(part for part in (entry.text, entry.spread, _marks(entry)) if part)
    text = Text(first, style="bold" if entry.strong else "")
    return text.append(f"\n{entry.interval}", style="dim not bold") if entry.interval else text
