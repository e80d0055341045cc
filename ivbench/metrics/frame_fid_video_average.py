"""Frame FID of video averages: the features of a video's frames are averaged first."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ivbench.metrics.base import ExtractorKind
from ivbench.metrics.frechet_metric import FrechetMetric

__all__ = ["FrameFIDVideoAverage"]


class FrameFIDVideoAverage(FrechetMetric):
    """Frechet distance of the mean frame feature of each video.

    Source: Video Diffusion Models (2204.03458), "FID-avg".
    """

    name: ClassVar[str] = "frame_fid_video_average"
    title: ClassVar[str] = "frame FID (video average)"
    kind: ClassVar[ExtractorKind] = "frames"

    def rows(self, features: NDArray[np.floating]) -> NDArray[np.floating]:
        """[N, T, D] -> [N, D], averaged in float64."""
        return np.asarray(features.mean(axis=1, dtype=np.float64), dtype=np.float64)
