"""`ivbench error-rates`: how often the gate is wrong, measured."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ivbench.cli.executing import executor_options
from ivbench.cli.options import Asked, plan_of, store_option

if TYPE_CHECKING:
    from ivbench.check import Population
    from ivbench.cli.session import Session
    from ivbench.plan import Plan
    from ivbench.run import Executor

__all__ = ["error_rates"]


@click.command()
@click.option("--suite", default="error-rates", show_default=True, help="A packaged suite, or a YAML file.")
@click.option("--cascade", help="A card of the zoo, or a folder with one.  [default: the suite's]")
@click.option("--device", default="cpu", show_default=True, help="Where networks run: cpu, cuda:1, mps.")
@store_option
@executor_options
@click.option(
    "--trials", type=click.IntRange(20), default=1000, show_default=True, help="Simulated pairs of each kind."
)
@click.option("--prompts", type=click.IntRange(20), multiple=True, default=(64, 128, 320), show_default=True)
@click.option("--runs", type=click.IntRange(1), default=2, show_default=True, help="Of each simulated results file.")
@click.option("--markdown", type=click.Path(path_type=Path), help="Write the tables to this page too.")
def error_rates(
    suite: str,
    cascade: str | None,
    device: str,
    store: Path | None,
    executor: Executor,
    trials: int,
    prompts: tuple[int, ...],
    runs: int,
    markdown: Path | None,
) -> None:
    """Measure how often compare and check are wrong, on simulated re-runs whose truth is known.

    The suite has two cells, the second of them worse, and at least three times as many runs as a simulated results
    file. Prompts and videos are drawn from it anew for every pair, scored, compared and judged as the commands do.
    """
    from ivbench.check import Reruns, error_rates_page, rate_rows
    from ivbench.check import error_rates as measured
    from ivbench.cli.console import print_rows
    from ivbench.cli.session import session
    from ivbench.results.atomic import write_bytes

    name, planned = plan_of(Asked(suite=suite, cascade=cascade, device=device))
    with session(name, store, device) as working:
        populations = _populations(planned, working, executor)
        phase = working.reporter.phase("simulated pairs", len(prompts) * (1 + len(populations)))
        found = [measured(Reruns(populations, count, runs), trials, lambda: phase.advance(1)) for count in prompts]
    columns, rows = rate_rows(found)
    print_rows(columns, rows, right=columns[1:])
    if markdown is not None:
        videos = f"{len(planned.prompts)} prompts and {planned.suite.videos_of_a_prompt} videos of each"
        cells = [cell.label for cell in planned.cells]
        write_bytes(markdown, error_rates_page(found, planned.source.spec.name, videos, cells).encode())


def _populations(planned: Plan, working: Session, executor: Executor) -> list[Population]:
    """Of every metric of the suite the features of its two cells."""
    from ivbench import registry
    from ivbench.check import Population
    from ivbench.errors import ConfigError
    from ivbench.run.populations import features_of_cells

    if len(planned.cells) != 2:
        raise ConfigError(
            f'suite "{planned.suite.name}" has {len(planned.cells)} cells. Give one with two, the second of them worse.'
        )
    features = features_of_cells(planned, working.store, working.models, working.reporter, executor)
    return [
        Population(registry.load("metric", config.name)(), conditions, *cells)
        for config, (conditions, cells) in features.items()
    ]
