"""Attribute accuracy on the shapes domain: the share of videos that show what their caption asks for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ivbench.data.shapes.labels import VOCABULARY, attributes_of
from ivbench.errors import ConfigError, ShapeError
from ivbench.metrics.base import Conditions, ExtractorKind
from ivbench.metrics.intervals import Integers
from ivbench.metrics.mean_metric import MeanEvidence, MeanMetric
from ivbench.metrics.statistics import Array

__all__ = [
    "AttributeAccuracy",
    "BackgroundAccuracy",
    "ColourAccuracy",
    "MotionAccuracy",
    "ShapeAccuracy",
    "StyleAccuracy",
]


class AttributeAccuracy(MeanMetric):
    """Share in % of videos whose verdict on one attribute is the caption's; "none" is a miss.

    Needs an extractor whose features are the places of the verdicts in `VOCABULARY`, such as the geometric judge.
    """

    kind: ClassVar[ExtractorKind] = "clips"
    unit: ClassVar[str] = "%"
    attribute: ClassVar[str]
    captioned: ClassVar[bool] = True

    def require_prompts(self, prompts: Sequence[str]) -> None:
        """Every prompt must be a canonical caption of the shapes domain: nothing else says what a video should show."""
        for text in prompts:
            self._asked(text)

    def values(self, images: NDArray[np.floating], prompts: Integers, conditions: Conditions) -> dict[str, Array]:
        """Column `value`: 100 where the verdict is right, else 0; `images` are verdicts [B, 6].

        Raises:
            ConfigError: a prompt is no canonical caption of the shapes domain.
            ShapeError: the features are no verdicts.
        """
        if images.shape[1] != len(VOCABULARY):
            raise ShapeError(f"{self.name} reads verdicts [B, {len(VOCABULARY)}], got features {images.shape}.")
        column = list(VOCABULARY).index(self.attribute)
        asked = np.array([self._asked(conditions.captions[prompt]) for prompt in prompts.tolist()])
        return {"value": np.where(images[:, column] == asked, 100.0, 0.0)}

    def _asked(self, text: str) -> int:
        attributes = attributes_of(text)
        if attributes is None:
            raise ConfigError(f'{self.name}: "{text[:60]}" is no canonical caption of the shapes domain.')
        return VOCABULARY[self.attribute].index(getattr(attributes, self.attribute))

    def _context(self, evidence: MeanEvidence, conditions: Conditions) -> dict[str, float]:
        return {"chance": 100.0 / len(VOCABULARY[self.attribute])}


class ShapeAccuracy(AttributeAccuracy):
    """Of the shape."""

    name: ClassVar[str] = "shape_accuracy"
    title: ClassVar[str] = "shape accuracy"
    attribute: ClassVar[str] = "shape"


class ColourAccuracy(AttributeAccuracy):
    """Of the colour."""

    name: ClassVar[str] = "colour_accuracy"
    title: ClassVar[str] = "colour accuracy"
    attribute: ClassVar[str] = "colour"


class BackgroundAccuracy(AttributeAccuracy):
    """Of the background."""

    name: ClassVar[str] = "background_accuracy"
    title: ClassVar[str] = "background accuracy"
    attribute: ClassVar[str] = "background"


class MotionAccuracy(AttributeAccuracy):
    """Of the motion."""

    name: ClassVar[str] = "motion_accuracy"
    title: ClassVar[str] = "motion accuracy"
    attribute: ClassVar[str] = "motion"


class StyleAccuracy(AttributeAccuracy):
    """Of the style; asked for in an image-only style, it measures what images taught the video model (Figure 8)."""

    name: ClassVar[str] = "style_accuracy"
    title: ClassVar[str] = "style accuracy"
    attribute: ClassVar[str] = "style"
