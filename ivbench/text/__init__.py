"""Frozen text encoders: prompts to embeddings. Importing this loads no framework; implementations are registered."""

from ivbench.text.encoder import TextEmbeddings, TextEncoder, folder_digest, masked_mean

__all__ = ["TextEmbeddings", "TextEncoder", "folder_digest", "masked_mean"]
