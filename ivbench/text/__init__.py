"""Frozen text encoders: prompts to embeddings. Importing this loads no framework; implementations are registered."""

from ivbench.text.encoder import TextEmbeddings, TextEncoder, masked_mean

__all__ = ["TextEmbeddings", "TextEncoder", "masked_mean"]
