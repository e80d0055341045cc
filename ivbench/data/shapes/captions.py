"""Captions of the shapes domain: several phrasings of the same attributes.

Phrasing 0 is the canonical one: every evaluation prompt and the R-Precision pool use it, and the combinations of the
pool never meet it in the training of a cascade (they do meet the other phrasings, unless they are held out).
"""

from __future__ import annotations

from functools import cache

from ivbench.data.shapes.attributes import STYLES, Attributes, Split, combinations
from ivbench.errors import ConfigError

__all__ = ["PHRASINGS", "caption", "image_caption", "prompts", "training_captions", "vocabulary_captions"]

_GERUND = {
    "left": "moving left",
    "right": "moving right",
    "up": "moving up",
    "down": "moving down",
    "growing": "growing",
    "still": "standing still",
}
_VERB = {
    "left": "moves to the left",
    "right": "moves to the right",
    "up": "moves upwards",
    "down": "moves downwards",
    "growing": "grows",
    "still": "stands still",
}
PHRASINGS = (
    "a {size} {thing} {gerund} over a {background} background",
    "over a {background} background, a {size} {thing} {verb}",
    "{size} {thing}, {gerund}, {background} background",
    "a video of a {size} {thing} that {verb} on a {background} backdrop",
    "a {thing} of {size} size {verb} against a {background} background",
    "{background} background: one {size} {thing} {gerund}",
)
_IMAGE_PHRASINGS = (
    "a {size} {thing} over a {background} background",
    "over a {background} background, a {size} {thing}",
    "{size} {thing}, {background} background",
    "an image of a {size} {thing} on a {background} backdrop",
    "a {thing} of {size} size against a {background} background",
    "{background} background: one {size} {thing}",
)


def _words(attributes: Attributes) -> dict[str, str]:
    style = "" if attributes.style == "solid" else f"{attributes.style} "
    return {
        "size": attributes.size,
        "thing": f"{style}{attributes.colour} {attributes.shape}",
        "background": attributes.background,
        "gerund": _GERUND[attributes.motion],
        "verb": _VERB[attributes.motion],
    }


def caption(attributes: Attributes, phrasing: int = 0) -> str:
    """The caption of a clip.

    Args:
        attributes: what the clip shows.
        phrasing: which of the `PHRASINGS`, 0 = canonical.

    Raises:
        ConfigError: no such phrasing.
    """
    return _fill(PHRASINGS, attributes, phrasing)


def image_caption(attributes: Attributes, phrasing: int = 0) -> str:
    """The caption of a single frame, which shows no motion.

    Args:
        attributes: what the frame shows; its motion is not said.
        phrasing: 0 to 5.

    Raises:
        ConfigError: no such phrasing.
    """
    return _fill(_IMAGE_PHRASINGS, attributes, phrasing)


def _fill(phrasings: tuple[str, ...], attributes: Attributes, phrasing: int) -> str:
    if not 0 <= phrasing < len(phrasings):
        raise ConfigError(f"phrasing {phrasing} does not exist. Allowed: 0 to {len(phrasings) - 1}.")
    return phrasings[phrasing].format(**_words(attributes))


def prompts(split: Split) -> list[str]:
    """The canonical captions of a split, in its order: the evaluation prompts."""
    return [caption(row) for row in combinations(split)]


@cache
def training_captions() -> tuple[tuple[Attributes, int], ...]:
    """Every (combination, phrasing) that the training of a cascade may show for a video."""
    pool = frozenset(combinations("pool"))
    return tuple(
        (row, phrasing)
        for row in combinations("train")
        for phrasing in range(len(PHRASINGS))
        if phrasing > 0 or row not in pool
    )


def vocabulary_captions() -> list[str]:
    """Every caption of the domain, videos and images of every style: what the text encoder is pre-trained on."""
    styled = [
        Attributes(row.shape, row.colour, row.background, row.motion, row.size, style)
        for row in combinations("all")
        for style in STYLES
    ]
    videos = {caption(row, k) for row in styled for k in range(len(PHRASINGS))}
    images = {image_caption(row, k) for row in styled for k in range(len(_IMAGE_PHRASINGS))}
    return sorted(videos | images)
