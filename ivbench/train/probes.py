"""Recipes of the probes, and the examples that they learn from.

Probes see ALL combinations of the domain, in every style and phrasing, at several resolutions, from seeds of their own,
and spoilt clips whose answer is "none" (`ivbench.train.degrade`): they judge cascades and must not share what those
were not shown. Step k's batch depends on (seed, k) alone, so that a resumed training goes on where it stopped.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from ivbench.config.parse import Frozen, parse
from ivbench.config.yaml import read_yaml
from ivbench.data.shapes.attributes import (
    BACKGROUNDS,
    COLOURS,
    MOTIONS,
    SHAPES,
    SIZES,
    STYLES,
    Attributes,
    combinations,
)
from ivbench.data.shapes.captions import PHRASINGS, caption, image_caption
from ivbench.data.shapes.render import Scene, draw_scene, render, render_image, to_uint8
from ivbench.train.degrade import IGNORED, NONE_LABEL, degrade

__all__ = ["VALUES", "Examples", "ProbeRecipe", "draw_examples", "pick_resolution", "train_probe"]

VALUES: dict[str, tuple[str, ...]] = {
    "shape": SHAPES,
    "colour": tuple(COLOURS),
    "background": tuple(BACKGROUNDS),
    "size": SIZES,
    "style": STYLES,
    "motion": MOTIONS,
}
_STYLED = 0.25
_LATEST = 0.97
_CLIPS = {(12, 20): ((4, 3.0), (8, 6.0)), (24, 40): ((8, 6.0),), (48, 80): ((8, 6.0), (16, 12.0))}


class ProbeRecipe(Frozen):
    """How a probe is trained: AdamW, linear warm-up, cosine decay to 0, averaged weights."""

    kind: Literal["frame-probe", "video-probe", "clip-probe"]
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$", description="the name of its folder")
    licence: str
    seed: int = Field(ge=0)
    widths: tuple[int, ...] = Field(
        description="channels at three levels; clip-probe: ResNet width, blocks a level, text width, text layers"
    )
    resolutions: dict[str, float] = Field(description='"HxW" -> share of the examples drawn at it')
    spoilt: float = Field(ge=0, le=1, description="share of spoilt examples")
    steps: int = Field(ge=1)
    batch: int = Field(ge=1)
    frames_first: int = Field(default=0, ge=0, description="video-probe: steps on single frames before those on clips")
    learning_rate: float = Field(gt=0)
    warm_up: int = Field(ge=0)
    weight_decay: float = Field(ge=0)
    averaging: float = Field(ge=0, lt=1, description="decay of the exponential average of the weights")
    checkpoint_every: int = Field(ge=1)

    @model_validator(mode="after")
    def _check(self) -> ProbeRecipe:
        known = [f"{height}x{width}" for height, width in _CLIPS]
        odd = self.resolutions.keys() - set(known)
        if odd or not self.resolutions or min(self.resolutions.values()) <= 0:
            raise ValueError(f"resolutions must be shares above 0 of {', '.join(known)}, got {self.resolutions}")
        needed, what = (4, "ResNet width, blocks, text width, layers") if self.kind == "clip-probe" else (3, "channels")
        if len(self.widths) != needed or min(self.widths) < 1:
            raise ValueError(f"widths of a {self.kind} are {needed} numbers above 0 ({what}), got {list(self.widths)}")
        if self.kind != "clip-probe" and any(width % 8 for width in self.widths):
            raise ValueError(f"widths of a {self.kind} must be multiples of 8, got {list(self.widths)}")
        return self


@dataclass(frozen=True, eq=False)
class Examples:
    """Clips or frames of one size, with what they show.

    Attributes:
        videos: [B, T, H, W, C] uint8; T = 1 for frames.
        labels: attribute -> [B] int: index of its value, the number of values for "none", -1 = not judged.
        said: attribute -> [B] int: index of the value that the caption says.
        captions: B captions; of a frame, half say its clip's motion.
        keys: [B] int: equal for equal (shape, colour, background, size, style).
        motions: [B] int: the motion that the caption says, -1 if none.
        places: [B, 3] float32: centre x, y and diameter in the first frame, in heights.
        whole: [B] bool: not spoilt.
    """

    videos: NDArray[np.uint8]
    labels: dict[str, NDArray[np.int64]]
    said: dict[str, NDArray[np.int64]]
    captions: list[str]
    keys: NDArray[np.int64]
    motions: NDArray[np.int64]
    places: NDArray[np.float32]
    whole: NDArray[np.bool_]


def train_probe(recipe: Path, out: Path, scratch: Path, progress: Callable[[str], None] = print) -> Path:
    """Train a probe and write its folder: weights (float16 safetensors), configuration, card.

    Args:
        recipe: a YAML file.
        out: the folder to be written.
        scratch: where checkpoints go; a training that finds one there goes on from it.
        progress: takes one line at a time.

    Returns:
        `out`.

    Raises:
        ConfigError: the recipe is wrong.
        NonFiniteError: the loss became NaN or infinite.
    """
    resolved = parse(ProbeRecipe, read_yaml(recipe), str(recipe))
    from ivbench.train.torch_probes import train

    facts = train(resolved, out, scratch, progress)
    from ivbench.train.probe_cards import write_card

    return write_card(resolved, recipe.name, out, facts, progress)


def draw_examples(
    rng: np.random.Generator, count: int, height: int, width: int, clips: bool, spoilt: float
) -> Examples:
    """Draw examples of one resolution; clips have 4, 8 or 16 frames, whichever the size's stages have.

    Args:
        rng: the source of randomness.
        count: B.
        height, width: pixels.
        clips: videos rather than single frames.
        spoilt: share of spoilt examples, in [0, 1].
    """
    rows = _draw_rows(rng, count)
    scenes = [draw_scene(row, rng) for row in rows]
    if clips:
        choices = _CLIPS[height, width]
        num_frames, fps = choices[int(rng.integers(len(choices)))]
        progress = np.zeros(count)
        floats = render(scenes, num_frames, fps, height, width)
    else:
        progress = _LATEST * rng.random(count)
        floats = render_image(scenes, progress, height, width)[:, None]
    labels = [_labels(row, clips) for row in rows]
    whole = rng.random(count) >= spoilt
    out, shown = floats.copy(), list(labels)
    for i in np.flatnonzero(~whole):
        j = int(rng.integers(count))
        out[i], shown[i] = degrade(floats[i], labels[i], (floats[j], labels[j]), rng)
    says_motion = rng.random(count) < (1.0 if clips else 0.5)
    phrasings = rng.integers(len(PHRASINGS), size=count)
    write = [caption if says else image_caption for says in says_motion]
    return Examples(
        videos=to_uint8(out),
        labels={name: np.array([_index(label[name], name) for label in shown]) for name in labels[0]},
        said={name: np.array([VALUES[name].index(getattr(row, name)) for row in rows]) for name in VALUES},
        captions=[fill(row, int(k)) for fill, row, k in zip(write, rows, phrasings, strict=True)],
        keys=np.array([_key(row) for row in rows]),
        motions=np.where(says_motion, [MOTIONS.index(row.motion) for row in rows], -1),
        places=_places(scenes, progress),
        whole=whole,
    )


def _draw_rows(rng: np.random.Generator, count: int) -> list[Attributes]:
    every = combinations("all")
    picks, styled = rng.integers(len(every), size=count), rng.random(count) < _STYLED
    styles = rng.integers(1, len(STYLES), size=count)
    return [
        replace(every[pick], style=STYLES[style] if other else STYLES[0])
        for pick, other, style in zip(picks, styled, styles, strict=True)
    ]


def _labels(row: Attributes, clips: bool) -> dict[str, int]:
    labels = {name: VALUES[name].index(getattr(row, name)) for name in VALUES if clips or name != "motion"}
    if not clips and row.motion == "growing":
        labels["size"] = IGNORED  # one frame of a growing shape has no size of its own
    return labels


def _index(label: int, name: str) -> int:
    return len(VALUES[name]) if label == NONE_LABEL else label


def _key(row: Attributes) -> int:
    key = 0
    for name in ("shape", "colour", "background", "size", "style"):
        key = key * len(VALUES[name]) + VALUES[name].index(getattr(row, name))
    return key


def _places(scenes: list[Scene], progress: NDArray[np.float64]) -> NDArray[np.float32]:
    rows = [(*scene.centre(progress[i]), scene.diameter(progress[i])) for i, scene in enumerate(scenes)]
    return np.array(rows, dtype=np.float32)


def pick_resolution(recipe: ProbeRecipe, rng: np.random.Generator) -> tuple[int, int]:
    """One of the recipe's resolutions, by its shares."""
    names = sorted(recipe.resolutions)
    shares = np.array([recipe.resolutions[name] for name in names])
    height, _, width = names[int(rng.choice(len(names), p=shares / shares.sum()))].partition("x")
    return int(height), int(width)
