"""`ivbench export`: results in the formats of other tools."""

from __future__ import annotations

from pathlib import Path

import click

from ivbench.cli.options import not_an_input, results_file

__all__ = ["export"]

_SUFFIX = {"csv": "csv", "parquet": "parquet", "latex": "tex", "markdown": "md", "lm-eval": "lm-eval.json"}


@click.command()
@click.argument("results", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--format", "kind", type=click.Choice(list(_SUFFIX)), required=True, help="What to write.")
@click.option("--out", type=click.Path(path_type=Path), help="The file.  [default: beside the first RESULTS]")
def export(results: tuple[Path, ...], kind: str, out: Path | None) -> None:
    """Write results as CSV, Parquet, markdown, LaTeX or lm-eval.

    RESULTS is a results.json, or the folder that holds one. CSV, Parquet and markdown take several, named by their
    folders; the rows of CSV and Parquet are those of results.csv.
    """
    from ivbench.report.exports import export as exported
    from ivbench.results import read_results
    from ivbench.results.atomic import write_bytes

    sources = [results_file(path) for path in results]
    target = out or sources[0].with_name(f"results-export.{_SUFFIX[kind]}")
    not_an_input(target, *sources)
    content = exported(kind, list(zip(_names(sources), map(read_results, sources), strict=True)))
    write_bytes(target, content)
    click.echo(target)


def _names(sources: list[Path]) -> list[str]:
    """Each file's folder; where two are alike, the whole path."""
    names = [path.resolve().parent.name for path in sources]
    return names if len(set(names)) == len(names) else [str(path) for path in sources]
