"""`ivbench check --update`: new results in the place of a baseline, and of what was made of it."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from ivbench.results import Results

__all__ = ["replace_baseline"]

_RESULTS, _TABLE, _PAGE = "results.json", "results.csv", "report.html"


def replace_baseline(made: Results, old: Path) -> None:
    """Write a baseline, anew what a run has left beside it, and say which other files are older than it now.

    The `results.csv` and `report.html` beside a `results.json` are its own, and are written anew where they are there.
    Exports may be of several files, and the report beside a baseline of another name of another file: they are left.

    Args:
        made: the baseline.
        old: the file that it replaces.

    Raises:
        ConfigError: a `parity.json` beside it is none; nothing is written then.
        StoreError: the place can't be written.
    """
    from ivbench.report import build
    from ivbench.results import write_csv, write_results
    from ivbench.results.atomic import write_bytes

    own = [path for name in (_TABLE, _PAGE) if (path := old.with_name(name)).is_file() and old.name == _RESULTS]
    page = build(made, old.parent).encode() if old.with_name(_PAGE) in own else None
    write_results(made, old)
    if old.with_name(_TABLE) in own:
        write_csv(made, old.with_name(_TABLE))
    if page is not None:
        write_bytes(old.with_name(_PAGE), page)
    click.echo("\n".join(map(str, (old, *own))))
    if commands := _commands(old, own):
        click.echo(f"older than the new baseline, where they were made of the old one: {commands}")


def _commands(old: Path, own: list[Path]) -> str:
    """Files beside a baseline that may have been made of it and are not `own`, each with what writes it anew."""
    from ivbench.cli.export import export_place
    from ivbench.registry import names

    target = shlex.quote(str(old))
    found = {old.with_name(_PAGE): f"ivbench report {target}"}
    found |= {export_place(old, kind): f"ivbench export {target} --format {kind}" for kind in names("export")}
    left = [(path, command) for path, command in found.items() if path.is_file() and path not in own]
    return "; ".join(f"{path} ({command})" for path, command in left)
