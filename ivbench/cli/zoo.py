"""`ivbench zoo`: what comes with ivbench, and whether it is what its cards say."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ivbench.backends.dtypes import DTYPES
from ivbench.cli.console import print_rows
from ivbench.cli.options import store_option
from ivbench.cli.zoo_checkpoint import export, import_
from ivbench.errors import ConfigError, IvbenchError

if TYPE_CHECKING:
    from ivbench.zoo import Card

__all__ = ["zoo"]


@click.group()
def zoo() -> None:
    """List, show and verify the cascades that come with ivbench.

    Beside cascades the zoo holds text encoders and probes: each a folder with a card that says what it is, how it was
    made, and the digest of each of its files.
    """


zoo.add_command(import_)
zoo.add_command(export)


@zoo.command("list")
def list_() -> int:
    """List the cards; one that cannot be read is said, and the exit code is 2."""
    cards, problems = _cards()
    rows = [[card.name, card.config.kind, _size(card), card.config.description] for card in cards]
    print_rows(["name", "kind", "MB", "description"], rows, right=["MB"])
    for problem in problems:
        click.echo(f"Error: {problem}", err=True)
    return IvbenchError.exit_code if problems else 0


@zoo.command(short_help="Show a card: stages, files, how it was made.")
@click.argument("name")
def show(name: str) -> None:
    """Show the card NAME: an entry of the zoo, or the path of a folder with a card."""
    from ivbench.zoo import read_card

    card = read_card(name)
    click.echo(f"{card.name}: {card.config.description}" if card.config.description else card.name)
    facts = {"kind": card.config.kind, "licence": card.config.licence, "folder": card.folder, "digest": card.digest}
    if card.partial:
        facts["loaded in part"] = card.partial
    click.echo("".join(f"  {key}: {value}\n" for key, value in facts.items()))
    if card.config.kind == "cascade":
        _show_stages(card)
    if card.config.files:
        print_rows(["file", "sha256"], [[file, entry.sha256] for file, entry in card.config.files.items()])
        click.echo()
    for line in _outline(card.config.details):
        click.echo(line)


@zoo.command(short_help="Compare files with the digests of their cards.")
@click.argument("names", nargs=-1)
def verify(names: tuple[str, ...]) -> int:
    """Compare the files of the cards NAMES with their digests; without NAMES, of all cards.

    Every card is looked at; the exit code is 2 if a file is missing or differs.
    """
    from ivbench.zoo import read_card
    from ivbench.zoo import verify as verify_card

    cards, problems = ([read_card(name) for name in names], []) if names else _cards()
    if not cards and not problems:
        raise ConfigError("the zoo has no cards, so there is nothing to verify. See: ivbench zoo list")
    wrong = len(problems)
    for problem in problems:
        click.echo(f"Error: {problem}", err=True)
    for card in cards:
        try:
            click.echo(f"{card.name}: {len(verify_card(card))} files as the card says")
        except IvbenchError as error:
            wrong += 1
            click.echo(f"Error: {card.name}: {error}", err=True)
    return IvbenchError.exit_code if wrong else 0


@zoo.command(short_help="Print the files of a folder as its card lists them.")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
def digest(folder: Path) -> None:
    """Print the section `files` of the card of FOLDER: each of its files with sha256 and bytes.

    Whoever adds an entry to a zoo, or trains one anew, pastes it into the entry's card.yaml.
    """
    from ivbench.config import file_digest

    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != "card.yaml")
    if not files:
        raise ConfigError(f"{folder} holds no files beside card.yaml. Put cascade.yaml and weights there first.")
    click.echo("files:")
    for path in files:
        name = path.relative_to(folder).as_posix()
        click.echo(f"  {name}:\n    sha256: {file_digest(path)}\n    bytes: {path.stat().st_size}")


@zoo.command(short_help="Measure how far the probes agree with the geometric judge on a cascade's videos.")
@click.argument("cascade")
@click.option("--probe", "probes", multiple=True, default=("frame-probe", "video-probe"), show_default=True)
@store_option
def agreement(cascade: str, probes: tuple[str, ...], store: Path | None) -> None:
    """Sample CASCADE, of the shapes domain, well and badly, and let its probes and the geometric judge look.

    A row says in what share of 96 videos a probe and the judge say the same of each attribute, "none" included.
    """
    from ivbench.cli.session import session
    from ivbench.run.agreement import probe_agreement

    with session(cascade, store, "cpu") as working:
        found = probe_agreement(working.models, working.store, working.reporter, probes)
    names = list(dict.fromkeys(name for cell in found.values() for shares in cell.values() for name in shares))
    rows = [
        [cell, probe, *(f"{shares[name]:.1%}" if name in shares else "" for name in names)]
        for cell, by_probe in found.items()
        for probe, shares in by_probe.items()
    ]
    print_rows(["videos", "probe", *names], rows, right=names)


def _cards() -> tuple[list[Card], list[IvbenchError]]:
    """The zoo's cards by kind and name, and what is wrong with those that cannot be read."""
    from ivbench.zoo import card_folders, read_card

    cards: list[Card] = []
    problems: list[IvbenchError] = []
    for folder in card_folders():
        try:
            cards.append(read_card(folder))
        except IvbenchError as error:
            problems.append(error)
    return sorted(cards, key=lambda card: (card.config.kind, card.name)), problems


