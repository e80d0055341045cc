"""Embeddings of all captions of a training, computed once: the text encoder is frozen."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ivbench.text import TextEncoder

__all__ = ["TextTable"]


class TextTable:
    """Rows of text embeddings by caption; row 0 is the null text: zero tokens, zero pooled vector, mask all valid.

    Args:
        encoder: the frozen text encoder.
        captions: what may be asked for.
    """

    def __init__(self, encoder: TextEncoder, captions: Sequence[str]) -> None:
        embeddings = encoder.encode(list(captions))
        tokens, mask, pooled = (torch.from_numpy(x) for x in (embeddings.tokens, embeddings.mask, embeddings.pooled))
        self._rows = {"": 0} | {text: i + 1 for i, text in enumerate(captions)}
        self._tokens = torch.cat([torch.zeros_like(tokens[:1]), tokens])
        self._mask = torch.cat([torch.ones_like(mask[:1]), mask])
        self._pooled = torch.cat([torch.zeros_like(pooled[:1]), pooled])

    def pooled_and_tokens(self) -> tuple[Tensor, Tensor]:
        """All captions' pooled embeddings [N, D] and tokens [M, D], padding and null text left out."""
        return self._pooled[1:], self._tokens[1:][self._mask[1:]]

    def __call__(self, captions: Sequence[Sequence[str]]) -> tuple[Tensor, Tensor, Tensor]:
        """Tokens [B, T, L, D], mask [B, T, L] and pooled [B, T, D] of B rows of T captions."""
        rows = torch.tensor([[self._rows[text] for text in row] for row in captions])
        return self._tokens[rows], self._mask[rows], self._pooled[rows]
