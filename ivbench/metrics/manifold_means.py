"""Precision, density and authenticity: what each generated video says against the real ones' neighbourhoods.

A video is one row, the mean of its frames' features: frames of one video are no neighbours of each other. An image is a
video of one frame, so of images these are the published metrics.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ivbench.metrics.base import Conditions, ExtractorKind
from ivbench.metrics.intervals import Integers
from ivbench.metrics.mean_metric import MeanMetric
from ivbench.metrics.neighbours import balls_around, inner, nearest, neighbours
from ivbench.metrics.protocol import Scalar
from ivbench.metrics.statistics import Array, finite_features

__all__ = ["Authenticity", "Density", "ManifoldMean", "Precision", "mean_over_frames"]


def mean_over_frames(features: NDArray[np.floating]) -> NDArray[np.floating]:
    """[N, T, D] -> [N, D]."""
    return np.asarray(features.mean(axis=1, dtype=np.float64))


class ManifoldMean(MeanMetric):
    """A value of each generated video against balls around the real ones."""

    kind: ClassVar[ExtractorKind] = "frames"
    compares: ClassVar[bool] = True
    nearest_k: ClassVar[int]

    @abstractmethod
    def against(self, reference: Array) -> Callable[[Array], dict[str, Array]]:
        """Columns [N] of rows [N, D], as `values`, against reference rows [M, D], which are prepared once."""

    def rows(self, features: NDArray[np.floating]) -> NDArray[np.floating]:
        """[N, T, D] -> [N, D], the mean over frames."""
        return mean_over_frames(features)

    def judge(self, conditions: Conditions) -> Callable[[NDArray[np.floating], Integers], dict[str, Array]]:
        """`values`, with the reference's neighbourhoods found once."""
        columns_of = self.against(self._reference_rows(conditions))
        return lambda features, prompts: columns_of(finite_features(self.rows(features)))

    def values(self, images: NDArray[np.floating], prompts: Integers, conditions: Conditions) -> dict[str, Array]:
        """Column `value`; `images` are features [B, T, D].

        Raises:
            ShapeError: the reference has too few videos for so many neighbours.
        """
        return self.judge(conditions)(images, prompts)

    def _own_fields(self, conditions: Conditions) -> dict[str, Scalar]:
        return {"neighbours": self.nearest_k, "rows": "mean over a video's frames"}


class Precision(ManifoldMean):
    """Share in % of generated videos that lie in a ball around a real one, up to its third nearest real neighbour.

    Source: Kynkäänniemi et al. 2019 (1904.06991), equations 1 and 2, k = 3.
    """

    name: ClassVar[str] = "precision"
    title: ClassVar[str] = "precision"
    unit: ClassVar[str] = "%"
    nearest_k: ClassVar[int] = 3

    def against(self, reference: Array) -> Callable[[Array], dict[str, Array]]:
        """100 where a row lies in a ball, else 0."""
        radii = neighbours(reference, self.nearest_k).distance[:, -1]
        return lambda rows: {"value": np.where(balls_around(rows, reference, radii) > 0, 100.0, 0.0)}


class Density(ManifoldMean):
    """How many balls around real videos, of k nearest neighbours, a generated video lies in, over k; may exceed 1.

    Balls are open, as in the authors' prdc: of equal sets it is 1.

    Source: Naeem et al. 2020 (2002.09797), equation 4, k = 5.
    """

    name: ClassVar[str] = "density"
    title: ClassVar[str] = "density"
    nearest_k: ClassVar[int] = 5

    def against(self, reference: Array) -> Callable[[Array], dict[str, Array]]:
        """The number of balls over k."""
        radii = inner(neighbours(reference, self.nearest_k).distance[:, -1])
        return lambda rows: {"value": balls_around(rows, reference, radii) / self.nearest_k}

    def _own_fields(self, conditions: Conditions) -> dict[str, Scalar]:
        return {**super()._own_fields(conditions), "balls": "open"}


class Authenticity(ManifoldMean):
    """Share in % of generated videos that are farther from their nearest training video than its own nearest is.

    The reference must be what the model was trained on. Copies of training videos score 0; another sample of their
    distribution scores about 50, which is its ground truth, not a floor.

    Source: Alaa et al. 2022 (2102.08921), section 4.3.
    """

    name: ClassVar[str] = "authenticity"
    title: ClassVar[str] = "authenticity"
    unit: ClassVar[str] = "%"
    nearest_k: ClassVar[int] = 1

    def against(self, reference: Array) -> Callable[[Array], dict[str, Array]]:
        """100 where a row is no near copy, else 0; beside it `place`, its nearest reference row, and distances.

        `distance` is that to this row, `spacing` of this row to its own nearest, `usual` the median of all spacings.
        """
        own = neighbours(reference, self.nearest_k).distance[:, 0]
        usual = np.median(np.sqrt(own))

        def columns_of(rows: Array) -> dict[str, Array]:
            place, squared = nearest(rows, reference)
            return {
                "value": np.where(squared > own[place], 100.0, 0.0),
                "place": place.astype(np.float64),
                "distance": np.sqrt(squared),
                "spacing": np.sqrt(own[place]),
                "usual": np.full(len(rows), usual),
            }

        return columns_of
