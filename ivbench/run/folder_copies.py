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


def nearest_videos(generated: FolderFeatures, reference: FolderFeatures, names: Sequence[str]) -> list[Nearest]:
    """Of each generated video the nearest of the reference, as authenticity finds it.

    Args:
        generated: features of frames.
        reference: of what the model was trained on.
        names: of the reference's videos.

    Raises:
        ShapeError: the reference has one video alone.
    """
    real = _rows(reference)
    spacing = np.sqrt(neighbours(real, Authenticity.nearest_k).distance[:, 0])
    places, squares = nearest(_rows(generated), real)
    return [
        Nearest(file=names[place], distance=float(distance), spacing=float(spacing[place]))
        for place, distance in zip(places.tolist(), np.sqrt(squares), strict=True)
    ]


def closest_in_words(units: Sequence[str], found: Sequence[Nearest]) -> list[str]:
    """The likeliest copies, by their distance over the real video's spacing; nothing where none is within it."""
    near = [
        (_ratio(one), unit, one.file) for unit, one in zip(units, found, strict=True) if one.distance <= one.spacing
    ]
    said = [f"{unit} to {file} ({ratio:.2g})" for ratio, unit, file in sorted(near)[:_SAID]]
    if not said:
        return []
    return [
        "closest to a real video, over the distance of that to its own nearest: "
        f"{', '.join(said)}; of all videos in results.json, under nearest"
    ]


def _ratio(one: Nearest) -> float:
    return one.distance / one.spacing if one.spacing else 0.0


def _rows(found: FolderFeatures) -> Array:
    """[N, D], the mean over each video's frames."""
    return finite_features(np.stack([mean_over_frames(part[None])[0] for part in found.features]))
