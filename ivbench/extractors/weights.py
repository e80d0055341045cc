"""Published weights: a manifest of what they are, and where on this machine they are found.

weights = find_weights("inception", {"inception": Path("inception.pth")})
weights.published           # False: "unverified weights" stands in every label of its scores
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

from pydantic import Field

from ivbench.config import Frozen, digest, file_digest, load_yaml, parse
from ivbench.errors import ConfigError, MissingFileError, did_you_mean
from ivbench.extractors.downloads import NotFetched, fetch_file, hub_file

__all__ = [
    "WEIGHTS_VARIABLE",
    "Manifest",
    "Weights",
    "WeightsFile",
    "cache_folder",
    "content_digest",
    "find_weights",
    "manifest",
    "weights_folder",
]

WEIGHTS_VARIABLE = "IVBENCH_WEIGHTS"


class WeightsFile(Frozen):
    """One published file."""

    name: str
    uri: str
    sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$", description="None: no digest is known")
    hub: str | None = Field(default=None, description="repository of the Hugging Face hub that has it under its name")
    format: str


class Manifest(Frozen):
    """The published files of one network; any of them serves."""

    description: str
    licence: str
    files: tuple[WeightsFile, ...] = Field(min_length=1)


@dataclass(frozen=True)
class Weights:
    """Weights that were found.

    Attributes:
        network: name in the manifest.
        path: of the file, or of a TF-Hub module's folder.
        digest: its sha256 (hex).
        published: whether the digest is the manifest's.
    """

    network: str
    path: Path
    digest: str
    published: bool

    @property
    def name(self) -> str:
        """How labels call the extractor."""
        return self.network if self.published else f"{self.network}, unverified weights"


@cache
def manifest() -> Mapping[str, Manifest]:
    """Every network whose published weights ivbench reads."""
    file = files("ivbench.extractors").joinpath("weights.yaml")
    data = load_yaml(file.read_text(encoding="utf-8"), str(file))
    return {name: parse(Manifest, entry, f"{file}: {name}") for name, entry in data.items()}


def weights_folder() -> Path:
    """`$IVBENCH_WEIGHTS`, else `ivbench/weights` in the user's cache folder: where weights are looked for."""
    named = os.environ.get(WEIGHTS_VARIABLE)
    if named:
        return Path(named).expanduser()
    return cache_folder() / "ivbench" / "weights"


def cache_folder() -> Path:
    """`$XDG_CACHE_HOME`, else `.cache` in the user's home."""
    named = os.environ.get("XDG_CACHE_HOME")
    return Path(named) if named else Path.home() / ".cache"


def find_weights(
    network: str, given: Mapping[str, Path] | None = None, fetch: Callable[[str], None] | None = None
) -> Weights:
    """The weights of a network: as given, or in the weights folder, or in another tool's cache, or from their source.

    Args:
        network: a name of the manifest.
        given: network -> file, as the user named them.
        fetch: told what is about to be downloaded into the weights folder; None: nothing is.

    Raises:
        ConfigError: no such network.
        MissingFileError: no file; says where each is to be had, and where to put it.
        DigestError: what was downloaded is not what was published.
    """
    known = manifest()
    if network not in known:
        raise ConfigError(f'no network is called "{network}".{did_you_mean(network, known)}')
    named = (given or {}).get(network)
    if named is not None:
        if not named.exists():
            raise MissingFileError(f"{named} is not there. Correct --weights {network}=FILE.")
        return _identified(network, named)
    for file in known[network].files:
        for path, trusted in _places(file):
            found = _identified(network, path) if path.exists() else None
            # what lies in another tool's cache counts only if it is what was published
            if found is not None and (found.published or trusted):
                return found
    return _fetched(network, known[network], fetch)


def _identified(network: str, path: Path) -> Weights:
    own = content_digest(path)
    return Weights(network, path, own, own in {file.sha256 for file in manifest()[network].files})


def content_digest(path: Path) -> str:
    """The sha256 of a file; of a folder over the names and contents of all files below it."""
    if path.is_file():
        return file_digest(path)
    files = sorted(file for file in path.rglob("*") if file.is_file())
    return digest([[file.relative_to(path).as_posix(), file_digest(file)] for file in files])


def _places(file: WeightsFile) -> Iterator[tuple[Path, bool]]:
    """Where a file may lie, and whether the user put it there: the weights folder, TF-Hub's folder if it was named.

    Then the caches of PyTorch's hub, clean-fid, VideoGPT's descendants, StyleGAN's code and the Hugging Face hub.
    """
    yield weights_folder() / file.name, True
    modules = os.environ.get("TFHUB_CACHE_DIR")
    if modules:
        handle = file.uri.partition("?")[0]
        yield Path(modules) / hashlib.sha1(handle.encode(), usedforsecurity=False).hexdigest(), True
    hub = Path(os.environ.get("TORCH_HOME") or cache_folder() / "torch") / "hub" / "checkpoints"
    for folder in (hub, Path(tempfile.gettempdir()), cache_folder() / "videogpt"):
        yield folder / file.name, False
    stylegan = Path(os.environ.get("DNNLIB_CACHE_DIR") or cache_folder() / "dnnlib") / "downloads"
    for path in sorted(stylegan.glob(f"*_{file.name}")):
        yield path, False
    kept = hub_file(file.hub, file.name) if file.hub else None
    if kept is not None:
        yield kept, False


def _fetched(network: str, entry: Manifest, fetch: Callable[[str], None] | None) -> Weights:
    file = entry.files[0]
    place = weights_folder() / file.name
    reason = ""
    if fetch is not None:
        try:
            fetch_file(file.uri, file.sha256, place, fetch)
            return _identified(network, place)
        except NotFetched as error:
            reason = f" ({error})"
    known = f"sha256 {file.sha256}" if file.sha256 else "no digest is known"
    raise MissingFileError(
        f"the weights of {network} are not on this machine{reason}. Get {file.uri} ({known}) and put it at "
        f"{place}, or name any copy with --weights {network}=FILE."
    )
