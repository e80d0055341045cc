"""`ivbench check`: a gate for CI."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ivbench.cli.options import Asked, not_an_input, out_option, plan_of, results_file, store_option

if TYPE_CHECKING:
    from ivbench.check import Comparison, Gate, Outcome
    from ivbench.results import Results

__all__ = ["check"]

_PATH = click.Path(path_type=Path)


@click.command()
@click.argument("new")
@click.option("--baseline", type=_PATH, required=True, help="The results.json to hold it against, under review.")
@click.option("--suite", help="NEW is a cascade: first run this packaged suite or YAML file on it, without timing.")
@store_option
@out_option
@click.option("--device", default="cpu", show_default=True, help="With --suite: where networks run.")
@click.option("--gate", "gate_path", type=_PATH, default="ivbench-gate.yaml", show_default=True, help="The rules.")
@click.option("--init", is_flag=True, help="Write the gate: margins from the noise between the two, a re-run's.")
@click.option("--update", is_flag=True, help="Make NEW the baseline, and print every value beside the old one.")
@click.option("--junit", "junit_path", type=_PATH, help="Write JUnit XML to this file.")
@click.option("--markdown", "markdown_path", type=_PATH, help="Write a markdown summary to this file.")
@click.option("--json", "json_path", type=_PATH, help="Write the verdicts to this file.")
@click.pass_context
def check(
    context: click.Context,
    new: str,
    baseline: Path,
    suite: str | None,
    store: Path | None,
    out: Path | None,
    device: str,
    gate_path: Path,
    init: bool,
    update: bool,
    junit_path: Path | None,
    markdown_path: Path | None,
    json_path: Path | None,
) -> None:
    """Hold results against a baseline: the gate for CI.

    Exit codes: 0 pass, 1 regression, 2 usage or missing value, 3 inconclusive.

    NEW is a results.json, or the folder that holds one; with --suite a cascade, on which the suite is run first, like
    `ivbench run --no-timing`: what the store has is not computed again. Every metric that the gate has a rule for is
    judged in every cell of the baseline, paired by prompt, at an error rate that is shared out among all verdicts.
    Whatever the baseline has and NEW lacks fails. In GitHub Actions the summary is added to the job's page.
    """
    from ivbench.check import compare, judge_changes, read_gate
    from ivbench.cli.compare import read_pair
    from ivbench.results import read_results

    if init and update:
        raise click.UsageError("--init writes the gate, --update the baseline. Give one of them.")
    old = results_file(baseline)
    found = results_file(Path(new))
    if suite is not None:
        read_results(old)
        if not init and not update:
            read_gate(gate_path)
        found = _measured(Asked(suite, new, device=device), store, out, old)
    elif store or out or device != "cpu":
        raise click.UsageError("--store, --out and --device are for --suite.")
    for path in (junit_path, json_path, markdown_path):
        not_an_input(path, old, found, gate_path)
    results = read_pair(old, found)
    comparison = compare(*results, refuse=False)
    if update:
        not_an_input(old, found)
        _update(comparison, results, old)
    elif init:
        _init(comparison, results, gate_path)
    else:
        gate = read_gate(gate_path)
        outcome = judge_changes(comparison, gate)
        _write(outcome, gate, junit_path, markdown_path, json_path)
        _show(outcome)
        context.exit(outcome.exit_code)


def _measured(asked: Asked, store: Path | None, out: Path | None, baseline: Path) -> Path:
    """The results of the suite on the cascade, with their report; never in the place of the baseline."""
    from ivbench.cli.session import default_out, exit_code, score_session
    from ivbench.report import write_report

    name, planned = plan_of(asked)
    folder = out or default_out(planned)
    not_an_input(results_file(folder), baseline)
    outcome = score_session(planned, name, store, asked.device, folder, measure_time=False)
    click.echo(f"results  {outcome.path}\nreport   {write_report(outcome.path, folder / 'report.html')}\n")
    exit_code(outcome.problems)
    return outcome.path


def _update(comparison: Comparison, results: tuple[Results, Results], old: Path) -> None:
    """Print every value beside the old one, and put the new results in the place of the baseline."""
    from ivbench.check import updated_baseline
    from ivbench.cli.compare import show_changes
    from ivbench.results import write_results

    made = updated_baseline(*results)
    show_changes(comparison, results)
    write_results(made, old)
    click.echo(old)


def _init(comparison: Comparison, results: tuple[Results, Results], gate_path: Path) -> None:
    """Write a gate from the noise between two runs, and say which metrics it does not hold."""
    from ivbench.check import measured_gate, without_rule, write_gate
    from ivbench.cli.compare import show_changes
    from ivbench.errors import ConfigError

    show_changes(comparison, results)
    if gate_path.exists():
        raise ConfigError(f"{gate_path} is there. Remove it first, or name another with --gate.")
    gate = measured_gate(comparison)
    write_gate(gate, gate_path)
    for label in without_rule(comparison, gate):
        click.echo(f"no rule for {label}: it decides nothing")
    click.echo(gate_path)


def _write(
    outcome: Outcome, gate: Gate, junit_path: Path | None, markdown_path: Path | None, json_path: Path | None
) -> None:
    """Write the reports that were asked for, and the job's page."""
    from ivbench.check import junit, markdown, outcome_record, write_record
    from ivbench.cli.console import add_to_job_summary
    from ivbench.results.atomic import write_bytes

    if junit_path is not None:
        write_bytes(junit_path, junit(outcome))
    if json_path is not None:
        write_record(outcome_record(outcome, gate), json_path)
    if markdown_path is not None:
        write_bytes(markdown_path, markdown(outcome).encode())
    add_to_job_summary(markdown(outcome))


def _show(outcome: Outcome) -> None:
    from ivbench.check import verdict_rows
    from ivbench.cli.console import print_rows

    columns, rows = verdict_rows(outcome)
    print_rows(columns, rows, right=columns[2:5])
    for line in outcome.missing:
        click.echo(f"missing: {line}")
    if outcome.added:
        click.echo(f"not judged, since the baseline lacks it: {', '.join(outcome.added)}")
    click.echo(f"\n{outcome.state}: {outcome.summary}")
