"""Frame FID of first frames."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ivbench.metrics.base import ExtractorKind
from ivbench.metrics.frechet_metric import FrechetMetric

__all__ = ["FrameFIDFirstFrame"]


class FrameFIDFirstFrame(FrechetMetric):
    """Frechet distance of the features of the first frame of each video.

    Source: Imagen Video (2210.02303), Figure 13.
    """

    name: ClassVar[str] = "frame_fid_first_frame"
    title: ClassVar[str] = "frame FID (first frame)"
    kind: ClassVar[ExtractorKind] = "frames"

    def rows(self, features: NDArray[np.floating]) -> NDArray[np.floating]:
        """[N, T, D] -> [N, D]."""
        return features[:, 0]
