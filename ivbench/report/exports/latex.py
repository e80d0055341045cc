"""The main table in LaTeX (booktabs), as a paper prints it: value and standard error, the ground truth last."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from ivbench.errors import ConfigError
from ivbench.report.claims import metrics
from ivbench.report.exports.base import Named
from ivbench.report.tables import Entry, MainTable, Row, main_table
from ivbench.results.schema import Results

__all__ = ["escaped", "to_latex"]

_ESCAPES = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "[": "{[}",  # after a line's end these three would be its arguments
    "]": "{]}",
    "*": "{*}",
    "`": r"\textasciigrave{}",
    "\N{MINUS SIGN}": "$-$",
    "\N{PLUS-MINUS SIGN}": r"$\pm$",
    "\N{EN DASH}": "--",
    "\N{UPWARDS ARROW}": r"$\uparrow$",
    "\N{DOWNWARDS ARROW}": r"$\downarrow$",
    "\N{NO-BREAK SPACE}": "~",
}


def to_latex(named: Sequence[Named]) -> bytes:
    r"""A `table` environment; needs `\usepackage{booktabs}` and `\usepackage[T1]{fontenc}`.

    Bold is best, or not told apart from the best, as in the report; what decides nothing has its footnote below the
    table. The caption names suite, cascade and the protocol of every column: a number without them can't be set beside
    another.

    Raises:
        ConfigError: several results files: their protocols may differ, so each is a table of its own.
    """
    if len(named) != 1:
        raise ConfigError(f"a LaTeX table shows one results file, got {len(named)}. Export each by itself.")
    results = named[0][1]
    table = main_table(results)
    measured = [place for place, column in enumerate(table.columns) if column.measured]
    costs = [place for place, column in enumerate(table.columns) if column.title == "NFE"]
    costs = costs[-1:]  # folders have none; a setting of that name stands before
    lines = [
        "% needs \\usepackage{booktabs} and \\usepackage[T1]{fontenc}",
        r"\begin{table}",
        r"  \centering",
        rf"  \begin{{tabular}}{{l{'r' * len(measured + costs)}}}",
        r"    \toprule",
        rf"    {' & '.join(['cell', *(_head(table, place) for place in measured), *['NFE'] * len(costs)])} \\",
        r"    \midrule",
        *(_row(row, measured, costs) for row in table.rows),
    ]
    references = [row for row in table.references if row.label == "ground truth"]
    lines += [r"    \midrule"] * bool(references) + [_row(row, measured, costs) for row in references]
    shown = [entry for row in (*table.rows, *references) for entry in row.entries]
    lines += [r"    \bottomrule", r"  \end{tabular}", *_footnotes(table, shown)]
    lines += [rf"  \caption{{{_caption(results, table)}}}", r"\end{table}", ""]
    return "\n".join(lines).encode()


def escaped(text: str) -> str:
    """A text that LaTeX prints as it is: two hyphens stay two; control characters become spaces."""
    return "".join(_escape(*pair) for pair in pairwise(f"{text} "))


def _escape(character: str, following: str) -> str:
    if character == following == "-":
        return "-{}"
    return _ESCAPES.get(character, character if character.isprintable() else " ")


def _head(table: MainTable, place: int) -> str:
    column = table.columns[place]
    arrow = column.hint[:1]
    return " ".join(escaped(part) for part in (column.title, column.detail, arrow) if part)


def _row(row: Row, measured: Sequence[int], costs: Sequence[int]) -> str:
    if row.problem:
        return rf"    {escaped(row.label)} & \multicolumn{{{len(measured) + len(costs)}}}{{l}}{{stopped}} \\"
    numbers = [_number(row.entries[place]) for place in measured]
    numbers += [escaped(row.entries[place].text) for place in costs]
    return rf"    {' & '.join([escaped(row.label), *numbers])} \\"


def _number(entry: Entry) -> str:
    text = escaped(" ".join(part for part in (entry.text, entry.spread) if part))
    marks = rf"\textsuperscript{{{','.join(map(str, entry.notes))}}}" if entry.notes else ""
    return (rf"\textbf{{{text}}}" if entry.strong else text) + marks


def _footnotes(table: MainTable, shown: Sequence[Entry]) -> list[str]:
    numbers = sorted({number for entry in shown for number in entry.notes})
    texts = (escaped(table.footnotes[number - 1]) for number in numbers)
    lines = [rf"  \textsuperscript{{{number}}}~{text}\par" for number, text in zip(numbers, texts, strict=True)]
    return [r"  \par\smallskip\footnotesize", *lines] if lines else []


def _caption(results: Results, table: MainTable) -> str:
    runs = results.suite.runs
    common = ", ".join(f"{key} {value}" for key, value in table.common)
    protocols = "; ".join(f"{metric.label}: {metric.protocol}" for metric in metrics(results))
    bold = " Bold: best, or not told apart from it." if table.marks_ties else ""
    return escaped(
        f"{results.cascade.name} on suite {results.suite.name}: {len(results.suite.prompts)} prompts, {runs} "
        f"run{'s' if runs != 1 else ''}; the standard error is over runs, a Frechet value of all runs together. "
        f"{f'In every cell: {common}. ' if common else ''}Protocols: {protocols}.{bold}{_partial(results)}"
    )


def _partial(results: Results) -> str:
    """The mark of weights that were loaded in part."""
    return f" Weights loaded in part: {results.cascade.partial}." if results.cascade.partial else ""
