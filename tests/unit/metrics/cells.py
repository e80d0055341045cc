"""Small cells of made-up features for the tests of the metrics."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ivbench.config import profile
from ivbench.metrics import Batch, Conditions, FeatureSource

SOURCE = FeatureSource("shapes-frame", "0" * 64, "squash to 24x40, bilinear", published=False)


def conditions(**changes: Any) -> Conditions:
    settings: dict[str, Any] = {
        "source": SOURCE,
        "profile": profile("ivbench"),
        "frames": 4,
        "fps": 3.0,
        "height": 12,
        "width": 20,
        "prompts": "p" * 64,
        "num_prompts": 30,
        **changes,
    }
    return Conditions(**settings)


def batches(features: np.ndarray, size: int = 7) -> Iterator[Batch]:
    """[R, P, ...] features of R runs over P prompts, in batches."""
    for run, videos in enumerate(features):
        for start in range(0, len(videos), size):
            block = videos[start : start + size]
            yield Batch(run, np.arange(start, start + len(block)), block)
