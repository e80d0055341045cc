"""Tidy tables of one or several results files: CSV and Parquet with the same rows.

A row a cell, metric and run, and one for the headline, as in `results.csv`; before them the name of the file, and which
suite and cascade it is of.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

from ivbench.errors import ConfigError, MissingDependencyError
from ivbench.report.exports.base import Named
from ivbench.results.files import CSV_COLUMNS, tidy_rows
from ivbench.results.schema import Results

__all__ = ["to_csv", "to_parquet"]

_ORIGIN = ("results", "suite", "suite_digest", "cascade", "cascade_digest", "created")
_TEXTS = (*_ORIGIN, "cell", "label", "metric", "extractor_label", "protocol", "row", "unit", "interval")
_OF_FAILED = ("missing", "too_short", "undecodable", "duplicate")
_COUNTS = ("seed", "generated", "failed", "used", "reference", *_OF_FAILED, "duplicate_used", "nfe")
_FLAGS = ("higher_is_better", "decisive", "partial")


def to_csv(named: Sequence[Named]) -> bytes:
    """CSV in UTF-8. Texts stand as they are: a spreadsheet may take a label that begins with = for a formula."""
    columns, rows = _table(named)
    file = io.StringIO(newline="")
    writer = csv.DictWriter(file, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue().encode()


def to_parquet(named: Sequence[Named]) -> bytes:
    """Parquet with typed columns; a setting that has numbers in some cells and words in others is a text in all.

    Raises:
        MissingDependencyError: pyarrow is not installed.
        ConfigError: a whole number needs more than 64 bits.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ModuleNotFoundError:
        raise MissingDependencyError("pyarrow", "parquet") from None
    columns, rows = _table(named)
    arrays = [_array(pa, column, [row.get(column) for row in rows]) for column in columns]
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_arrays(arrays, names=columns), sink)
    return bytes(sink.getvalue())


def _table(named: Sequence[Named]) -> tuple[list[str], list[dict[str, Any]]]:
    rows = [{**_origin(name, results), **row} for name, results in named for row in tidy_rows(results)]
    settings = sorted({column for row in rows for column in row if column.startswith("setting.")})
    return [*_ORIGIN, *CSV_COLUMNS, *settings], rows


def _origin(name: str, results: Results) -> dict[str, str]:
    suite, cascade = results.suite, results.cascade
    return dict(
        zip(_ORIGIN, (name, suite.name, suite.digest, cascade.name, cascade.digest, results.created), strict=True)
    )


def _array(pa: Any, column: str, values: list[Any]) -> Any:
    kind = _of_setting(values) if column.startswith("setting.") else _of_column(column)
    texts = kind == "string"
    try:
        return pa.array([str(value) if texts and value is not None else value for value in values], getattr(pa, kind)())
    except (OverflowError, pa.ArrowInvalid) as error:
        raise ConfigError(f"column {column} does not fit into Parquet's {kind}: {error}. Export to CSV.") from error


def _of_column(column: str) -> str:
    """The Arrow type of a column that every table has."""
    if column in _TEXTS:
        return "string"
    return "int64" if column in _COUNTS else "bool_" if column in _FLAGS else "float64"


def _of_setting(values: list[Any]) -> str:
    """The narrowest Arrow type that holds all of a setting's values."""
    kinds = {type(value) for value in values if value is not None}
    for allowed, kind in (({bool}, "bool_"), ({int}, "int64"), ({int, float}, "float64")):
        if kinds and kinds <= allowed:
            return kind
    return "string"
