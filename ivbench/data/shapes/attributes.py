"""What a clip of the shapes domain can show: the attributes, their combinations, and who may see which.

Of the 1,440 combinations, 144 (10 %) are held out of all training of cascades. The pool of evaluation captions has
480 combinations: the 144 and 336 more, whose canonical caption is held out. Its first 320 are the test prompts
(reported), the other 160 the validation prompts (tuning).
"""

from __future__ import annotations

import hashlib
import itertools
from dataclasses import astuple, dataclass
from functools import cache
from typing import Literal

from ivbench.errors import ConfigError, did_you_mean

__all__ = [
    "BACKGROUNDS",
    "COLOURS",
    "HELD_OUT_COUNT",
    "MOTIONS",
    "POOL_COUNT",
    "SHAPES",
    "SIZES",
    "STYLES",
    "TEST_COUNT",
    "Attributes",
    "Split",
    "combinations",
]

SHAPES = ("circle", "square", "triangle", "cross", "ring")
COLOURS = {
    "red": (220, 30, 30),
    "green": (30, 180, 50),
    "blue": (40, 70, 230),
    "yellow": (240, 220, 40),
    "magenta": (220, 50, 210),
    "cyan": (50, 210, 220),
}
BACKGROUNDS = {
    "black": (15, 15, 15),
    "grey": (128, 128, 128),
    "white": (240, 240, 240),
    "brown": (105, 60, 25),
}
MOTIONS = ("left", "right", "up", "down", "growing", "still")
SIZES = ("small", "large")
STYLES = ("solid", "outlined", "striped")
"""`outlined` and `striped` occur in the images of joint training only, never in a training video (paper, Figure 8)."""

HELD_OUT_COUNT = 144
POOL_COUNT = 480
TEST_COUNT = 320

Split = Literal["all", "train", "held_out", "pool", "test", "validation"]


@dataclass(frozen=True, order=True)
class Attributes:
    """One combination: everything that a caption says of a clip."""

    shape: str
    colour: str
    background: str
    motion: str
    size: str
    style: str = "solid"


@cache
def combinations(split: Split = "all") -> tuple[Attributes, ...]:
    """The combinations of a split, in a fixed order that no platform changes.

    Args:
        split: all (1,440, in the order of the tables); held_out (144); train (all but held_out); pool (480), of which
            test (the first 320) and validation (the last 160).

    Raises:
        ConfigError: no such split.
    """
    every = tuple(Attributes(*row) for row in itertools.product(SHAPES, COLOURS, BACKGROUNDS, MOTIONS, SIZES))
    if split == "all":
        return every
    shuffled = sorted(every, key=lambda row: hashlib.sha256("|".join(astuple(row)).encode()).digest())
    held_out = shuffled[:HELD_OUT_COUNT]
    if split == "held_out":
        return tuple(held_out)
    if split == "train":
        return tuple(row for row in every if row not in frozenset(held_out))
    pool = sorted(shuffled[:POOL_COUNT], key=lambda row: hashlib.sha256(b"pool|" + repr(row).encode()).digest())
    parts = {"pool": pool, "test": pool[:TEST_COUNT], "validation": pool[TEST_COUNT:]}
    if split not in parts:
        raise ConfigError(f'no split is called "{split}".{did_you_mean(split, ["all", "train", "held_out", *parts])}')
    return tuple(parts[split])
