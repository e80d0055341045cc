"""The runs that a page is about: one, or several side by side."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ivbench.results.schema import Cell, Results

__all__ = ["Source", "label", "short_names"]


@dataclass(frozen=True)
class Source:
    """One run on a page.

    Attributes:
        name: what tells it from the page's other runs; empty where it is the only one.
        results: the whole file.
        folder: where the file lies; samples are relative to it.
    """

    name: str
    results: Results
    folder: Path


def label(source: Source, cell: Cell) -> str:
    """The cell's label, with its run's name where the page has several."""
    return f"{source.name} \N{MIDDLE DOT} {cell.label}" if source.name else cell.label


def short_names(paths: list[Path]) -> list[str]:
    """Short names for results files, each once: the folder's, the file's where that is not `results.json`.

    Args:
        paths: of results files.
    """
    found = [_parts(path) for path in paths]
    for length in range(1, max(map(len, found)) + 1):
        short = ["/".join(parts[-length:]) for parts in found]
        if len(set(short)) == len(short):
            return short
    return [f"{parts[-1]} ({place})" for place, parts in enumerate(found, 1)]


def _parts(path: Path) -> list[str]:
    whole = path.resolve()
    named = [] if whole.name == "results.json" else [whole.stem]
    return [part for part in (*whole.parent.parts, *named) if part != whole.anchor] or [whole.stem]
