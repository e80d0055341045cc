"""The geometric judge of the shapes domain behind the extractors' door: what each clip shows, as numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ivbench.config import digest
from ivbench.data.shapes.judge import ATTRIBUTES, JUDGE_IDENTITY, Verdict, judge
from ivbench.data.shapes.labels import VOCABULARY
from ivbench.extractors.base import Kind, check_videos

__all__ = ["GeometricJudge"]


class GeometricJudge:
    """Measures, learns nothing, needs no weights; a change of its verdicts is a new version in `JUDGE_IDENTITY`.

    Features are [B, 6]: for each of `ivbench.data.shapes.judge.ATTRIBUTES` the place of the value in
    `ivbench.data.shapes.labels.VOCABULARY`, or -1 for "none".
    """

    name: str = "geometric-judge"
    digest: str = digest(JUDGE_IDENTITY)
    kind: Kind = "clips"
    dim: int = len(ATTRIBUTES)
    preprocess: str = "none"
    _places: ClassVar[Mapping[str, Mapping[str, int]]] = {
        attribute: {value: place for place, value in enumerate(values)} for attribute, values in VOCABULARY.items()
    }

    def extract(self, videos: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Verdicts on videos [B, T, H, W, 3] uint8 as numbers [B, 6]."""
        check_videos(videos)
        return np.array([self._row(verdict) for verdict in judge(videos)], np.float32).reshape(-1, self.dim)

    def _row(self, verdict: Verdict) -> list[int]:
        return [self._places[attribute].get(getattr(verdict, attribute), -1) for attribute in ATTRIBUTES]
