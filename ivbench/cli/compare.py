"""`ivbench compare`: two results files, cell by cell."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ivbench.cli.options import not_an_input, results_file, store_option

if TYPE_CHECKING:
    from ivbench.check import Comparison
    from ivbench.results import Results

__all__ = ["compare", "read_pair", "show_changes"]


@click.command()
@click.argument("old", type=click.Path(path_type=Path))
@click.argument("new", type=click.Path(path_type=Path))
@click.option("--explain", "explained", is_flag=True, help="Walk from OLD's protocol to NEW's, one choice at a time.")
@store_option
@click.option("--json", "as_json", type=click.Path(path_type=Path), help="Write the comparison to this file too.")
def compare(old: Path, new: Path, explained: bool, store: Path | None, as_json: Path | None) -> None:
    """Compare two results files: new minus old, paired by prompt.

    OLD and NEW are results.json files, or folders that hold one. Cells are matched by their label. Two protocols are
    never compared: where they differ, the fields that do are named. "Detectable" is the smallest difference that this
    many prompts show with 80 % power.

    With --explain the numbers of two protocols are set against each other after all, and the way from one to the other
    is shown: one choice after the other (those of the profile one by one, extractor, reference, samples, seeds,
    prompts, at last the videos) is changed, over the videos and features of the store. Choices of a profile that only
    go together are changed together. Nothing is sampled: choices that need videos which the store
    lacks are changed together. The suites and cascades, or the folders (then weights and captions are choices too), are
    those of the commands that the two files record.
    """
    from ivbench.check import compare as set_against
    from ivbench.check import comparison_record, write_record

    not_an_input(as_json, results_file(old), results_file(new))
    results = read_pair(old, new)
    if explained:
        _explain((old, new), results, store, as_json)
        return
    comparison = set_against(*results)
    show_changes(comparison, results)
    if as_json is not None:
        write_record(comparison_record(comparison), as_json)


def _explain(
    paths: tuple[Path, Path], results: tuple[Results, Results], store: Path | None, as_json: Path | None
) -> None:
    """Print every step from OLD's numbers to NEW's."""
    from ivbench.check import explanation_record, explanation_rows, write_record
    from ivbench.cli.console import print_rows
    from ivbench.cli.explaining import explained

    found = explained(results, paths, store)
    columns, rows = explanation_rows(found)
    print_rows(columns, rows, right=columns[-2:])
    if as_json is not None:
        write_record(explanation_record(found), as_json)


def read_pair(old: Path, new: Path) -> tuple[Results, Results]:
    """Both results files; a folder stands for its results.json."""
    from ivbench.results import read_results

    first, second = (read_results(results_file(path)) for path in (old, new))
    return first, second


def show_changes(comparison: Comparison, results: tuple[Results, Results]) -> None:
    """Print what was compared, a row a metric and cell, and what only one file has."""
    from ivbench.check import change_rows
    from ivbench.cli.console import print_rows

    old, new = results
    click.echo(f"old  {old.cascade.name} on {old.suite.name}, {old.created}, cascade {old.cascade.digest[:12]}")
    click.echo(f"new  {new.cascade.name} on {new.suite.name}, {new.created}, cascade {new.cascade.digest[:12]}")
    noise = " and noise" if comparison.same_noise else "" if comparison.same_seeds else "; the seeds differ"
    if old.suite.prompts:
        click.echo(f"{len(old.suite.prompts)} prompts, paired by prompt{noise}\n")
    else:
        click.echo("folders of videos: paired by caption where there are captions, else two sets without pairs\n")
    columns, rows = change_rows(comparison)
    print_rows(columns, rows, right=columns[2:-1])
    for line in comparison.missing:
        click.echo(f"missing in new: {line}")
    for line in (*comparison.conflicts, *comparison.altered):
        click.echo(f"differs: {line}")
    if comparison.added:
        click.echo(f"only in new: {', '.join(comparison.added)}")
