"""Which training video each generated one may be a copy of: the names behind authenticity."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ivbench.metrics.manifold_means import Authenticity, mean_over_frames
from ivbench.metrics.neighbours import nearest, neighbours
from ivbench.metrics.statistics import Array, finite_features
from ivbench.results.schema import Nearest
from ivbench.run.folder_features import FolderFeatures

__all__ = ["closest_in_words", "nearest_videos"]

_SAID = 3
_TWICE = 0.01
"""Of the usual spacing: a real video that has another one nearer than this stands twice."""


def nearest_videos(
    generated: FolderFeatures, reference: FolderFeatures, names: Sequence[str]
) -> tuple[list[Nearest], float]:
    """Of each generated video the nearest of the reference, as authenticity finds it.

    Args:
        generated: features of frames.
        reference: of what the model was trained on.
        names: of the reference's videos.

    Returns:
        One for each generated video, and the median spacing of all the real ones.

    Raises:
        ShapeError: the reference has one video alone.
    """
    real = _rows(reference)
    spacing = np.sqrt(neighbours(real, Authenticity.nearest_k).distance[:, 0])
    places, squares = nearest(_rows(generated), real)
    found = [
        Nearest(file=names[place], distance=float(distance), spacing=float(spacing[place]))
        for place, distance in zip(places.tolist(), np.sqrt(squares), strict=True)
    ]
    return found, float(np.median(spacing))


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


def _rows(found: FolderFeatures) -> Array:
    """[N, D], the mean over each video's frames."""
    return finite_features(np.stack([mean_over_frames(part[None])[0] for part in found.features]))
