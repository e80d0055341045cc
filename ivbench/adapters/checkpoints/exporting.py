"""From a native cascade to a checkpoint of another format, bit for bit."""

from __future__ import annotations

from pathlib import Path

from ivbench import registry
from ivbench.adapters.formats.base import CheckpointFormat
from ivbench.adapters.formats.tree import Tree, nest
from ivbench.adapters.native import NativeCascade
from ivbench.errors import ConfigError
from ivbench.zoo import Card

__all__ = ["export_cascade"]

_NESTED = ("flax", "orbax")


def export_cascade(card: Card, name: str, out: Path | None = None) -> Path:
    """Write a cascade's weights as one checkpoint: {stage: weights}.

    Flax and orbax get nested dicts ({"stem": {"weight": ...}}), torch a state dict a stage, npz flat names with the
    stage in front. Names and axes are the cascade's own in each.

    Args:
        card: of a native cascade with weights.
        name: the format's.
        out: the file or folder to write; it must not exist. None: the cascade's name with the format's suffix.

    Returns:
        Where it was written.

    Raises:
        ConfigError: no such format, no weights, a partial load, or `out` exists.
        DigestError: a file is not what the card says.
    """
    chosen: CheckpointFormat = registry.load("checkpoint", name)()
    suffix = chosen.suffixes[0] if chosen.suffixes else f"-{name}"
    path = Path(f"{card.name}{suffix}") if out is None else out
    if path.exists():
        raise ConfigError(f"{path} exists. Remove it, or give another place with --out.")
    if not card.config.weights:
        raise ConfigError(f'"{card.name}" has no weights to export. See: ivbench zoo show {card.name}')
    if card.config.partial:
        raise ConfigError(
            f'"{card.name}" is a partial load ({card.partial}), and no other format could say so. Export the original.'
        )
    chosen.write(path, _tree(card, nested=name in _NESTED))
    return path


def _tree(card: Card, nested: bool) -> Tree:
    cascade = NativeCascade(card)
    stages = [stage.name for stage in cascade.spec.stages if stage.name in card.config.weights]
    weights = {stage: cascade.weights(stage) for stage in stages}
    return {stage: nest(arrays) if nested else dict(arrays) for stage, arrays in weights.items()}
