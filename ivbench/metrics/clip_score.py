"""CLIP score: 100 x cosine of a frame's and its prompt's embeddings, mean over frames, then over videos."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ivbench.config import ClipScoreChoice
from ivbench.errors import ShapeError
from ivbench.metrics.base import Conditions
from ivbench.metrics.intervals import Integers
from ivbench.metrics.mean_metric import MeanEvidence, MeanMetric
from ivbench.metrics.protocol import Scalar
from ivbench.metrics.statistics import Array
from ivbench.metrics.texts import unit_norm
from ivbench.results.schema import Score

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


def _choice(conditions: Conditions) -> ClipScoreChoice:
    return conditions.profile.clip_score or ClipScoreChoice()


class CLIPScore(MeanMetric):
    """CLIP score, beside it the same videos with other prompts' captions (`shuffled`)."""

    name: ClassVar[str] = "clip_score"
    title: ClassVar[str] = "CLIP score"
    captioned: ClassVar[bool] = True

    def values(self, images: NDArray[np.floating], prompts: Integers, conditions: Conditions) -> dict[str, Array]:
        """Columns `value` and, with two prompts or more, `shuffled`."""
        texts, choice = self._texts(conditions).embeddings, _choice(conditions)
        cosines = np.einsum("btd,bd->bt", unit_norm(images), texts[prompts])
        counted = np.maximum(cosines, 0.0) if choice.clamp == "frame" else cosines
        columns = {"value": choice.weight * counted.mean(axis=1)}
        if choice.clamp == "frame":
            columns["clamped"] = 100.0 * (cosines < 0).mean(axis=1)
        elif len(texts) > 1:
            columns["shuffled"] = shuffled_clip_scores(images, prompts, texts) * (choice.weight / 100.0)
        return columns

    def items(self, features: NDArray[np.floating]) -> int:
        """Every frame: T of [B, T, D] embeddings."""
        return int(features.shape[1])

    def score(
        self,
        evidence: MeanEvidence,
        conditions: Conditions,
        seeds: Sequence[int],
        failed: int = 0,
        context: Mapping[str, float] | None = None,
    ) -> Score:
        """The record of one cell; a profile that clamps the mean clamps the headline."""
        record = super().score(evidence, conditions, seeds, failed, context)
        clamped = _choice(conditions).clamp == "mean" and record.value < 0
        return record.model_copy(update={"value": 0.0}) if clamped else record

    def _own_fields(self, conditions: Conditions) -> dict[str, Scalar]:
        choice = conditions.profile.clip_score
        chosen = {} if choice is None else {"weight": choice.weight, "clamp": choice.clamp}
        return {**super()._own_fields(conditions), **chosen}

    def _context(self, evidence: MeanEvidence, conditions: Conditions) -> dict[str, float]:
        return {name: evidence.mean(name) for name in evidence.columns if name not in ("value", "weight")}
