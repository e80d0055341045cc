"""Extractors of somebody's own package: the mean colour of each frame."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class MeanColour:
    name, digest, kind, dim, preprocess = "mean-colour", "c" * 64, "frames", 3, "none"

    def extract(self, videos: NDArray[np.uint8]) -> NDArray[np.float32]:
        return videos.mean((2, 3), dtype=np.float32)


class Wrong(MeanColour):
    """Gives two numbers a frame and says three."""

    digest = "b" * 64

    def extract(self, videos: NDArray[np.uint8]) -> NDArray[np.float32]:
        return super().extract(videos)[..., :2]


def make() -> MeanColour:
    return MeanColour()


class Nothing:
    """No extractor."""
