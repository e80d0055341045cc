"""Which training video each generated one may be a copy of: the names behind authenticity."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ivbench.metrics.mean_metric import MeanEvidence
from ivbench.results.schema import Nearest

__all__ = ["closest_in_words", "nearest_videos"]

_SAID = 3
_TWICE = 0.01
"""Of the usual spacing: a real video that has another one nearer than this stands twice."""


def nearest_videos(evidence: MeanEvidence, names: Sequence[str]) -> tuple[list[Nearest], float]:
    """Of each generated video the nearest of the reference, as authenticity found it.

    Args:
        evidence: of authenticity, each video a prompt of its own.
        names: of the reference's videos, in the order in which the metric had them.

    Returns:
        One for each generated video, in their order, and the median spacing of all the real ones.
    """
    columns = [evidence.columns[name][np.argsort(evidence.prompt)] for name in ("place", "distance", "spacing")]
    found = [
        Nearest(file=names[int(place)], distance=float(distance), spacing=float(spacing))
        for place, distance, spacing in zip(*columns, strict=True)
    ]
    return found, float(evidence.columns["usual"][0])


def closest_in_words(units: Sequence[str], found: Sequence[Nearest], usual: float) -> list[str]:
    """The likeliest copies, by their distance over the real video's spacing; nothing where none is within it.

    A real video that stands twice has no spacing of its own; the usual one, a median, takes its place.
    """
    twice = [one.spacing <= _TWICE * usual for one in found]
    scales = [usual if double else one.spacing for one, double in zip(found, twice, strict=True)]
    near = [
        (one.distance / scale if scale else 0.0, unit, one.file)
        for one, unit, scale in zip(found, units, scales, strict=True)
        if one.distance <= scale
    ]
    said = []
    if near:
        named = ", ".join(f"{unit} to {file} ({ratio:.2g})" for ratio, unit, file in sorted(near)[:_SAID])
        said.append(
            "closest to a real video, over the distance of that to its own nearest: "
            f"{named}; of all videos in results.json, under nearest"
        )
    missed = sum(double and one.distance > one.spacing for one, double in zip(found, twice, strict=True))
    if missed:
        said.append(
            f"{missed} of the videos {'is' if missed == 1 else 'are'} nearest to a real video that stands twice, or "
            "nearly so: nothing but the same file counts as a copy of it. Leave one of the two out"
        )
    return said
