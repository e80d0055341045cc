"""`ivbench metric`: what can be scored and under whose choices; files of a reference; how a metric responds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ivbench.cli.console import print_rows
from ivbench.cli.options import store_option
from ivbench.errors import ConfigError, MissingFileError

__all__ = ["metric"]

_PATH = click.Path(path_type=Path)


def choice_options(command: Any) -> Any:
    """Add `--profile`, `--weights`, `--extractor` and `--device`."""
    for option in reversed(
        (
            click.option("--profile", default="ivbench", show_default=True, help="Whose choices."),
            click.option("--weights", multiple=True, metavar="NETWORK=FILE", help="Weights of a network."),
            click.option(
                "--extractor", help="A probe's card, a network's YAML or python:module:object in place of networks."
            ),
            click.option("--device", default="cpu", show_default=True, help="Where networks run: cpu, cuda:1, mps."),
        )
    ):
        command = option(command)
    return command


@click.group()
def metric() -> None:
    """List metrics and profiles, write statistics, test responses.

    A profile is whose choices a metric follows: which network, which resize, which clip of a video.
    """


@metric.command("list")
def list_() -> None:
    """List metrics, profiles, and the networks' weights on this machine."""
    from ivbench import registry
    from ivbench.config import profile, profile_names

    metrics = [registry.load("metric", name) for name in registry.names("metric")]
    rows = [[m.name, m.title, m.kind, "higher" if m.higher_is_better else "lower"] for m in metrics]
    print_rows(["metric", "title", "of", "better"], rows)
    click.echo()
    found = [profile(name) for name in profile_names()]
    rows = [[f"{p.name}@{p.version}", p.verified or "unverified", p.summary] for p in found]
    print_rows(["profile", "tested against", "what it is"], rows)
    click.echo()
    print_rows(["network", "weights on this machine", "licence"], [_network(name) for name in _networks()])


@metric.command(short_help="Write the reference statistics of a folder.")
@click.argument("folder", type=_PATH)
@click.option("--metric", "name", default="frame_fid", show_default=True, help="Whose features.")
@click.option("--out", type=_PATH, required=True, help="The npz file: mu, sigma, and what made them.")
@choice_options
@store_option
def stats(
    folder: Path,
    name: str,
    out: Path,
    profile: str,
    weights: tuple[str, ...],
    extractor: str | None,
    device: str,
    store: Path | None,
) -> None:
    """Write mean and covariance of the features of FOLDER's videos, for `ivbench score --reference`.

    The file has the keys `mu` and `sigma` of pytorch-fid, clean-fid and TTUR, and beside them what made it.
    """
    from rich.console import Console

    from ivbench import config
    from ivbench.cli.score_folders import weights_given
    from ivbench.cli.session import default_store
    from ivbench.results.store import Store
    from ivbench.run import RichReporter
    from ivbench.run.folder_extraction import Choices
    from ivbench.run.folder_scoring import folder_statistics

    _require_npz(out)
    reporter = RichReporter(Console(stderr=True))
    with reporter.shown():
        kept = Store(store or default_store(), on_problem=reporter.say)
        choices = Choices(config.profile(profile), weights_given(weights), extractor, device)
        count = folder_statistics(folder, name, choices, kept, reporter, out)
    click.echo(f"statistics of {count} videos  {out}")


@metric.command(short_help="Write a folder's frames as one array, for ADM's evaluator.")
@click.argument("folder", type=_PATH)
@click.option("--out", type=_PATH, required=True, help="The npz file: arr_0, [N, H, W, 3] uint8.")
def images(folder: Path, out: Path) -> None:
    """Write all frames of FOLDER's videos and images as one array, as ADM's evaluator reads samples.

    `ivbench score` reads such a file too: as --generated or --reference it is a folder of images.
    """
    from rich.console import Console

    from ivbench.data.image_batch import write_image_batch
    from ivbench.run import RichReporter

    _require_npz(out)
    count = write_image_batch(folder, out, RichReporter(Console(stderr=True)).say)
    click.echo(f"{count:,} images  {out}")


@metric.command(short_help="Measure how a metric responds to distortions.")
@click.argument("name", metavar="METRIC")
@click.option("--data", default="shapes", show_default=True, help="Folder of real videos, or shapes: the own domain.")
@click.option("--out", type=_PATH, help="Folder for response.csv and response.svg.")
@choice_options
@store_option
def validate(
    name: str,
    data: str,
    out: Path | None,
    profile: str,
    weights: tuple[str, ...],
    extractor: str | None,
    device: str,
    store: Path | None,
) -> None:
    """Score distorted real videos against real ones: how much METRIC sees of noise, blur, lost order or motion.

    Half of the videos are the reference; the other half is distorted at three levels. The value without distortion is
    what real videos score. A metric that does not rise under a temporal distortion does not see it.
    """
    from rich.console import Console

    from ivbench import config
    from ivbench.cli.score_folders import weights_given
    from ivbench.cli.session import default_store
    from ivbench.results.store import Store
    from ivbench.run import RichReporter
    from ivbench.run.folder_extraction import Choices, Extraction
    from ivbench.run.validation import LEVELS, validate_metric

    reporter = RichReporter(Console(stderr=True))
    with reporter.shown():
        kept = Store(store or default_store(), on_problem=reporter.say)
        choices = Choices(config.profile(profile), weights_given(weights), extractor, device)
        floor, responses = validate_metric(name, data, Extraction(choices, kept, reporter), reporter)
    levels = [f"{level:g}" for level in LEVELS]
    rows = [[r.distortion, "temporal" if r.temporal else "spatial", *(f"{v:.4g}" for v in r.values)] for r in responses]
    print_rows(["distortion", "kind", *levels], [["none", "", f"{floor:.4g}", "", ""], *rows], right=levels)
    if out is not None:
        from ivbench.report.response import write_response

        for path in write_response(out, name, LEVELS, floor, [(r.distortion, r.temporal, r.values) for r in responses]):
            click.echo(path)


def _require_npz(out: Path) -> None:
    if out.suffix != ".npz":
        raise ConfigError(f"--out is {out}; a name that ends in .npz is expected.")


def _networks() -> list[str]:
    from ivbench.extractors.weights import manifest

    return list(manifest())


def _network(name: str) -> list[str]:
    from ivbench.extractors.weights import find_weights, manifest

    try:
        found = find_weights(name)
        place = f"{found.path}{'' if found.published else ' (unverified)'}"
    except MissingFileError:
        place = "none"
    return [name, place, manifest()[name].licence]
