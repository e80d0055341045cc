"""Cheap measures of change in time, from the columns of the block-motion extractor.

None says that a video is good: a still one has no flicker and no colour shift. Read them beside each other, and beside
the real clips'.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ivbench.errors import ShapeError
from ivbench.metrics.base import Conditions, ExtractorKind, FeatureSource
from ivbench.metrics.intervals import Integers
from ivbench.metrics.mean_metric import MeanMetric
from ivbench.metrics.statistics import Array, finite_features

__all__ = ["ColourShift", "DynamicDegree", "Flicker", "TemporalFlickering", "WarpingError"]

_COLUMNS = 4


class _Temporal(MeanMetric):
    kind: ClassVar[ExtractorKind] = "motion"
    higher_is_better: ClassVar[bool] = False
    column: ClassVar[int]
    scale: ClassVar[float] = 1.0

    def values(self, images: NDArray[np.floating], prompts: Integers, conditions: Conditions) -> dict[str, Array]:
        """Column `value`; `images` are the extractor's measures [B, 4].

        Raises:
            ShapeError: other features.
        """
        if images.shape[1] != _COLUMNS:
            raise ShapeError(f"{self.name} reads the measures of block-motion, got features {images.shape}.")
        return {"value": self.scale * finite_features(images)[:, self.column]}


class Flicker(_Temporal):
    """Mean absolute difference of consecutive frames, in levels of 255; motion counts too.

    `TemporalFlickering` is the same in VBench's scale.
    """

    name: ClassVar[str] = "flicker"
    title: ClassVar[str] = "flicker"
    column: ClassVar[int] = 0


class TemporalFlickering(_Temporal):
    """(255 - flicker) / 255: 1 where nothing changes from frame to frame; motion counts against it too.

    Its mean is over videos under the profile `vbench`. VBench asks it of videos that should stand still, and offers to
    leave out by RAFT's flow those that do not; here none is left out.

    Source: VBench (Huang et al. 2023, 2311.17982), and `temporal_flickering.py` of Vchitect/VBench.
    """

    name: ClassVar[str] = "temporal_flickering"
    title: ClassVar[str] = "temporal flickering"
    higher_is_better: ClassVar[bool] = True
    column: ClassVar[int] = 0

    def values(self, images: NDArray[np.floating], prompts: Integers, conditions: Conditions) -> dict[str, Array]:
        """Column `value` in [0, 1]; `images` are the extractor's measures [B, 4]."""
        return {"value": (255.0 - super().values(images, prompts, conditions)["value"]) / 255.0}

    def label(self, source: FeatureSource) -> str:
        """The title alone: it is defined on pixels, whatever measures it."""
        return self.title


class WarpingError(_Temporal):
    """Mean squared difference, times 1000, of each block and where it goes in the next frame; luma in [0, 1].

    Source: Lai et al. 2018 (1808.00449), equation 11, with matched blocks in the place of a flow network's warp and
    without its mask: what is uncovered counts.
    """

    name: ClassVar[str] = "warping_error"
    title: ClassVar[str] = "warping error"
    column: ClassVar[int] = 1
    scale: ClassVar[float] = 1000.0


class DynamicDegree(_Temporal):
    """Share in % of videos that move by VBench's rule, with matched blocks in the place of RAFT, at their own fps."""

    name: ClassVar[str] = "dynamic_degree"
    title: ClassVar[str] = "dynamic degree"
    unit: ClassVar[str] = "%"
    higher_is_better: ClassVar[bool] = True
    column: ClassVar[int] = 2
    scale: ClassVar[float] = 100.0


class ColourShift(_Temporal):
    """How far the mean colour of frames strays from their clip's, root mean square, in levels of 255.

    What the paper sees in eps-prediction's super-resolution (figure 12); it gives no measure, this one is ours.
    """

    name: ClassVar[str] = "colour_shift"
    title: ClassVar[str] = "colour shift"
    column: ClassVar[int] = 3