@zoo.command(short_help="Compare a cascade in PyTorch with itself in JAX.")
@click.argument("cascade")
@click.option("--prompts", type=click.IntRange(2), default=16, show_default=True, help="How many test prompts.")
@click.option("--steps", type=click.IntRange(1), default=32, show_default=True, help="DDIM steps of the whole run.")
@click.option("--w", type=click.FloatRange(0), default=3.0, show_default=True, help="Guidance weight of the whole run.")
@click.option("--extractor", default="clip-probe", show_default=True, help="What scores the videos.")
@click.option("--device", default="cpu", show_default=True, help="Where networks run: cpu, cuda:1.")
@click.option("--dtype", type=click.Choice(DTYPES), default=DTYPES[0], show_default=True)
@click.option("--out", type=click.Path(path_type=Path), help="Write what was found to this JSON file.")
def parity(
    cascade: str, prompts: int, steps: int, w: float, extractor: str, device: str, dtype: str, out: Path | None
) -> int:
    """Run CASCADE, of the shapes domain, in PyTorch and in JAX from the same noise, and compare.

    One evaluation of each stage, from the samples of PyTorch; a whole guided run, stage by stage; its CLIP score. The
    exit code is 1 if a difference is larger than allowed. A file named parity.json beside the results of the same
    cascade is shown by their report.
    """
    from ivbench.cli.session import session
    from ivbench.plan import Execution
    from ivbench.report.parity import check_row
    from ivbench.results.parity import write_parity
    from ivbench.run.parity import measure_parity

    with session(cascade, None, device, Execution(dtype=dtype)) as working:
        found = measure_parity(working.models, working.reporter, prompts, steps, w, extractor)
    columns = ["stage", "what", "found", "maximum", "allowed", ""]
    print_rows(columns, [check_row(check) for check in found.checks], right=["found", "maximum", "allowed"])
    if out is not None:
        write_parity(found, out)
        click.echo(out)
    return 0 if found.agrees else 1


def _show_stages(card: Card) -> None:
    """The cascade in the form of the paper's Figure 6."""
    cascade = card.cascade()
    rows = [
        [
            stage.name,
            stage.kind,
            f"{stage.frames}x{stage.height}x{stage.width}",
            f"{stage.fps:g}",
            f"{stage.parameters:,}",
            f"{stage.flops(cascade.text.length) / 1e9:,.3g}",
            card.config.weights.get(stage.name, "none"),
        ]
        for stage in cascade.stages
    ]
    columns = ["stage", "kind", "TxHxW", "fps", "parameters", "GFLOPs/NFE", "weights"]
    print_rows(columns, rows, right=["TxHxW", "fps", "parameters", "GFLOPs/NFE"])
    total = sum(stage.parameters for stage in cascade.stages)
    click.echo(f"\n{total:,} parameters; text encoder {cascade.text.encoder}\n")


def _size(card: Card) -> str:
    sizes = [(card.folder / name).stat().st_size for name in card.config.files if (card.folder / name).is_file()]
    return f"{sum(sizes) / 1e6:.1f}"


def _outline(value: Any, indent: str = "") -> list[str]:
    """Nested plain data as indented lines."""
    if not isinstance(value, dict):
        return [f"{indent}- {item}" for item in value] if isinstance(value, list | tuple) else [f"{indent}{value}"]
    lines = []
    for key, inner in value.items():
        if isinstance(inner, dict | list | tuple):
            lines += [f"{indent}{key}:", *_outline(inner, f"{indent}  ")]
        else:
            lines.append(f"{indent}{key}: {inner}")
    return lines
