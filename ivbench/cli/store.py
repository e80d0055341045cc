"""`ivbench store`: upkeep of what was computed."""

from __future__ import annotations

import math
from collections import defaultdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ivbench.cli.console import print_rows
from ivbench.cli.options import store_option
from ivbench.errors import ConfigError, MissingFileError, StoreError

if TYPE_CHECKING:
    from ivbench.results.store import Store
    from ivbench.results.upkeep import Usage

__all__ = ["store_group"]

_DAMAGED = 2


@click.group("store")
def store_group() -> None:
    """Show, verify and clean up the store of what was computed.

    Whatever is taken out of the store is computed again when a run needs it; results and reports never need it.
    """


@store_group.command()
@store_option
def du(store: Path | None) -> None:
    """Show what the store holds, by kind."""
    from ivbench.results.upkeep import leftovers, usage

    opened = _open(store)
    by_kind: dict[str, list[Usage]] = defaultdict(list)
    for entry in usage(opened):
        by_kind[entry.kind].append(entry)
    everything = [entry for entries in by_kind.values() for entry in entries]
    rows = [_row(kind, by_kind[kind]) for kind in sorted(by_kind)]
    print_rows(["kind", "entries", "MB", "used first", "used last"], [*rows, _row("all", everything)], right=_NUMBERS)
    click.echo(f"\n{opened.root}")
    remains = leftovers(opened)
    if remains:
        click.echo(f"{len(remains):,} leftovers of ended processes: ivbench store gc takes them away")


@store_group.command()
@store_option
@click.option("--remove", is_flag=True, help="Take damaged entries out, so that the next run computes them again.")
@click.pass_context
def verify(context: click.Context, store: Path | None, remove: bool) -> None:
    """Read every entry and compare it with its digest.

    A run does the same with each entry that it reads. The exit code is 2 where damaged entries are left.
    """
    from ivbench.results.upkeep import damaged

    opened = _open(store)
    found = 0
    for task_id, problem in damaged(opened):
        found += 1
        click.echo(f"{task_id} {problem}{': removed' if remove else ''}")
        if remove:
            opened.remove(task_id)
    entries = len(opened.ids())
    if not found:
        click.echo(f"{entries:,} entries, all whole")
    elif remove:
        click.echo(f"{found:,} damaged entries removed, {entries:,} whole ones left")
    else:
        click.echo(f"{found:,} of {entries:,} entries are damaged. Take them out: ivbench store verify --remove")
        context.exit(_DAMAGED)


@store_group.command()
@store_option
@click.option("--unused-for", type=click.FloatRange(min=0), metavar="DAYS", help="Remove what nothing used so long.")
@click.option("--max-size", metavar="SIZE", help="Remove what was used longest ago until this is left: 500MB, 10GB.")
@click.option("--dry-run", is_flag=True, help="Say what would go, and remove nothing.")
def gc(store: Path | None, unused_for: float | None, max_size: str | None, dry_run: bool) -> None:
    """Remove entries by age or size, and leftovers of processes that died.

    Without a limit only the leftovers go.
    """
    from ivbench.results.upkeep import collect, leftovers, sweep

    if unused_for is not None and not math.isfinite(unused_for):
        raise ConfigError(f"--unused-for: got {unused_for}, allowed are days such as 30.")
    opened = _open(store)
    going = collect(opened, unused_for, None if max_size is None else _bytes(max_size))
    remains = leftovers(opened)
    freed = sum(entry.bytes for entry in going) / 1e6
    if dry_run:
        click.echo(f"{len(going):,} entries ({freed:,.3g} MB) and {len(remains):,} leftovers are to go")
        return
    for entry in going:
        opened.remove(entry.id)
    click.echo(f"{len(going):,} entries ({freed:,.3g} MB) and {sweep(remains):,} leftovers removed")


_NUMBERS = ("entries", "MB")


def _open(folder: Path | None) -> Store:
    from ivbench.cli.session import default_store
    from ivbench.results.store import Store

    root = folder or default_store()
    if not root.is_dir():
        raise MissingFileError(f"there is no store at {root}. Name one with --store; a run makes it.")
    opened = Store(root, on_problem=lambda line: click.echo(line, err=True))
    if not opened.marked():
        raise StoreError(f"{root} is no store: it has neither a store's mark nor an entry. Name one with --store.")
    return opened


def _row(name: str, entries: list[Usage]) -> list[str]:
    megabytes = sum(entry.bytes for entry in entries) / 1e6
    days = [f"{datetime.fromtimestamp(time):%Y-%m-%d}" for time in sorted(entry.used for entry in entries)]
    return [name, f"{len(entries):,}", f"{megabytes:,.2f}", *((days[0], days[-1]) if days else ("", ""))]


def _bytes(text: str) -> int:
    from pydantic import ByteSize, TypeAdapter, ValidationError

    try:
        return int(TypeAdapter(ByteSize).validate_python(text))
    except ValidationError:
        raise ConfigError(f'--max-size: got "{text}", allowed are sizes such as 500MB and 10GB.') from None
