"""Text embeddings of a suite's prompts, and the fixed pool of captions that R-Precision draws distractors from."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ivbench.errors import NonFiniteError, ShapeError
from ivbench.metrics.intervals import Integers
from ivbench.metrics.statistics import Array, finite_features

__all__ = ["Pool", "Texts", "unit_norm"]


def unit_norm(embeddings: NDArray[np.floating]) -> Array:
    """Embeddings divided by their length, in float64.

    Args:
        embeddings: [..., D] float.

    Raises:
        NonFiniteError: NaN, infinity, or an embedding of length 0.
    """
    rows = finite_features(embeddings)
    lengths = np.linalg.norm(rows, axis=-1, keepdims=True)
    if not lengths.all():
        raise NonFiniteError("an embedding has length 0, so it has no direction. Look at the extractor's weights.")
    return np.asarray(rows / lengths, dtype=np.float64)


@dataclass(frozen=True, eq=False)
class Pool:
    """R-Precision's captions: each once.

    Attributes:
        captions: M captions, no two the same.
        embeddings: [M, D] float64, unit norm.
        groups: [M] int, or None: captions of one group differ only in what a single frame can't show (motion).
        duplicates: captions that were given again and count once.
        classes: [M] int, or None: captions of one class are no distractors of each other.
    """

    captions: tuple[str, ...]
    embeddings: Array
    groups: Integers | None = None
    duplicates: int = 0
    classes: Integers | None = None

    @classmethod
    def merged(
        cls,
        captions: Sequence[str],
        embeddings: NDArray[np.floating],
        groups: Integers | None = None,
        classes: Integers | None = None,
    ) -> Pool:
        """A pool in which a caption that occurs twice counts once, in the group and class of the first.

        Args:
            captions: M' captions.
            embeddings: [M', D] float.
            groups, classes: [M'] int, or None.

        Raises:
            ShapeError: the lengths differ.
            NonFiniteError: an embedding is not finite, or 0.
        """
        if any(rows is not None and len(rows) != len(captions) for rows in (embeddings, groups, classes)):
            raise ShapeError(f"a pool of {len(captions)} captions needs as many embeddings, groups and classes.")
        first = {caption: row for row, caption in reversed(list(enumerate(captions)))}
        kept = np.array(sorted(first.values()), np.int64)
        unique = tuple(captions[row] for row in kept)
        parts = [None if rows is None else np.asarray(rows)[kept] for rows in (groups, classes)]
        return cls(unique, unit_norm(embeddings[kept]), parts[0], len(captions) - len(unique), parts[1])

    @property
    def digest(self) -> str:
        """Sha256 of the captions in order, and of their groups and classes."""
        digest = hashlib.sha256("\n".join(self.captions).encode())
        if self.groups is not None:
            digest.update(np.asarray(self.groups, "<i8").tobytes())
        if self.classes is not None:
            digest.update(b"classes" + np.asarray(self.classes, "<i8").tobytes())
        return digest.hexdigest()


@dataclass(frozen=True, eq=False)
class Texts:
    """The prompts of a suite as an image-text extractor sees them.

    Attributes:
        captions: P prompts in suite order.
        embeddings: [P, D] float64, unit norm.
        pool: for R-Precision; None where it is not scored.
        truncated: prompts that are longer than the extractor reads.
    """

    captions: tuple[str, ...]
    embeddings: Array
    pool: Pool | None = None
    truncated: int = 0

    @classmethod
    def of(
        cls,
        captions: Sequence[str],
        embeddings: NDArray[np.floating],
        pool: Pool | None = None,
        truncated: int = 0,
    ) -> Texts:
        """Texts from embeddings of any length.

        Args:
            captions: P prompts.
            embeddings: [P, D] float.
            pool: of captions, embedded by the same extractor.
            truncated: how many prompts are longer than the extractor reads.

        Raises:
            ShapeError: the lengths differ.
            NonFiniteError: an embedding is not finite, or 0.
        """
        if len(captions) != len(embeddings):
            raise ShapeError(f"{len(captions)} prompts need as many embeddings, got {len(embeddings)}.")
        return cls(tuple(captions), unit_norm(embeddings), pool, truncated)
