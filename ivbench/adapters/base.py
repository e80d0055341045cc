"""What a cascade is to a runner, whatever it was made with."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from ivbench import registry
from ivbench.cascade import StageModel
from ivbench.spec import CascadeSpec
from ivbench.text import TextEncoder
from ivbench.zoo import Card

__all__ = ["Cascade", "open_cascade"]


class Cascade(Protocol):
    """A cascade whose stages can be sampled: the adapters' level "denoiser".

    Nothing is loaded before it is asked for.
    """

    spec: CascadeSpec

    def text_encoder(self) -> TextEncoder:
        """The frozen text encoder, loaded on first use."""

    def stage_model(self, name: str) -> StageModel:
        """A stage's network, loaded on first use."""


def open_cascade(card: Card, device: str = "cpu", zoo: Path | None = None) -> Cascade:
    """Open a cascade through the adapter that its card names.

    Args:
        card: of a cascade.
        device: where its networks run.
        zoo: where its text encoder is looked up; None: `ivbench.zoo.find_zoo()`.

    Raises:
        ConfigError: no such adapter, or the card is not a cascade's.
    """
    cascade: Cascade = registry.load("adapter", card.config.adapter)(card, device, zoo)
    return cascade
