"""CLIP score: 100 x cosine of a frame's and its prompt's embeddings, mean over frames, then over videos."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ivbench.errors import ShapeError
from ivbench.metrics.base import Conditions
from ivbench.metrics.intervals import Integers
from ivbench.metrics.mean_metric import MeanEvidence, MeanMetric
from ivbench.metrics.statistics import Array
from ivbench.metrics.texts import unit_norm

__all__ = ["CLIPScore", "clip_scores", "shuffled_clip_scores"]


def clip_scores(images: NDArray[np.floating], texts: NDArray[np.floating]) -> Array:
    """CLIP score of each video with its caption; negative cosines count as they are.

    100 mean_t cos(image_t, text)

    Args:
        images: [B, T, D] float: embeddings of the frames, any length.
        texts: [B, D] float: embedding of each video's caption, any length.

    Returns:
        [B] float64 in [-100, 100].

    Raises:
        ShapeError: B or D differ.
        NonFiniteError: an embedding is not finite, or 0.

    Source: Imagen Video (2210.02303), Table 1: every frame is an image with its video's prompt.
    """
    if images.ndim != 3 or (images.shape[0], images.shape[2]) != texts.shape:
        raise ShapeError(f"images must be [B, T, D] and texts [B, D], got {images.shape} and {texts.shape}.")
    return np.asarray(100.0 * np.einsum("bd,bd->b", unit_norm(images).mean(axis=1), unit_norm(texts)))


def shuffled_clip_scores(images: NDArray[np.floating], own: Integers, texts: Array) -> Array:
    """Expected CLIP score of each video with a caption drawn from the other prompts: exact, nothing is drawn.

    Args:
        images: [B, T, D] float: embeddings of the frames.
        own: [B] int: row of each video's caption in `texts`.
        texts: [P, D] float64, unit norm: captions of all prompts, P >= 2.

    Returns:
        [B] float64 in [-100, 100].
    """
    others = (texts.sum(axis=0) - texts[own]) / (len(texts) - 1)
    return np.asarray(100.0 * np.einsum("bd,bd->b", unit_norm(images).mean(axis=1), others))


class CLIPScore(MeanMetric):
    """CLIP score, beside it the same videos with other prompts' captions (`shuffled`)."""

    name: ClassVar[str] = "clip_score"
    title: ClassVar[str] = "CLIP score"

    def values(self, images: NDArray[np.floating], prompts: Integers, conditions: Conditions) -> dict[str, Array]:
        """Columns `value` and, with two prompts or more, `shuffled`."""
        texts = self._texts(conditions).embeddings
        columns = {"value": clip_scores(images, texts[prompts])}
        if len(texts) > 1:
            columns["shuffled"] = shuffled_clip_scores(images, prompts, texts)
        return columns

    def _context(self, evidence: MeanEvidence, conditions: Conditions) -> dict[str, float]:
        return {name: evidence.mean(name) for name in evidence.columns if name != "value"}
