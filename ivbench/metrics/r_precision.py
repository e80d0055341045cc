"""CLIP R-Precision: how often a frame finds its own caption among 99 others; the exact expectation over the others.

Ties are pessimistic: a distractor that scores as high as the true caption beats it. A caption that occurs twice in the
pool counts once, and the true caption is never its own distractor.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ivbench.config import Profile
from ivbench.errors import ConfigError
from ivbench.metrics.base import Conditions, missing
from ivbench.metrics.intervals import Integers
from ivbench.metrics.mean_metric import MeanEvidence, MeanMetric
from ivbench.metrics.protocol import Scalar
from ivbench.metrics.statistics import Array
from ivbench.metrics.texts import Pool, Texts, unit_norm

__all__ = ["TIE", "RPrecision", "expected_precision"]

TIE = 1e-9
"""Cosines this near are one: equal embeddings may differ in their last bits after a matrix product."""


def expected_precision(above: Integers, others: Integers, distractors: Integers, replacement: bool = False) -> Array:
    """Probability that no distractor beats the true caption, over all draws of distractors.

    P(hit) = C(M - g, k) / C(M, k), without replacement
    P(hit) = (1 - g / M)^k, with replacement

    Args:
        above: g, int, any shape: captions of the pool that score at least as high as the true one.
        others: M, int, broadcastable: captions of the pool that may be drawn.
        distractors: k, int, broadcastable: how many are drawn, without replacement at most M.
        replacement: whether a caption can be drawn more than once.

    Returns:
        float64 in [0, 1], broadcast; without replacement and with k = M it is 1 where g = 0 and else 0.

    Source: hypergeometric, or independent draws as in the code of Park et al. 2021 (R-Precision, 99 distractors).
    """
    shape = np.broadcast_shapes(np.shape(above), np.shape(others), np.shape(distractors))
    g, m, k = (np.broadcast_to(np.asarray(x, np.float64), shape) for x in (above, others, distractors))
    if replacement:
        return np.asarray((1.0 - g / np.maximum(m, 1.0)) ** k)
    result = np.ones(shape)
    for i in range(int(g.max(initial=0))):
        # C(m-i-1, k) / C(m-i, k) = (m - i - k) / (m - i)
        ratio = np.clip(m - i - k, 0.0, None) / np.maximum(m - i, 1.0)
        result = np.where(i < g, result * ratio, result)
    return result


class RPrecision(MeanMetric):
    """CLIP R-Precision in %, a frame an image; beside it chance, and the value with motion merged.

    With motion merged, captions of the true one's group are not distractors: single frames can't tell them apart. Where
    the pool has classes, captions of the true one's class never are (Park et al. 2021).
    """

    name: ClassVar[str] = "r_precision"
    title: ClassVar[str] = "CLIP R-Precision"
    captioned: ClassVar[bool] = True
    unit: ClassVar[str] = "%"

    def items(self, features: NDArray[np.floating]) -> int:
        """Every frame: T of [B, T, D] embeddings."""
        return int(features.shape[1])

    def values(self, images: NDArray[np.floating], prompts: Integers, conditions: Conditions) -> dict[str, Array]:
        """Columns `value`, `tied` (% of frames) and, where the pool has groups, `motion_merged`.

        Raises:
            ConfigError: no pool, or one with fewer captions than the profile's candidates.
        """
        texts, pool = self._pool(conditions)
        frames = unit_norm(images)
        truth = np.einsum("btd,bd->bt", frames, texts.embeddings[prompts])[..., None]
        margin = frames @ pool.embeddings.T - truth
        own = _same_caption(texts, pool, prompts)
        allowed = ~own if pool.classes is None else ~own & ~_same_group(own, pool.classes)
        profile = conditions.profile
        columns = {"value": _percent(margin, allowed, profile)}
        columns["tied"] = 100.0 * ((abs(margin) <= TIE) & allowed[:, None]).any(axis=-1).mean(axis=-1)
        if pool.groups is not None:
            columns["motion_merged"] = _percent(margin, allowed & ~_same_group(own, pool.groups), profile)
        return columns

    def _context(self, evidence: MeanEvidence, conditions: Conditions) -> dict[str, float]:
        beside = {"chance": _chance(conditions.profile, self._pool(conditions)[1])}
        if "motion_merged" in evidence.columns:
            beside["motion_merged"] = evidence.mean("motion_merged")
        return beside

    def _notes(self, evidence: MeanEvidence, conditions: Conditions) -> list[str]:
        tied, notes = evidence.mean("tied"), super()._notes(evidence, conditions)
        again, held = self._pool(conditions)[1].duplicates, len(self._pool(conditions)[1].captions)
        if again:
            notes = [f"{again + held} captions make a pool of {held}: one that stands again counts once", *notes]
        return [f"{tied:.1f} % of frames tie with another caption; ties count as misses", *notes] if tied > 0 else notes

    def _own_fields(self, conditions: Conditions) -> dict[str, Scalar]:
        _, pool = self._pool(conditions)
        return {
            **super()._own_fields(conditions),
            "pool": pool.digest,
            "pool_size": len(pool.captions),
            "candidates": conditions.profile.candidates,
            **({} if pool.classes is None else {"classes": len(np.unique(pool.classes))}),
            **({"replacement": True} if conditions.profile.replacement else {}),
            "ties": "pessimistic",
            "duplicates": "merged",
        }

    def _pool(self, conditions: Conditions) -> tuple[Texts, Pool]:
        texts = self._texts(conditions)
        if texts.pool is None:
            raise missing(self.name, "a pool of captions")
        profile, others = conditions.profile, _others(texts.pool)
        needed = 1 if profile.replacement else profile.candidates - 1
        if others.min() < needed:
            of = "" if texts.pool.classes is None else " of other classes"
            raise ConfigError(
                f"{self.name} draws {profile.candidates - 1} distractors; the pool has {others.min()} other captions"
                f"{of}, at least {needed} are needed. Give a larger pool."
            )
        return texts, texts.pool


def _same_caption(texts: Texts, pool: Pool, prompts: Integers) -> NDArray[np.bool_]:
    """[B, M]: the true caption of each video in the pool; a row of False where the pool lacks it."""
    row_of = {caption: row for row, caption in enumerate(pool.captions)}
    rows = np.array([row_of.get(texts.captions[prompt], -1) for prompt in prompts.tolist()], np.int64)
    return np.asarray(rows[:, None] == np.arange(len(pool.captions)))


def _same_group(own: NDArray[np.bool_], groups: Integers) -> NDArray[np.bool_]:
    """[B, M]: captions of the group of each video's true caption; a row of False where the pool lacks it."""
    group = groups[own.argmax(axis=1)]
    return np.asarray((group[:, None] == groups) & own.any(axis=1, keepdims=True))


