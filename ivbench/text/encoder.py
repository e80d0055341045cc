"""The door to text encoders: what one is, what it returns, and how it is identified."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from ivbench.errors import ShapeError

__all__ = ["TextEmbeddings", "TextEncoder", "masked_mean"]


@dataclass(frozen=True)
class TextEmbeddings:
    """The embeddings of N prompts, L tokens each, D features.

    Attributes:
        tokens: [N, L, D] float32: one vector a token; exactly 0 where `mask` is False.
        mask: [N, L] bool: True for the prompt's tokens, its end token included; at least one a prompt.
        pooled: [N, D] float32: the mean of a prompt's tokens.
        truncated: how many of the prompts were longer than L tokens and lost their tail (never the end token).
    """

    tokens: NDArray[np.float32]
    mask: NDArray[np.bool_]
    pooled: NDArray[np.float32]
    truncated: int


@runtime_checkable
class TextEncoder(Protocol):
    """A frozen text encoder.

    A prompt's embedding depends on that prompt alone, within 1e-5: never on its neighbours in the call.
    """

    @property
    def name(self) -> str:
        """The encoder's name, for cards and manifests."""

    @property
    def digest(self) -> str:
        """Sha256 (hex) over configuration, tokenizer and weights."""

    @property
    def dim(self) -> int:
        """D: features a token."""

    @property
    def max_length(self) -> int:
        """L: tokens a prompt, the end token included."""

    def encode(self, prompts: list[str]) -> TextEmbeddings:
        """The embeddings of any number of prompts; an empty prompt is its end token alone."""


def masked_mean(tokens: NDArray[np.float32], mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """The mean over the valid tokens, pooled = sum(mask * tokens) / sum(mask).

    Args:
        tokens: [N, L, D] float32.
        mask: [N, L] bool: at least one True a row.

    Returns:
        [N, D] float32.

    Raises:
        ShapeError: the shapes do not fit, or a row has no valid token.
    """
    if tokens.shape[:2] != mask.shape:
        raise ShapeError(f"tokens {tokens.shape} and mask {mask.shape} differ in [N, L]. Give one flag a token.")
    counts = mask.sum(axis=1, dtype=np.float32)
    if not (counts > 0).all():
        raise ShapeError("a prompt has no valid token, at least one is needed. Keep the end token.")
    total = np.where(mask[..., None], tokens, np.float32(0)).sum(axis=1, dtype=np.float32)
    return (total / counts[:, None]).astype(np.float32)
