"""VBench's consistency of frames: how like the frame before it, and the first one, each frame of a video is."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ivbench.errors import ShapeError
from ivbench.metrics.base import Conditions, ExtractorKind
from ivbench.metrics.intervals import Integers
from ivbench.metrics.mean_metric import MeanMetric
from ivbench.metrics.statistics import Array
from ivbench.metrics.texts import unit_norm

__all__ = ["BackgroundConsistency", "SubjectConsistency", "frame_consistency"]


def frame_consistency(features: NDArray[np.floating]) -> Array:
    """Consistency of each video.

    mean over t > 1 of (max(0, cos(f_t, f_(t-1))) + max(0, cos(f_t, f_1))) / 2

    Args:
        features: [B, T, D] float: features f_1 ... f_T of the frames, any length, T of at least 2.

    Returns:
        [B] float64 in [0, 1]; 1 of a video that stands still.

    Raises:
        ShapeError: fewer than 2 frames.
        NonFiniteError: a feature is not finite, or all of a frame's are 0.

    Source: VBench (Huang et al. 2023, 2311.17982), and `subject_consistency.py` of Vchitect/VBench: of the second frame
    the one before it is the first, and counts twice.
    """
    if features.ndim != 3 or features.shape[1] < 2:
        raise ShapeError(f"consistency needs [B, T, D] features of 2 frames or more, got {features.shape}.")
    frames = unit_norm(features)
    others = frames[:, 1:]
    before = np.einsum("btd,btd->bt", others, frames[:, :-1])
    first = np.einsum("btd,bd->bt", others, frames[:, 0])
    return np.asarray((np.maximum(before, 0.0) + np.maximum(first, 0.0)).mean(axis=1) / 2.0)


class _Consistency(MeanMetric):
    def values(self, images: NDArray[np.floating], prompts: Integers, conditions: Conditions) -> dict[str, Array]:
        """Column `value` in [0, 1] from features [B, T, D].

        Raises:
            ShapeError: videos of a single frame.
        """
        if images.shape[1] < 2:
            raise ShapeError(f"{self.name} needs videos of 2 frames or more, got a single frame. Leave images out.")
        return {"value": frame_consistency(images)}

    def items(self, features: NDArray[np.floating]) -> int:
        """Every frame but the first: T - 1 of [B, T, D] features."""
        return int(features.shape[1]) - 1


class SubjectConsistency(_Consistency):
    """How alike the frames of a video are by the features of a frames network: VBench's is DINO's ViT-B/16.

    The formula is `frame_consistency`'s. It can't tell the subject from the rest of the frame: whatever changes counts.
    A still video has 1, so read it beside `dynamic_degree`.
    """

    name: ClassVar[str] = "subject_consistency"
    title: ClassVar[str] = "subject consistency"
    kind: ClassVar[ExtractorKind] = "frames"


class BackgroundConsistency(_Consistency):
    """How alike the frames of a video are by CLIP's image embeddings: VBench's are ViT-B/32's.

    The formula is `frame_consistency`'s, and what is said of `SubjectConsistency` holds here too.
    """

    name: ClassVar[str] = "background_consistency"
    title: ClassVar[str] = "background consistency"
