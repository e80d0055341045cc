"""Cards by name or folder."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from ivbench.config import CardConfig, parse_card, read_cascade, read_yaml
from ivbench.errors import ConfigError, MissingFileError, did_you_mean
from ivbench.spec import CascadeSpec
from ivbench.zoo.locate import find_zoo
from ivbench.zoo.verify import check_file, file_path

__all__ = ["Card", "card_folders", "find_card", "list_cards", "read_card"]

_CARD = "card.yaml"
_CASCADE = "cascade.yaml"
_DEPTH = 3


@dataclass(frozen=True)
class Card:
    """A card and the folder that it describes."""

    folder: Path
    config: CardConfig

    @property
    def name(self) -> str:
        """The card's name."""
        return self.config.name

    @property
    def digest(self) -> str:
        """The sha256 that stands for the card in task ids: as it states, else over the digests of its files."""
        return self.config.identity

    @property
    def partial(self) -> str:
        """Which stages were loaded in part, in words; empty for a clean load."""
        return "; ".join(f"{stage}: {what}" for stage, what in self.config.partial.items())

    def path(self, name: str) -> Path:
        """The path of one of the folder's files.

        Raises:
            ConfigError: the path leaves the folder.
            MissingFileError: the file isn't there.
        """
        return file_path(self.folder, name)

    def cascade(self) -> CascadeSpec:
        """The cascade of a card of that kind, from its cascade.yaml.

        Raises:
            ConfigError: not a cascade's card, or its cascade.yaml is wrong.
            DigestError: the card states its digest, and its content is another.
            MissingFileError: there's no cascade.yaml.
        """
        if self.config.kind != "cascade":
            raise ConfigError(f'"{self.name}" is a {self.config.kind}, a cascade is needed. See: ivbench zoo list')
        if _CASCADE in self.config.files:
            check_file(self.folder, _CASCADE, self.config.files[_CASCADE])
        spec = read_cascade(self.path(_CASCADE))
        stages = [stage.name for stage in spec.stages]
        for stage in self.config.weights:
            if stage not in stages:
                raise ConfigError(f"{self.folder / _CARD}: weights.{stage} is no stage.{did_you_mean(stage, stages)}")
        return spec

    def weights_path(self, stage: str) -> Path:
        """The weights file of a stage.

        Raises:
            ConfigError: the card has no weights for it.
            MissingFileError: the file isn't there.
        """
        if stage not in self.config.weights:
            has = ", ".join(self.config.weights) or "none"
            raise ConfigError(f'"{self.name}" has no weights for stage "{stage}". It has weights for: {has}.')
        return self.path(self.config.weights[stage])


def list_cards(zoo: Path | None = None) -> list[Card]:
    """Every card of the zoo, sorted by kind and name.

    Args:
        zoo: the zoo's folder; None: `find_zoo()`.

    Raises:
        ConfigError: a card is wrong, or two have one name.
        MissingFileError: there's no zoo.
    """
    cards = [_read(folder) for folder in card_folders(zoo)]
    seen: dict[str, Path] = {}
    for card in cards:
        if card.name in seen:
            raise ConfigError(f'two cards are called "{card.name}": {seen[card.name]} and {card.folder}. Rename one.')
        seen[card.name] = card.folder
    return sorted(cards, key=lambda card: (card.config.kind, card.name))


def find_card(name: str, zoo: Path | None = None) -> Card | None:
    """The zoo's card of that name, or None; no other card is read, so a wrong one elsewhere harms nobody.

    Args:
        name: a name such as t5-mini.
        zoo: the zoo's folder; None: `find_zoo()`.

    Raises:
        ConfigError: the card is wrong.
        MissingFileError: there's no zoo.
    """
    folder = {folder.name: folder for folder in card_folders(zoo)}.get(name)
    return None if folder is None else _read(folder)


def read_card(name: str | Path, zoo: Path | None = None) -> Card:
    """One card, by its name in the zoo or by the path of its folder (or of the card.yaml in it).

    Args:
        name: a name such as shapes-lite, or a path.
        zoo: the zoo's folder; None: `find_zoo()`.

    Raises:
        ConfigError: no such card, or it's wrong; says the nearest name.
        MissingFileError: a path that holds no card.
    """
    path = Path(name)
    if isinstance(name, Path) or "/" in name or os.sep in name or name in (".", ".."):
        return _read(path.parent if path.name == _CARD else path)
    folders = {folder.name: folder for folder in card_folders(zoo)}
    if str(name) not in folders:
        raise ConfigError(f'the zoo has no card called "{name}".{did_you_mean(str(name), folders)}')
    return _read(folders[str(name)])


def _read(folder: Path) -> Card:
    path = folder / _CARD
    if not path.is_file():
        raise MissingFileError(
            f"{path} is not there. Name a card of the zoo (ivbench zoo list) or a folder with a card."
        )
    config = parse_card(read_yaml(path), str(path))
    if config.name != folder.resolve().name:
        raise ConfigError(f'{path}: name is "{config.name}", its folder is "{folder.resolve().name}". Make them equal.')
    return Card(folder.resolve(), config)


def card_folders(zoo: Path | None = None) -> list[Path]:
    """The folders with a card, sorted; `zoo` as in `list_cards`.

    Raises:
        MissingFileError: there's no zoo.
    """
    found, root = [], zoo if zoo is not None else find_zoo()
    for at, folders, files in os.walk(root, followlinks=False):
        here = Path(at)
        if _CARD in files:
            found.append(here)
            folders.clear()
        if len(here.relative_to(root).parts) >= _DEPTH:
            folders.clear()
        folders.sort()
    return sorted(found)
