"""Files of a card: inside their folder, and with the content that the card says."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from ivbench.config import CardFile, file_digest
from ivbench.errors import ConfigError, DigestError, MissingFileError

if TYPE_CHECKING:
    from ivbench.zoo.cards import Card

__all__ = ["check_file", "file_path", "verify"]


def file_path(folder: Path, name: str) -> Path:
    """The path of a file that a card names, which must exist and lie inside the card's folder.

    Args:
        folder: the card's folder.
        name: a relative path with forward slashes.

    Raises:
        ConfigError: absolute, with `..`, or a link that leads out of the folder.
        MissingFileError: there's no such file.
    """
    parts = PurePosixPath(name).parts
    outside = not parts or name.startswith("/") or "\\" in name or ":" in name or ".." in parts
    home = folder.resolve()
    if outside or not (home / name).resolve().is_relative_to(home):
        raise ConfigError(f'"{name}" leads out of the folder {folder}. A card may name files inside its folder only.')
    path = (home / name).resolve()
    if not path.is_file():
        raise MissingFileError(f"{folder / name} is not there. Restore it, or fetch the card's files again.")
    return path


def verify(card: Card) -> tuple[str, ...]:
    """Compare every file of a card with its digest.

    Args:
        card: the card, as `read_card` gives it.

    Returns:
        The names of the files that were verified, as the card lists them.

    Raises:
        ConfigError: a file's path leads out of the folder.
        DigestError: a file's content isn't what the card says.
        MissingFileError: a file isn't there.
    """
    for name, expected in card.config.files.items():
        check_file(card.folder, name, expected)
    return tuple(card.config.files)


def check_file(folder: Path, name: str, expected: CardFile) -> None:
    """Compare one file of a card's folder with what its card says of it.

    Raises:
        ConfigError: the path leads out of the folder.
        DigestError: size or sha256 differ.
        MissingFileError: the file isn't there.
    """
    path = file_path(folder, name)
    size = path.stat().st_size
    if expected.bytes is not None and size != expected.bytes:
        raise DigestError(f"{folder / name} has {size} bytes, its card says {expected.bytes}. Fetch it again.")
    found = file_digest(path)
    if found != expected.sha256:
        raise DigestError(
            f"{folder / name} has sha256 {found[:12]}, its card says {expected.sha256[:12]}. Fetch it again."
        )
