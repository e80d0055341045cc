"""`ivbench check`: a gate for CI."""

from __future__ import annotations

from dataclasses import dataclass
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
    Whatever the baseline has and NEW lacks fails, and so does a cell that stopped. In GitHub Actions the summary is
    added to the job's page.
    """
    from ivbench.check import compare, judge_changes, read_gate
    from ivbench.results import read_results

    old, reports = results_file(baseline), _Reports(junit_path, markdown_path, json_path)
    _require_one_purpose(init, update, reports)
    if suite is None and (store or out or device != "cpu"):
        raise click.UsageError("--store, --out and --device are for --suite.")
    before = read_results(old)
    gate = None if init or update else read_gate(gate_path)
    measured = None if suite is None else _Measured(Asked(suite, new, device=device), store, out)
    found = results_file(Path(new)) if measured is None else measured.path
    if measured is not None or update:
        not_an_input(found, old)
    for path in reports.paths:
        not_an_input(path, old, found, gate_path, suite or old)
    if init:
        _require_new(gate_path, old, found)
    if measured is not None:
        measured.run()
    results = before, read_results(found)
    comparison = compare(*results, refuse=False)
    if gate is not None:
        outcome = judge_changes(comparison, gate)
        reports.write(outcome, gate)
        _show(outcome)
        context.exit(outcome.exit_code)
    elif update:
        _update(comparison, results, old)
    else:
        _init(comparison, results, gate_path)


@dataclass(frozen=True)
class _Reports:
    """Where the reports of a verdict go; None: that one was not asked for."""

    junit: Path | None
    markdown: Path | None
    json: Path | None

    @property
    def paths(self) -> list[Path]:
        """Of those that were asked for."""
        return [path for path in (self.junit, self.markdown, self.json) if path is not None]

    def write(self, outcome: Outcome, gate: Gate) -> None:
        """Write those that were asked for, and the job's page."""
        from ivbench.check import junit, markdown, outcome_record, write_record
        from ivbench.cli.console import add_to_job_summary
        from ivbench.results.atomic import write_bytes

        if self.junit is not None:
            write_bytes(self.junit, junit(outcome))
        if self.json is not None:
            write_record(outcome_record(outcome, gate), self.json)
        if self.markdown is not None:
            write_bytes(self.markdown, markdown(outcome).encode())
        add_to_job_summary(markdown(outcome))


class _Measured:
    """A suite on a cascade, as `ivbench run --no-timing` does it; its results record that command.

    Args:
        asked: suite, cascade and device.
        store: None: the default one.
        out: folder of the results; None: the default one.
    """

    def __init__(self, asked: Asked, store: Path | None, out: Path | None) -> None:
        from ivbench.cli.session import default_out

        self._asked, self._store, self._out = asked, store, out
        self._name, self._plan = plan_of(asked)
        self._folder = out or default_out(self._plan)

    @property
    def path(self) -> Path:
        """Of the results, which need not be there yet."""
        return self._folder / "results.json"

    def run(self) -> None:
        """Sample and score, write the report, and say which cells stopped."""
        from ivbench.cli.session import exit_code, score_session
        from ivbench.report import write_report

        outcome = score_session(
            self._plan,
            self._name,
            self._store,
            self._asked.device,
            self._folder,
            measure_time=False,
            command=self._command,
        )
        click.echo(f"results  {outcome.path}\nreport   {write_report(outcome.path, self._folder / 'report.html')}\n")
        exit_code(outcome.problems)

    @property
    def _command(self) -> list[str]:
        asked = self._asked
        named = {
            "--suite": asked.suite,
            "--cascade": asked.cascade,
            "--device": asked.device,
            "--store": self._store,
            "--out": self._out,
        }
        words = [word for option, value in named.items() if value is not None for word in (option, str(value))]
        return ["ivbench", "run", *words, "--no-timing"]


def _require_one_purpose(init: bool, update: bool, reports: _Reports) -> None:
    """Refuse options that exclude each other."""
    if init and update:
        raise click.UsageError("--init writes the gate, --update the baseline. Give one of them.")
    if (init or update) and reports.paths:
        raise click.UsageError("--junit, --markdown and --json report a verdict; --init and --update give none.")


def _require_new(gate_path: Path, *results: Path) -> None:
    """Refuse a gate that would replace a file, or the results that are yet to be made."""
    from ivbench.errors import ConfigError

    if gate_path.exists():
        raise ConfigError(f"{gate_path} is there. Remove it first, or name another with --gate.")
    not_an_input(gate_path, *results)


def _update(comparison: Comparison, results: tuple[Results, Results], old: Path) -> None:
    """Print every value beside the old one, and put the new results in the place of the baseline."""
    from ivbench.check import updated_baseline
    from ivbench.cli.compare import show_changes
    from ivbench.cli.updating import replace_baseline

    made = updated_baseline(*results)
    show_changes(comparison, results)
    replace_baseline(made, old)


def _init(comparison: Comparison, results: tuple[Results, Results], gate_path: Path) -> None:
    """Write a gate from the noise between two runs, and say which metrics it does not hold."""
    from ivbench.check import measured_gate, without_rule, write_gate
    from ivbench.cli.compare import show_changes

    show_changes(comparison, results)
    gate = measured_gate(comparison)
    write_gate(gate, gate_path)
    for label in without_rule(comparison, gate):
        click.echo(f"no rule for {label}: it decides nothing")
    click.echo(gate_path)


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
