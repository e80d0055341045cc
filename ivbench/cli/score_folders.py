"""`ivbench score --generated DIR --reference DIR`: videos and images from folders, under a named profile."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ivbench.cli.console import print_rows
from ivbench.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from ivbench.results.schema import Counts, Results, Score
    from ivbench.run import Outcome
    from ivbench.run.folder_scoring import FolderRequest

__all__ = ["Folders", "folder_options", "folder_request", "folders_by", "score_two_folders", "weights_given"]


@dataclass(frozen=True)
class Folders:
    """What the options of `folder_options` say.

    Attributes:
        generated, reference: folders of videos or images.
        metrics: names with commas between them.
        profile: name of the preset.
        weights: NETWORK=FILE each.
        extractor: a card's name, in place of the profile's networks.
        captions: a file, or "names".
        floor_draws: of the null floor; 0: none.
        memory: a size, such as 2GiB.
        allow_pickle: whether the reference may be a pickle of statistics.
    """

    generated: Path | None
    reference: Path | None
    metrics: str
    profile: str
    weights: tuple[str, ...]
    extractor: str | None
    captions: str | None
    floor_draws: int
    memory: str
    allow_pickle: bool


_PATH = click.Path(path_type=Path)
_FLOOR_HELP = "So many draws of real videos against the other real ones; 0: no value of real videos."
_MEMORY_HELP = "For decoding and the networks' batches; features come on top."
_PICKLE_HELP = "Read statistics from a .pkl (edm2's, StyleGAN's); no code of it runs."
_OPTIONS = (
    click.option("--generated", type=_PATH, metavar="DIR", help="Score the videos and images of this folder."),
    click.option("--reference", type=_PATH, metavar="DIR", help="The real ones, or an npz of their statistics."),
    click.option("--metrics", default="frame_fid", show_default=True, help="Of folders, with commas between them."),
    click.option("--profile", default="ivbench", show_default=True, help="Whose choices; see: ivbench metric list"),
    click.option("--weights", multiple=True, metavar="NETWORK=FILE", help="Weights of a network; repeat for others."),
    click.option("--extractor", help="A probe's card, a network's YAML or python:module:object in place of networks."),
    click.option("--captions", metavar="FILE", help="Of the generated: jsonl, json or csv; or names, as VBench's."),
    click.option("--floor-draws", default=20, show_default=True, type=click.IntRange(0), help=_FLOOR_HELP),
    click.option("--memory", default="4GiB", show_default=True, metavar="SIZE", help=_MEMORY_HELP),
    click.option("--allow-pickle", is_flag=True, help=_PICKLE_HELP),
)


def folder_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of scoring folders; the command gets them together, as `folders`."""

    @wraps(command)
    def gathered(*args: Any, **kwargs: Any) -> Any:
        folders = folders_by({field.name: kwargs.pop(field.name) for field in fields(Folders)})
        return command(*args, folders=folders, **kwargs)

    found: Callable[..., Any] = gathered
    for option in reversed(_OPTIONS):
        found = option(found)
    return found


def folders_by(values: Mapping[str, Any]) -> Folders:
    """What the values of `folder_options`, by parameter, ask for; others among them are left alone."""
    return Folders(**{field.name: values[field.name] for field in fields(Folders)})


def folder_request(folders: Folders, device: str) -> FolderRequest:
    """What is to be scored, and how.

    Raises:
        ConfigError: one of the folders is missing from the options, an unknown profile, a size that is none, or
            --weights is no NETWORK=FILE.
    """
    from ivbench.config import profile
    from ivbench.run.folder_extraction import Choices
    from ivbench.run.folder_scoring import FolderRequest
    from ivbench.run.memory_budget import MemoryBudget

    if folders.generated is None:
        raise ConfigError("--reference is what --generated is scored against. Give --generated too.")
    budget = MemoryBudget.parsed(folders.memory)
    weights = weights_given(folders.weights)
    return FolderRequest(
        folders.generated,
        folders.reference,
        tuple(dict.fromkeys(name.strip() for name in folders.metrics.split(",") if name.strip())),
        Choices(profile(folders.profile), weights, folders.extractor, device, budget),
        folders.captions,
        folders.floor_draws,
        folders.allow_pickle,
    )


def score_two_folders(folders: Folders, device: str, store: Path | None, out: Path | None, command: str) -> Outcome:
    """Score, write the results, and print one row a metric.

    Raises:
        ConfigError: as `folder_request`.
    """
    from rich.console import Console

    from ivbench.cli.session import default_store
    from ivbench.results.store import Store
    from ivbench.run import RichReporter
    from ivbench.run.folder_scoring import score_folders

    request = folder_request(folders, device)
    place = out or Path("ivbench-out") / f"{request.generated.resolve().name}-{folders.profile}"
    reporter = RichReporter(Console(stderr=True))
    with reporter.shown():
        kept = Store(store or default_store(), on_problem=reporter.say)
        outcome = score_folders(request, kept, reporter, place, command)
    _print(outcome.results)
    click.echo(f"results  {outcome.path}")
    return outcome


def weights_given(given: Sequence[str]) -> dict[str, Path]:
    """What `--weights` says: network -> file.

    Raises:
        ConfigError: an entry is no NETWORK=FILE, or there is no such network.
    """
    from ivbench.extractors.weights import manifest

    found, known = {}, [*manifest(), "clip"]
    for text in given:
        network, separator, path = text.partition("=")
        if not separator or not network or not path:
            raise ConfigError(f'--weights got "{text}". NETWORK=FILE is expected, such as inception=inception.pth.')
        if network not in known:
            raise ConfigError(f'--weights: no network is called "{network}".{did_you_mean(network, known)}')
        found[network] = Path(path).expanduser()
    return found


def _print(results: Results) -> None:
    scores = results.cells[0].scores
    print_rows(
        ["metric", "value", "95 % interval", "real videos", "videos", "reference", "protocol"],
        [_row(score) for score in scores],
        right=["value", "95 % interval", "real videos", "videos", "reference"],
    )
    told = {score.label: _denominator(score.counts) for score in scores}
    if len(set(told.values())) == 1:
        click.echo(f"generated videos: {_denominator(scores[0].counts)}")
    else:
        for label, line in told.items():
            click.echo(f"generated videos of {label}: {line}")
    for line in dict.fromkeys([*(f"{s.label}: {note}" for s in scores for note in s.notes), *results.disclosures]):
        click.echo(line)


def _denominator(counts: Counts) -> str:
    """`9 found, 3 failed (1 too short, 2 undecodable), 6 used (1 duplicate)`."""
    failed = f"{counts.failed} failed ({counts.too_short} too short, {counts.undecodable} undecodable)"
    return f"{counts.generated} found, {failed}, {counts.used} used ({counts.duplicate_used} duplicate)"


def _row(score: Score) -> list[str]:
    interval = "" if score.interval is None else f"{score.interval.low:.6g} to {score.interval.high:.6g}"
    reference = score.counts.reference
    counts = [str(score.counts.used), "" if reference is None else str(reference)]
    real = score.context.get("null_mean", score.context.get("ground_truth"))
    shown = "" if real is None else f"{real:.6g}"
    return [score.label, f"{score.value:.7g}{score.unit}", interval, shown, *counts, score.protocol]
