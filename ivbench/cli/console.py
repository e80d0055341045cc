"""What commands print: tables, folded on a terminal and one plain line a row elsewhere, and pages in the browser."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import click

__all__ = ["add_to_job_summary", "open_page", "print_rows"]


def print_rows(columns: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[str] = ()) -> None:
    """Print a table to standard output.

    Args:
        columns: the headings.
        rows: one text a column each.
        right: the headings of columns that align right: numbers.
    """
    if sys.stdout.isatty() and not os.environ.get("NO_COLOR"):
        _print_rich(columns, rows, right)
    else:
        click.echo(_plain(columns, rows, right))


def _print_rich(columns: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[str]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    Console().print(table)


def _plain(columns: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[str]) -> str:
    lines = [columns, *rows]
    widths = [max(len(line[index]) for line in lines) for index in range(len(columns))]
    aligned = (
        "  ".join(
            text.rjust(width) if column in right else text.ljust(width)
            for text, width, column in zip(line, widths, columns, strict=True)
        )
        for line in lines
    )
    return "\n".join(line.rstrip() for line in aligned)


def add_to_job_summary(markdown: str) -> None:
    """Add to the page of a GitHub Actions job, which names its file in GITHUB_STEP_SUMMARY; elsewhere do nothing.

    One that can't be written is said on standard error, and changes nothing else.
    """
    if summary := os.environ.get("GITHUB_STEP_SUMMARY"):
        try:
            with Path(summary).open("a", encoding="utf-8") as file:
                file.write(markdown)
        except OSError as error:
            click.echo(f"the job's summary {summary} can't be written: {error.strerror or error}", err=True)


def open_page(path: Path) -> bool:
    """Open a page in the user's browser, where there is a person and a screen.

    Args:
        path: an HTML file.

    Returns:
        Whether a browser took it; False under CI, in a pipe, and on a Linux machine without a display.
    """
    import webbrowser

    headless = sys.platform == "linux" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    if os.environ.get("CI") or headless or not sys.stdout.isatty():
        return False
    return webbrowser.open(path.resolve().as_uri())
