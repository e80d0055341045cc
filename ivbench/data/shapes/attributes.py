"""What a clip of the shapes domain can show: the attributes, their combinations, and who may see which.

Of the 1,440 combinations, 144 (10 %) are held out of all training of cascades. The pool of evaluation captions has
480 combinations: the 144 and 336 more, whose canonical caption is held out. 320 of them are the test prompts
(reported), the other 160 the validation prompts (tuning). Both are ordered so that the first N of them show every value
of an attribute about equally often.
"""

from __future__ import annotations

import hashlib
import itertools
from dataclasses import astuple, dataclass
from functools import cache
from typing import Literal

import numpy as np

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
        split: all (1,440, in the order of the tables); held_out (144); train (all but held_out); pool (480), and its
            parts test (320) and validation (160), each balanced from its beginning.

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
    return tuple(pool) if split == "pool" else _balanced(parts[split])


def _balanced(rows: list[Attributes]) -> tuple[Attributes, ...]:
    """Rows in an order whose every beginning has the values of each attribute about equally often.

    Next is always the row whose values have been seen least, each attribute in units of its fair share; ties keep the
    order that was given.
    """
    tables = (SHAPES, tuple(COLOURS), tuple(BACKGROUNDS), MOTIONS, SIZES)
    codes = np.array([[table.index(value) for table, value in zip(tables, astuple(row), strict=False)] for row in rows])
    seen = [np.zeros(len(table)) for table in tables]
    left = np.ones(len(rows), bool)
    order = []
    for _ in rows:
        costs = sum(len(table) * count[codes[:, i]] for i, (table, count) in enumerate(zip(tables, seen, strict=True)))
        chosen = int(np.where(left, costs, np.inf).argmin())
        order.append(rows[chosen])
        left[chosen] = False
        for i, count in enumerate(seen):
            count[codes[chosen, i]] += 1
    return tuple(order)
