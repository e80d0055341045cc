"""Frame FID over all frames: every frame of every video counts as one image."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ivbench.metrics.base import ExtractorKind
from ivbench.metrics.frechet_metric import FrechetMetric

__all__ = ["FrameFID"]


class FrameFID(FrechetMetric):
    """Frechet distance of the features of all frames.

    Source: Heusel et al. 2017 (1706.08500), on frames.
    """

    name: ClassVar[str] = "frame_fid"
    title: ClassVar[str] = "frame FID"
    kind: ClassVar[ExtractorKind] = "frames"

    def rows(self, features: NDArray[np.floating]) -> NDArray[np.floating]:
        """[N, T, D] -> [N T, D]."""
        return features.reshape(-1, features.shape[-1])
