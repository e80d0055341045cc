"""`ivbench report`: the HTML page of a results file."""

from __future__ import annotations

from pathlib import Path

import click

from ivbench.cli.options import not_an_input, results_file

__all__ = ["report"]


@click.command()
@click.argument("results", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="The page.  [default: report.html beside RESULTS]")
@click.option("--open/--no-open", "open_it", default=False, help="Open the page in the browser.")
def report(results: Path, out: Path | None, open_it: bool) -> None:
    """Write the HTML report of a results.json.

    RESULTS is a results.json, or the folder that holds one. The page is one file, needs no network, and says nothing
    that the results file doesn't: nothing is computed here.
    """
    from ivbench.cli.console import open_page
    from ivbench.report import write_report

    source = results_file(results)
    not_an_input(out, source)
    page = write_report(source, out or source.with_name("report.html"))
    click.echo(page)
    if open_it and not open_page(page):
        click.echo("No browser to open it in; open the file above.", err=True)
