"""`ivbench export`: results in the formats of other tools."""

from __future__ import annotations

from pathlib import Path

import click

from ivbench.cli.options import not_an_input, results_file
from ivbench.errors import ConfigError
from ivbench.registry import names

__all__ = ["export", "export_place"]

_SUFFIX = {
    "latex": "tex",
    "markdown": "md",
    "lm-eval": "lm-eval.json",
    "torch-fidelity": "fidelity.json",
    "vbench": "eval_results.json",
}


@click.command()
@click.argument("results", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--format", "kind", type=click.Choice(names("export")), required=True, help="What to write.")
@click.option("--out", type=click.Path(path_type=Path), help="The file.  [default: beside the first RESULTS]")
def export(results: tuple[Path, ...], kind: str, out: Path | None) -> None:
    """Write results as CSV, Parquet, markdown, LaTeX, lm-eval, torch-fidelity or VBench.

    RESULTS is a results.json, or the folder that holds one. CSV, Parquet and markdown take several, named by their
    folders; the rows of CSV and Parquet are those of results.csv.
    """
    from ivbench.report.exports import export as exported
    from ivbench.results import read_results
    from ivbench.results.atomic import write_bytes

    sources = [results_file(path) for path in results]
    target = out or export_place(sources[0], kind)
    not_an_input(target, *sources)
    content = exported(kind, list(zip(_names(sources), map(read_results, sources), strict=True)))
    write_bytes(target, content)
    click.echo(target)


def export_place(results: Path, kind: str) -> Path:
    """Where a format goes unless `--out` says so: beside a results file."""
    return results.with_name(f"results-export.{_SUFFIX.get(kind, kind)}")


def _names(sources: list[Path]) -> list[str]:
    """Each file's folder; where two are alike, the whole path.

    Raises:
        ConfigError: a file is named twice: its rows would stand twice too.
    """
    whole = [path.resolve() for path in sources]
    for place, path in enumerate(whole):
        if path in whole[:place]:
            raise ConfigError(f"{sources[place]} is given twice. Give each results file once.")
    folders = [path.parent.name for path in whole]
    return folders if len(set(folders)) == len(folders) else [str(path) for path in sources]
