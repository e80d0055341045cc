"""What a checkpoint format is, and which format a file has."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Protocol

from ivbench import registry
from ivbench.adapters.formats.tree import Tree
from ivbench.errors import ConfigError, MissingFileError

__all__ = ["TRUST", "CheckpointFormat", "format_of", "formats"]

TRUST = "--trust-pickle runs whatever code it holds, with your rights: pass it only if you trust whoever made the file"


class CheckpointFormat(Protocol):
    """A format: a tree of arrays in a file or folder. No instance keeps anything.

    Attributes:
        name: as the command line says it.
        suffixes: of its files, the first on export; empty for folders.
        pickles: whether its files can hold pickles, so that `--trust-pickle` changes anything.
    """

    name: str
    suffixes: tuple[str, ...]
    pickles: bool

    def knows(self, path: Path) -> bool:
        """Whether a file or folder without a known suffix looks like this format."""

    def read(self, path: Path, trust_pickle: bool = False) -> Tree:
        """Read a file or folder.

        Args:
            path: of it.
            trust_pickle: run the code of pickles in it; where False, one that could run any is refused.

        Raises:
            ConfigError: not of this format, torn, or with a pickle that was not trusted.
        """

    def write(self, path: Path, tree: Tree) -> None:
        """Write a tree of arrays, whole or not at all; float16, bfloat16 and float32 bit for bit.

        Raises:
            StoreError: the place can't be written.
        """


@cache
def formats() -> tuple[CheckpointFormat, ...]:
    """All registered formats, by name."""
    return tuple(registry.load("checkpoint", name)() for name in registry.names("checkpoint"))


def format_of(path: Path) -> CheckpointFormat:
    """The format of a file or folder: by its suffix, else by how its content begins.

    Raises:
        ConfigError: of no known format.
        MissingFileError: there is nothing.
    """
    if not path.exists():
        raise MissingFileError(f"{path} is not there. Give the path of a checkpoint.")
    if path.is_file():
        for each in formats():
            if path.suffix.lower() in each.suffixes:
                return each
    for each in formats():
        if each.knows(path):
            return each
    allowed = ", ".join(suffix for each in formats() for suffix in each.suffixes)
    raise ConfigError(f"{path} is of no checkpoint format that is known here. Allowed: {allowed}, an orbax folder.")
