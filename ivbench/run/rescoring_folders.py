"""Scores of folders under other choices than those that they were scored by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from ivbench.config import digest
from ivbench.data.unpacked import set_folder
from ivbench.errors import MissingFileError
from ivbench.extractors.weights import content_digest, find_weights
from ivbench.metrics import Metric
from ivbench.metrics.pickled_statistics import is_pickle, require_allowed
from ivbench.metrics.statistics_files import is_statistics_file
from ivbench.results.schema import Score
from ivbench.results.store import Store
from ivbench.run.folder_extraction import Choices
from ivbench.run.folder_items import find_items
from ivbench.run.folder_scoring import FolderRequest, folder_score, metric_of_folders
from ivbench.run.progress import Reporter

__all__ = ["Contents", "Named", "folder_choices", "rescored_folders"]

_CLIP = "clip"


@dataclass(frozen=True)
class Named:
    """A value that is known by what it holds.

    Attributes:
        words: equal contents, equal words.
        value: a path, or network -> path.
    """

    words: str
    value: Any = field(compare=False)

    def __str__(self) -> str:
        return self.words


class Contents:
    """What files and folders hold, each read once, whatever is asked of it.

    An explanation has one of its own: it sees all files as they were when it first looked at them.

    Attributes:
        items: the videos of a folder in an order, as `find_items` gives them.
    """

    def __init__(self) -> None:
        self.items = cache(find_items)
        self._digests: dict[Path, str] = {}
        self._weights: dict[tuple[str, Path | None], Path] = {}

    def digest(self, path: Path) -> str:
        """As `content_digest`."""
        if path not in self._digests:
            self._digests[path] = content_digest(path)
        return self._digests[path]

    def weights(self, network: str, given: Path | None) -> Path:
        """Where the weights of a network are, given or found.

        Raises:
            MissingFileError: as `find_weights`.
        """
        key = network, given
        if key not in self._weights:
            found = find_weights(network, {} if given is None else {network: given})
            self._weights[key], self._digests[found.path] = found.path, found.digest
        return self._weights[key]

    def videos(self, folder: Path) -> str:
        """A folder's name, and a digest of what its videos hold and are called: captions and the first N go by names.

        Raises:
            MissingFileError: no such folder, or nothing in it.
        """
        root = set_folder(folder)
        held = [[item.path.relative_to(root).as_posix(), item.digest] for item in self.items(folder, "natural")]
        return f"{folder.name or folder}, videos {digest(held)[:8]}"


def folder_choices(request: FolderRequest, metric: str, other: FolderRequest, contents: Contents) -> dict[str, Any]:
    """What decides a number of folders, but for the generated videos: name -> value, in the order of their effect.

    Weights are those of the network that the metric reads; of a network that only the other side reads, the other's.

    Args:
        request: what was scored.
        metric: registry name, one of the request's.
        other: what it is set against.
        contents: of the files that they name.

    Raises:
        ConfigError: an unknown metric, or a profile that says nothing of it.
        MissingFileError: files or weights are not there.
    """
    found = metric_of_folders(metric)
    weights = {**_weights(other, found, contents), **_weights(request, found, contents)}
    return {
        "profile": request.choices.profile,
        "extractor": request.choices.extractor,
        "weights": _named_weights(weights, contents),
        "captions": _captions(request.captions, contents) if found.captioned else None,
        "device": request.choices.device,
        "reference": _reference(request, contents) if found.compares else None,
    }


def rescored_folders(
    choices: Mapping[str, Any],
    generated: FolderRequest,
    metric: str,
    contents: Contents,
    store: Store,
    reporter: Reporter,
) -> Score:
    """The score of a folder under choices; its features are computed where the store lacks them. Nothing is downloaded.

    Args:
        choices: as `folder_choices` gives them.
        generated: the request whose generated videos are scored.
        metric: registry name.
        contents: of the folders.
        store: of features.
        reporter: told of progress.

    Raises:
        MissingFileError: the choices name weights that are not on this machine.
        IvbenchError: as `ivbench.run.folder_scoring.score_folders`.
    """
    weights = choices["weights"].value
    given = Choices(
        choices["profile"],
        weights,
        choices["extractor"],
        choices["device"],
        generated.choices.memory,
        download=False,
    )
    reference, captions = (None if one is None else one.value for one in (choices["reference"], choices["captions"]))
    request = FolderRequest(generated.generated, reference, (metric,), given, captions, floor_draws=0)
    allowed = replace(request, allow_pickle=True)  # a pickle among the choices was allowed where it was named
    return folder_score(allowed, store, reporter, contents.items)


def _weights(request: FolderRequest, metric: Metric[Any], contents: Contents) -> dict[str, Path | None]:
    """Of the network that a metric reads; None: as the profile's model names them."""
    choices = request.choices
    if choices.extractor is not None or metric.kind == "motion":
        return {}
    if metric.kind == "image_text":
        return {_CLIP: choices.weights.get(_CLIP)}
    name = choices.profile.network(metric.kind).name
    return {name: contents.weights(name, choices.weights.get(name))}


def _named_weights(weights: Mapping[str, Path | None], contents: Contents) -> Named:
    there = {name: path for name, path in sorted(weights.items()) if path is not None}
    for path in there.values():
        if not path.exists():
            raise MissingFileError(f"{path} is not there, which the recorded command names with --weights.")
    words = ", ".join(f"{name} {contents.digest(path)[:8]}" for name, path in there.items())
    return Named(words or "the profile's own", there)


def _reference(request: FolderRequest, contents: Contents) -> Named | None:
    path = request.reference
    if path is None:
        return None
    require_allowed(path, request.allow_pickle)
    is_file = is_pickle(path) or is_statistics_file(path)
    return _file(path, contents) if is_file else Named(contents.videos(path), path)


def _captions(given: str | None, contents: Contents) -> Named | None:
    if given is None or not Path(given).is_file():
        return None if given is None else Named(given, given)
    return Named(_file(Path(given), contents).words, given)


def _file(path: Path, contents: Contents) -> Named:
    if not path.exists():
        raise MissingFileError(f"{path} is not there.")
    return Named(f"{path.name} {contents.digest(path)[:8]}", path)
