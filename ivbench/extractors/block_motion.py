"""What changes and moves in each clip, behind the extractors' door: measured, without a network."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ivbench.config import digest
from ivbench.data.motion import MOTION_IDENTITY, block_motion, colour_shift, is_dynamic, mean_change
from ivbench.errors import ShapeError
from ivbench.extractors.base import Kind, check_videos

__all__ = ["BlockMotion"]

_SMALLEST = 4


class BlockMotion:
    """Features are [B, 4]: change in levels, residual of matched blocks, whether it is dynamic, colour shift."""

    name: str = "block-motion"
    digest: str = digest(MOTION_IDENTITY)
    kind: Kind = "motion"
    dim: int = 4
    fewest_frames: int = 2
    preprocess: str = "none"

    def extract(self, videos: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Measures of videos [B, T, H, W, 3] uint8: [B, 4].

        Raises:
            ShapeError: not uint8 videos, a single frame, or smaller than 4 pixels.
        """
        check_videos(videos)
        if videos.shape[1] < self.fewest_frames or min(videos.shape[2:4]) < _SMALLEST:
            raise ShapeError(
                f"{self.name} needs {self.fewest_frames} frames of {_SMALLEST} x {_SMALLEST} pixels or more, got "
                f"{list(videos.shape[1:4])}. Images have no motion."
            )
        return np.array([self._row(video) for video in videos], np.float32).reshape(-1, self.dim)

    def _row(self, video: NDArray[np.uint8]) -> list[float]:
        motion = block_motion(video)
        return [mean_change(video), float(motion.residual.mean()), float(is_dynamic(motion)), colour_shift(video)]
