"""The card's key map: foreign names to the cascade's, with declared turns of axes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from ivbench.adapters.checkpoints.choice import Chosen
from ivbench.config.checkpoint import KeyRule
from ivbench.errors import ConfigError

__all__ = ["Renamed", "apply_key_map"]


@dataclass(frozen=True, eq=False)
class Renamed:
    """A tensor under the cascade's name.

    Attributes:
        source: its name from the top of the checkpoint.
        array: with its axes turned.
        layout: how, where the card says so.
    """

    source: str
    array: NDArray[Any]
    layout: str | None = None


def apply_key_map(chosen: Chosen, rules: Sequence[KeyRule], used: set[int]) -> dict[str, Renamed]:
    """Rename tensors by the first rule that matches the whole of a name; others keep theirs.

    Args:
        chosen: a stage's tensors; rules see their names below its path.
        rules: of the card.
        used: takes the index of every rule that matched.

    Raises:
        ConfigError: two tensors get one name, or a layout does not fit its tensor.
    """
    found: dict[str, Renamed] = {}
    for short, array in chosen.arrays.items():
        name, layout, source = short, None, chosen.full(short)
        for index, rule in enumerate(rules):
            match = re.fullmatch(rule.match, short)
            if match is not None:
                name, layout = _expanded(match, rule), rule.layout
                used.add(index)
                break
        if name in found:
            raise ConfigError(f'"{source}" and "{found[name].source}" both become "{name}". Correct the key_map.')
        found[name] = Renamed(source, array if layout is None else _turned(array, layout, source), layout)
    return found


def _expanded(match: re.Match[str], rule: KeyRule) -> str:
    try:
        return match.expand(rule.name)
    except (re.error, IndexError) as error:
        raise ConfigError(f'key_map: name "{rule.name}" does not fit match "{rule.match}": {error}.') from error


def _turned(array: NDArray[Any], layout: str, source: str) -> NDArray[Any]:
    from einops import EinopsError, rearrange

    try:
        turned: NDArray[Any] = rearrange(array, layout)
    except EinopsError as error:
        said = " ".join(str(error).split())[:200]
        raise ConfigError(f'key_map: layout "{layout}" does not fit {source} {list(array.shape)}: {said}') from error
    return turned
