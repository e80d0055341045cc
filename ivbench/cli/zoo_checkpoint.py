"""`ivbench zoo import` and `ivbench zoo export`: checkpoints of other formats into native cascades, and back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ivbench.cli.console import print_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ivbench.adapters.checkpoints import Audit

__all__ = ["export", "import_"]

_STATUSES = ("matched", "missing", "unexpected", "cast", "reshaped")


@click.command("import", short_help="Make a native cascade from a checkpoint of another format.")
@click.argument("source", type=click.Path(path_type=Path))
@click.option(
    "--card",
    required=True,
    type=click.Path(path_type=Path),
    help="card.yaml of the cascade to be, with cascade.yaml beside it.",
)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder to make; named like the card.")
@click.option("--allow-partial", is_flag=True, help="Go on where tensors do not fit; every number of a run is marked.")
@click.option(
    "--trust-pickle",
    is_flag=True,
    help="Run the code of pickles in SOURCE (torch, npz), with your rights. Without it they are refused.",
)
def import_(source: Path, card: Path, out: Path, allow_partial: bool, trust_pickle: bool) -> None:
    """Make a native cascade (safetensors and a card with digests) from SOURCE.

    SOURCE is safetensors, torch (.pt, .pth, .ckpt, .bin), flax msgpack, .npz or an orbax folder, or a folder with one
    of these for each stage. EMA weights are taken where there are some. Every tensor is matched, missing, unexpected,
    cast or reshaped; anything but matched is an error that lists them.
    """
    from ivbench.adapters.checkpoints import AuditError, import_cascade

    if trust_pickle:
        said = f"Warning: --trust-pickle: a pickle in {source} runs whatever code it holds, with your rights."
        click.echo(said, err=True)
    try:
        made = import_cascade(source, card, out, allow_partial, trust_pickle)
    except AuditError as error:
        _print_faults(error.audits)
        raise
    _print_faults(made.audits)
    rows = [[audit.stage, made.chosen[audit.stage], *_counts(audit)] for audit in made.audits]
    print_rows(["stage", "weights", *_STATUSES], rows, right=_STATUSES)
    for why, count in made.left_out.items():
        click.echo(f"left out: {count} of {why}")
    partial = [audit.stage for audit in made.audits if audit.faults]
    if partial:
        click.echo(f"Warning: a partial load ({', '.join(partial)}): every number of a run will say so.", err=True)
    click.echo(made.folder)


@click.command(short_help="Write a cascade's weights in another checkpoint format.")
@click.argument("cascade")
@click.option(
    "--format", "name", required=True, type=click.Choice(["torch", "flax", "orbax", "npz"]), help="What to write."
)
@click.option("--out", type=click.Path(path_type=Path), help="File or folder to make.  [default: CASCADE's name]")
def export(cascade: str, name: str, out: Path | None) -> None:
    """Write the weights of CASCADE, bit for bit, as one checkpoint: stage -> parameter -> array.

    Names and axes are the cascade's own, so that `ivbench zoo import` reads it back without a key map.
    """
    from ivbench.adapters.checkpoints import export_cascade
    from ivbench.zoo import read_card

    click.echo(export_cascade(read_card(cascade), name, out))


def _counts(audit: Audit) -> list[str]:
    return [str(sum(entry.status == status for entry in audit.entries)) for status in _STATUSES]


def _print_faults(audits: Sequence[Audit]) -> None:
    """Every tensor that did not match, a line each."""
    for audit in audits:
        for entry in audit.faults:
            click.echo(f"{audit.stage}: {entry}", err=True)
