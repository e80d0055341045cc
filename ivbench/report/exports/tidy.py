"""Tidy tables of one or several results files: CSV and Parquet with the same rows.

A row a cell, metric and run, and one for the headline, as in `results.csv`; before them the name of the file.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

from ivbench.errors import MissingDependencyError
from ivbench.report.exports.base import Named
from ivbench.results.files import CSV_COLUMNS, tidy_rows

__all__ = ["to_csv", "to_parquet"]

_TEXTS = ("results", "cell", "label", "metric", "extractor_label", "protocol", "row", "unit", "interval")
_COUNTS = ("seed", "generated", "failed", "used", "reference", "nfe")
_FLAGS = ("decisive",)


def to_csv(named: Sequence[Named]) -> bytes:
    """CSV in UTF-8. Texts stand as they are: a spreadsheet may take a label that begins with = for a formula."""
    columns, rows = _table(named)
    file = io.StringIO(newline="")
    writer = csv.DictWriter(file, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue().encode()


def to_parquet(named: Sequence[Named]) -> bytes:
    """Parquet with typed columns; settings are texts, since one axis may hold numbers and words.

    Raises:
        MissingDependencyError: pyarrow is not installed.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ModuleNotFoundError:
        raise MissingDependencyError("pyarrow", "parquet") from None
    columns, rows = _table(named)
    arrays = [pa.array([_typed(column, row.get(column)) for row in rows], _type(pa, column)) for column in columns]
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_arrays(arrays, names=columns), sink)
    return bytes(sink.getvalue())


def _table(named: Sequence[Named]) -> tuple[list[str], list[dict[str, Any]]]:
    rows = [{"results": name, **row} for name, results in named for row in tidy_rows(results)]
    settings = sorted({column for row in rows for column in row if column.startswith("setting.")})
    return ["results", *CSV_COLUMNS, *settings], rows


def _type(pa: Any, column: str) -> Any:
    if column in _TEXTS or column.startswith("setting."):
        return pa.string()
    return pa.int64() if column in _COUNTS else pa.bool_() if column in _FLAGS else pa.float64()


def _typed(column: str, value: Any) -> Any:
    return str(value) if column.startswith("setting.") and value is not None else value
