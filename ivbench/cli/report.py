"""`ivbench report`: the HTML page of a results file, or of several side by side."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ivbench.cli.options import not_an_input, results_file

if TYPE_CHECKING:
    from ivbench.report import Against, Source
    from ivbench.results.schema import Results

__all__ = ["compared", "report"]


@click.command()
@click.argument("results", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option("--out", type=click.Path(path_type=Path), help="The page.  [default: report.html beside RESULTS]")
@click.option("--index", is_flag=True, help="RESULTS is a folder of such folders: write its index.html.")
@click.option("--open/--no-open", "open_it", default=False, help="Open the page in the browser.")
def report(results: tuple[Path, ...], out: Path | None, index: bool, open_it: bool) -> None:
    """Write the HTML report of a results.json, or of several.

    RESULTS is a results.json, or the folder that holds one. Of several the first is what the others are compared with,
    cell by cell and paired by prompt; their page is runs.html in the current folder. The page is one file and needs no
    network. With --index a page leads to all reports of a folder.
    """
    from ivbench.cli.console import open_page

    page = _index(results, out) if index else _pages(results, out)
    click.echo(page)
    if open_it and not open_page(page):
        click.echo("No browser to open it in; open the file above.", err=True)


def _index(folders: tuple[Path, ...], out: Path | None) -> Path:
    from ivbench.report import write_index

    if len(folders) != 1:
        raise click.UsageError(f"--index takes one folder, got {len(folders)}.")
    folder = folders[0]
    not_an_input(out, *folder.glob("*/results.json"), *folder.glob("*/report.html"))
    return write_index(folder, out or folder / "index.html")


def _pages(results: tuple[Path, ...], out: Path | None) -> Path:
    from ivbench.report import write_report

    paths = [results_file(path) for path in results]
    not_an_input(out, *paths)
    if len(paths) > 1:
        return _several(paths, out or Path("runs.html"))
    return write_report(paths[0], out or paths[0].with_name("report.html"))


def _several(paths: list[Path], out: Path) -> Path:
    from ivbench.report import Source, short_names, write_runs
    from ivbench.results import read_results

    named = zip(short_names(paths), paths, strict=True)
    sources = [Source(name, read_results(path), path.parent) for name, path in named]
    return write_runs(sources, compared(sources), out)


def compared(sources: list[Source]) -> list[Against]:
    """Every run but the first against the first; verdicts are corrected for all that are compared."""
    from ivbench.report import corrected

    return corrected([_against(sources[0].results, source.results) for source in sources[1:]])


def _against(first: Results, other: Results) -> Against:
    """A later run against the first: what the report shows of the comparison."""
    from ivbench.check import compare
    from ivbench.metrics.multiplicity import p_value
    from ivbench.report import Against, Change

    found = compare(first, other, refuse=False)
    if not {cell.label for cell in first.cells} & {cell.label for cell in other.cells}:
        return Against((), problem="no cell has the same label in both")
    changes = [
        Change(
            cell=one.cell,
            metric=one.new.label,
            protocol=one.new.protocol,
            value=None if one.paired is None else one.paired.value,
            interval=None if one.paired is None else one.paired.interval,
            detectable=one.detectable,
            verdict=one.verdict,
            by_prompt=() if one.paired is None else one.paired.by_prompt,
            p_value=p_value(one.paired.value, one.paired.interval) if one.paired and one.paired.decisive else None,
        )
        for one in found.changes
        if not one.altered
    ]
    return Against(changes, found.missing, found.altered)
