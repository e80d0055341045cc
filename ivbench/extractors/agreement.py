"""How far a probe with attribute heads and the geometric judge agree on the same videos."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from ivbench.data.shapes.judge import judge

__all__ = ["AttributeJudge", "agreement"]


@runtime_checkable
class AttributeJudge(Protocol):
    """An extractor with attribute heads."""

    heads: dict[str, tuple[str, ...]]

    def predict(self, videos: NDArray[np.uint8]) -> dict[str, NDArray[np.str_]]:
        """The value of each attribute, of each frame [B, T] or clip [B]."""


def agreement(probe: AttributeJudge, videos: NDArray[np.uint8]) -> dict[str, float]:
    """Share of videos of which a probe says what the geometric judge says ("none" included), by attribute.

    Args:
        probe: a frame probe, which answers for a video by its middle frame, or a video probe.
        videos: [B, T, H, W, C] uint8.

    Returns:
        attribute -> share in [0, 1].
    """
    verdicts, answers = judge(videos), probe.predict(videos)
    found = {}
    for name, said in answers.items():
        ours = said if said.ndim == 1 else said[:, said.shape[1] // 2]
        found[name] = round(float(np.mean([getattr(row, name) for row in verdicts] == ours)), 4)
    return found
