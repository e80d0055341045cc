"""What a cascade is to a runner, whatever it was made with."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from ivbench import registry
from ivbench.cascade import StageModel
from ivbench.errors import ConfigError
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


def open_cascade(
    card: Card, device: str = "cpu", zoo: Path | None = None, backend: str = "torch", dtype: str = "float32"
) -> Cascade:
    """Open a cascade through the adapter that its card names.

    An adapter is called with card, device and zoo; one that lists `backends` with backend and dtype too.

    Args:
        card: of a cascade.
        device: where its networks run.
        zoo: where its text encoder is looked up; None: `ivbench.zoo.find_zoo()`.
        backend: which framework runs its stages: torch or jax.
        dtype: what they compute in.

    Raises:
        ConfigError: no such adapter, or it does not run on that backend or in that dtype.
    """
    adapter = registry.load("adapter", card.config.adapter)
    if hasattr(adapter, "generate"):
        name = card.config.adapter
        raise ConfigError(f'{card.folder}: the adapter "{name}" is a generator. Run it without a card: {name}:WHAT.')
    backends = getattr(adapter, "backends", ())
    options = {"backend": backend, "dtype": dtype} if backends else {}
    if backend not in (backends or ("torch",)) or (not backends and dtype != "float32"):
        raise ConfigError(
            f'the adapter "{card.config.adapter}" got backend {backend} and dtype {dtype}. '
            f"Allowed: {', '.join(backends) or 'torch in float32'}."
        )
    cascade: Cascade = adapter(card, device, zoo, **options)
    return cascade
