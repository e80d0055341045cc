"""Published weights: a manifest of what they are, and where on this machine they are found.

weights = find_weights("inception", {"inception": Path("inception.pth")})
weights.published           # False: "unverified weights" stands in every label of its scores
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

from pydantic import Field

from ivbench.config import Frozen, file_digest, load_yaml, parse
from ivbench.errors import ConfigError, MissingFileError, did_you_mean

__all__ = ["WEIGHTS_VARIABLE", "Manifest", "Weights", "WeightsFile", "find_weights", "manifest", "weights_folder"]

WEIGHTS_VARIABLE = "IVBENCH_WEIGHTS"


class WeightsFile(Frozen):
    """One published file."""

    name: str
    uri: str
    sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$", description="None: no digest is known")
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
        path: of the file.
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
    return _cache() / "ivbench" / "weights"


def find_weights(network: str, given: Mapping[str, Path] | None = None) -> Weights:
    """The weights of a network: as given, or in the weights folder, or in another tool's cache.

    Args:
        network: a name of the manifest.
        given: network -> file, as the user named them.

    Raises:
        ConfigError: no such network.
        MissingFileError: no file; says where each is to be had, and where to put it.
    """
    known = manifest()
    if network not in known:
        raise ConfigError(f'no network is called "{network}".{did_you_mean(network, known)}')
    named = (given or {}).get(network)
    if named is not None:
        if not named.is_file():
            raise MissingFileError(f"{named} is not there. Correct --weights {network}=FILE.")
        return _identified(network, named)
    for folder in _places():
        for file in known[network].files:
            found = _identified(network, folder / file.name) if (folder / file.name).is_file() else None
            # what lies in another tool's cache counts only if it is what was published
            if found is not None and (found.published or folder == weights_folder()):
                return found
    raise MissingFileError(_where(network, known[network]))


def _identified(network: str, path: Path) -> Weights:
    digest = file_digest(path)
    return Weights(network, path, digest, digest in {file.sha256 for file in manifest()[network].files})


def _places() -> tuple[Path, ...]:
    """The weights folder, then where PyTorch's hub, clean-fid and VideoGPT's descendants keep their downloads."""
    hub = Path(os.environ.get("TORCH_HOME") or _cache() / "torch") / "hub" / "checkpoints"
    return weights_folder(), hub, Path(tempfile.gettempdir()), _cache() / "videogpt"


def _cache() -> Path:
    named = os.environ.get("XDG_CACHE_HOME")
    return Path(named) if named else Path.home() / ".cache"


def _where(network: str, entry: Manifest) -> str:
    first = entry.files[0]
    digest = f"sha256 {first.sha256}" if first.sha256 else "no digest is known"
    return (
        f"the weights of {network} are not on this machine. Get {first.uri} ({digest}) and put it at "
        f"{weights_folder() / first.name}, or name any copy with --weights {network}=FILE."
    )