def _percent(margin: Array, allowed: NDArray[np.bool_], profile: Profile) -> Array:
    """[B] mean over frames of 100 P(hit); margin [B, T, M] = cosine less the true one's, allowed [B, M]."""
    above = ((margin >= -TIE) & allowed[:, None]).sum(axis=-1)
    others = allowed.sum(axis=-1)[:, None]
    k = np.asarray(profile.candidates - 1)
    drawn = k if profile.replacement else np.minimum(k, others)
    return np.asarray(100.0 * expected_precision(above, others, drawn, profile.replacement).mean(axis=-1))


def _others(pool: Pool) -> Integers:
    """[M] how many captions may be drawn beside each."""
    if pool.classes is None:
        return np.full(len(pool.captions), len(pool.captions) - 1)
    _, which, sizes = np.unique(pool.classes, return_inverse=True, return_counts=True)
    return np.asarray(len(pool.captions) - sizes[which])


def _chance(profile: Profile, pool: Pool) -> float:
    """100 P(hit) of true captions whose ranks among the others are drawn evenly."""
    if not profile.replacement:
        return 100.0 / profile.candidates
    counts, often = np.unique(_others(pool), return_counts=True)
    k = np.asarray(profile.candidates - 1)
    hits = [expected_precision(np.arange(m + 1), m, k, replacement=True).mean() for m in counts]
    return float(100.0 * np.average(hits, weights=often))
