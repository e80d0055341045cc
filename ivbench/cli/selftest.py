"""`ivbench selftest`: does this installation compute what it should, on this machine."""

from __future__ import annotations

import click

from ivbench.cli.console import print_rows

__all__ = ["selftest"]


@click.command()
@click.option("--device", default="cpu", show_default=True, help="Where networks run: cpu, cuda:1, mps.")
@click.pass_context
def selftest(context: click.Context, device: str) -> None:
    """Check this installation: numbers, files, libraries.

    Closed forms of the metrics, golden features of the networks on a device, the zoo's digests, what is installed.
    Needs no network. What is optional and not on this machine is "absent", and no failure. Exit code 1: a check failed.
    """
    from ivbench.run.selftest import selftest as checks

    found = []
    for check in checks(device):
        found.append(check)
        click.echo(f"{check.name}: {check.outcome}", err=True)
    print_rows(["check", "outcome", "detail"], [[check.name, check.outcome, check.detail] for check in found])
    failed = sum(check.outcome == "fail" for check in found)
    counts = [f"{sum(c.outcome == kind for c in found)} {kind}" for kind in ("pass", "fail", "absent")]
    click.echo(f"\n{', '.join(counts)}")
    context.exit(1 if failed else 0)
