"""Extractors by what a user calls them: a card of the zoo, a declaration of a file, an object of somebody's package."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ivbench import registry
from ivbench.config import read_network_file
from ivbench.errors import ConfigError
from ivbench.extractors.base import Extractor, load_extractor
from ivbench.zoo import read_card

__all__ = ["made_extractor", "named_extractor"]


def named_extractor(name: str, device: str = "cpu") -> Extractor:
    """The extractor of a name.

    Args:
        name: a card of the zoo; a YAML file (see `ivbench.config.NetworkFile`); `python:module:object`; or an entry
            point of the group `ivbench.extractors`. An object is an extractor, or is called without arguments for one.
        device: where cards' and files' networks run.

    Raises:
        ConfigError: the object is no extractor.
        IvbenchError: no such card, file or object.
    """
    path = Path(name)
    if path.suffix in (".yaml", ".yml"):
        from ivbench.extractors.torch_network_file import NetworkFileExtractor

        return NetworkFileExtractor(read_network_file(path), path.parent, device)
    if registry.is_foreign("extractor", name):
        return made_extractor(name)
    return load_extractor(read_card(name).folder, device)


def made_extractor(name: str) -> Extractor:
    """The extractor of another package: an entry point's name, or `python:module:object`.

    Raises:
        ConfigError: no such object, or it is no extractor.
    """
    made: Any = registry.made("extractor", name)
    if not isinstance(made, Extractor):
        raise ConfigError(
            f'"{name}" is no extractor: it lacks one of name, digest, kind, dim, preprocess, extract. '
            "See ivbench.extractors.Extractor."
        )
    return made
