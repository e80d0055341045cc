"""What an export is: results, each with a name, to the bytes of one file."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ivbench import registry
from ivbench.results.schema import Results

__all__ = ["Export", "Named", "export"]

Named = tuple[str, Results]
"""What a results file is called in the export, and its content."""

Export = Callable[[Sequence[Named]], bytes]


def export(kind: str, named: Sequence[Named]) -> bytes:
    """The content of an export.

    Args:
        kind: a registered export: csv, parquet, latex, lm-eval.
        named: one results file or more, with names that differ.

    Raises:
        ConfigError: no such export, or one that holds a single run is given several.
        MissingDependencyError: the format needs a library that is not installed.
    """
    write: Export = registry.load("export", kind)
    return write(named)
