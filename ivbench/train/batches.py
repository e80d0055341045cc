"""Training batches of the shapes domain: the same scene at the stage's size and at the size of the stage before.

Batch number i depends on (seed, i) alone, so that a resumed training sees what an uninterrupted one sees.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ivbench.data.shapes.attributes import STYLES, Attributes
from ivbench.data.shapes.captions import PHRASINGS, caption, image_caption, training_captions
from ivbench.data.shapes.render import Scene, draw_scene, render, render_image
from ivbench.errors import ConfigError
from ivbench.spec import StageSpec
from ivbench.train.recipe import DataRecipe

__all__ = ["Batch", "ShapesBatches"]

_STYLE_SHARES = (0.5, 0.25, 0.25)


@dataclass(frozen=True)
class Batch:
    """One training batch.

    Attributes:
        video: [B, T, H, W, C] float32 in [-1, 1].
        low: [B, T', H', W', C]: the same scene as the stage before makes it; None for a base model.
        captions: B rows of T captions, one a frame; "" = dropped text.
        images: [B] bool: rows that are packs of independent images.
        generator: the batch's own source of noise and times.
    """

    video: NDArray[np.float32]
    low: NDArray[np.float32] | None
    captions: list[list[str]]
    images: NDArray[np.bool_]
    generator: np.random.Generator


class ShapesBatches:
    """Batches for one stage.

    Args:
        recipe: batch size, seed, shares, crop.
        stage: the stage's size.
        before: the stage that feeds it; None for a base model.

    Raises:
        ConfigError: images or crops that such a stage can't be trained on.
    """

    def __init__(self, recipe: DataRecipe, stage: StageSpec, before: StageSpec | None) -> None:
        _require_fit(recipe, stage, before)
        self._recipe, self._stage, self._before = recipe, stage, before
        self._combinations = training_captions()

    def vocabulary(self) -> list[str]:
        """Every caption that a batch may have."""
        rows = sorted({row for row, _ in self._combinations})
        videos = {caption(row, phrasing) for row, phrasing in self._combinations}
        if not self._recipe.images:
            return sorted(videos)
        return sorted(
            videos | {image_caption(_styled(r, s), k) for r in rows for s in STYLES for k in range(len(PHRASINGS))}
        )

    def __call__(self, index: int) -> Batch:
        """The batch number `index`."""
        generator = np.random.Generator(np.random.Philox(key=[self._recipe.seed, index]))
        packs = round(self._recipe.batch * self._recipe.images)
        videos = self._videos(self._recipe.batch - packs, generator)
        images = self._packs(packs, generator) if packs else None
        video, low, captions = videos if images is None else _join(videos, images)
        flags = np.arange(len(captions)) >= len(captions) - packs
        dropped = generator.random(len(captions)) < self._recipe.text_dropout
        captions = [[""] * len(row) if drop else row for row, drop in zip(captions, dropped, strict=True)]
        video, low = self._crop(video, low, generator)
        return Batch(video, low, captions, flags, generator)

    def _videos(self, count: int, generator: np.random.Generator) -> _Rows:
        chosen = [self._combinations[i] for i in generator.integers(len(self._combinations), size=count)]
        scenes = [draw_scene(row, generator) for row, _ in chosen]
        stage, before = self._stage, self._before
        video = render(scenes, stage.frames, stage.fps, stage.height, stage.width)
        low = None if before is None else render(scenes, before.frames, before.fps, before.height, before.width)
        return video, low, [[caption(row, phrasing)] * stage.frames for row, phrasing in chosen]

    def _packs(self, count: int, generator: np.random.Generator) -> _Rows:
        frames = self._stage.frames
        scenes, words = self._images(count * frames, generator)
        progress = generator.random(len(scenes))
        shape = (count, frames)
        video = render_image(scenes, progress, self._stage.height, self._stage.width)
        low = None
        if self._before is not None:
            low = render_image(scenes, progress, self._before.height, self._before.width)
            low = low.reshape(*shape, *low.shape[1:])
        captions = [words[i * frames : (i + 1) * frames] for i in range(count)]
        return video.reshape(*shape, *video.shape[1:]), low, captions

    def _images(self, count: int, generator: np.random.Generator) -> tuple[list[Scene], list[str]]:
        scenes, words = [], []
        for i in generator.integers(len(self._combinations), size=count):
            style = STYLES[generator.choice(len(STYLES), p=_STYLE_SHARES)]
            attributes = _styled(self._combinations[i][0], style)
            scenes.append(draw_scene(attributes, generator))
            words.append(image_caption(attributes, int(generator.integers(len(PHRASINGS)))))
        return scenes, words

    def _crop(
        self, video: NDArray[np.float32], low: NDArray[np.float32] | None, generator: np.random.Generator
    ) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        if self._recipe.crop is None or low is None:
            return video, low
        factor = video.shape[2] // low.shape[2]
        height, width = (n // factor for n in self._recipe.crop)
        top = int(generator.integers(low.shape[2] - height + 1))
        left = int(generator.integers(low.shape[3] - width + 1))
        small = low[:, :, top : top + height, left : left + width]
        top, left, height, width = (n * factor for n in (top, left, height, width))
        return video[:, :, top : top + height, left : left + width], small


def _require_fit(recipe: DataRecipe, stage: StageSpec, before: StageSpec | None) -> None:
    if (before is None) != (stage.kind == "base"):
        raise ConfigError(f'stage "{stage.name}" is of kind {stage.kind}: only a base stage has no stage before it.')
    if recipe.images and stage.kind == "tsr":
        raise ConfigError(
            f"images is {recipe.images}, but an image has no frames for a TSR stage to fill in. Set it to 0."
        )
    if recipe.crop is None:
        return
    if before is None or stage.unet.coordinates:
        why = "starts from noise alone" if before is None else "is told each pixel's coordinates"
        raise ConfigError(f'crop is set, but stage "{stage.name}" {why} and is trained whole. Remove crop.')
    multiple = math.lcm(stage.unet.stride, stage.height // before.height)
    for got, largest in zip(recipe.crop, (stage.height, stage.width), strict=True):
        if got % multiple or not 0 < got <= largest:
            raise ConfigError(
                f"crop is {list(recipe.crop)} [H, W]: multiples of {multiple}, at most "
                f"[{stage.height}, {stage.width}], are allowed."
            )


_Rows = tuple[NDArray[np.float32], NDArray[np.float32] | None, list[list[str]]]


def _styled(row: Attributes, style: str) -> Attributes:
    return Attributes(row.shape, row.colour, row.background, row.motion, row.size, style)


def _join(videos: _Rows, packs: _Rows) -> _Rows:
    low = None
    if videos[1] is not None and packs[1] is not None:
        low = np.concatenate([videos[1], packs[1]])
    return np.concatenate([videos[0], packs[0]]), low, [*videos[2], *packs[2]]
