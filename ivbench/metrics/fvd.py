"""FVD: the Frechet distance of video features."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ivbench.metrics.base import ExtractorKind
from ivbench.metrics.frechet_metric import FrechetMetric

__all__ = ["FVD"]


class FVD(FrechetMetric):
    """Frechet distance of one feature a clip.

    Source: Unterthiner et al. 2018 (1812.01717), equation 1.
    """

    name: ClassVar[str] = "fvd"
    title: ClassVar[str] = "FVD"
    kind: ClassVar[ExtractorKind] = "clips"

    def rows(self, features: NDArray[np.floating]) -> NDArray[np.floating]:
        """[N, D], as it is."""
        return features
