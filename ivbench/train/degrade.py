"""Ways in which a generated clip goes wrong, made from real ones, and what a sound judge says of each.

The probes learn on these, so that a bad sample is called "none" and not whatever it resembles most. A degraded clip's
label is its real value where the attribute can still be told, "none" where it cannot, and `IGNORED` in between.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from ivbench.data.shapes.attributes import BACKGROUNDS

__all__ = ["IGNORED", "KINDS", "NONE_LABEL", "degrade", "noise_clips"]

IGNORED = -1
NONE_LABEL = -2
"""Stands for the "none" of whichever head reads it."""

Clip = NDArray[np.float32]
Labels = dict[str, int]
Other = tuple[Clip, Labels]
_FORM = ("shape", "size", "style")


def _mark(labels: Labels, names: tuple[str, ...], label: int) -> Labels:
    return {name: label if name in names else value for name, value in labels.items()}


def _shared(labels: Labels, other: Labels) -> Labels:
    """What two clips seen together still show: the values that they have in common."""
    return {name: value if other[name] == value else NONE_LABEL for name, value in labels.items()}


def _by_strength(labels: Labels, names: tuple[str, ...], strength: float, kept: float, lost: float) -> Labels:
    if strength < kept:
        return labels
    return _mark(labels, names, NONE_LABEL if strength > lost else IGNORED)


def _blur(clip: Clip, labels: Labels, other: Other, rng: np.random.Generator) -> tuple[Clip, Labels]:
    """Gaussian blur, sigma up to a quarter of the height; the form goes first, then the motion, the colour fades."""
    sigma = 0.25 * rng.random()
    pixels = sigma * clip.shape[1]
    out = gaussian_filter(clip, (0, pixels, pixels, 0), mode="nearest")
    labels = _by_strength(labels, _FORM, sigma, 0.05, 0.12)
    return out, _by_strength(labels, ("colour", "motion"), sigma, 0.10, 9.0)


def _noise(clip: Clip, labels: Labels, other: Other, rng: np.random.Generator) -> tuple[Clip, Labels]:
    """White noise of standard deviation up to 1.5."""
    sigma = 1.5 * rng.random() ** 2
    out = clip + np.float32(sigma) * rng.standard_normal(clip.shape, np.float32)
    labels = _by_strength(labels, _FORM, sigma, 0.25, 0.6)
    return out, _by_strength(labels, tuple(labels), sigma, 0.5, 1.1)


def _half_denoised(clip: Clip, labels: Labels, other: Other, rng: np.random.Generator) -> tuple[Clip, Labels]:
    """A prediction made too early: the clip fades into smooth blotches."""
    share, pixels = rng.random(), clip.shape[1] * (0.06 + 0.12 * rng.random())
    blotches = gaussian_filter(rng.standard_normal(clip.shape, np.float32), (0.5, pixels, pixels, 0), mode="wrap")
    blotches *= 0.6 / max(float(blotches.std()), 1e-6)
    soft = gaussian_filter(clip, (0, share * pixels, share * pixels, 0), mode="nearest")
    labels = _by_strength(labels, _FORM, share, 0.2, 0.5)
    return (1 - share) * soft + share * blotches, _by_strength(labels, tuple(labels), share, 0.35, 0.75)


def _ghost(clip: Clip, labels: Labels, other: Other, rng: np.random.Generator) -> tuple[Clip, Labels]:
    """Two clips at once, as an average over what a caption may mean."""
    share = np.float32(0.35 + 0.3 * rng.random())
    return (1 - share) * clip + share * other[0], _mark(_shared(labels, other[1]), _FORM, NONE_LABEL)


def _blank(clip: Clip, labels: Labels, other: Other, rng: np.random.Generator) -> tuple[Clip, Labels]:
    """A background with nothing before it; every third is of no known colour."""
    table = np.array(list(BACKGROUNDS.values()), np.float32) / np.float32(127.5) - 1
    if rng.random() < 1 / 3:
        colour = rng.uniform(-1, 1, 3).astype(np.float32)
        unknown = bool((np.sqrt(((table - colour) ** 2).sum(1)) > 0.6).all())
        labels = _mark(labels, ("background",), NONE_LABEL if unknown else IGNORED)
    else:
        which = int(rng.integers(len(table)))
        colour, labels = table[which], {**labels, "background": which}
    form = tuple(name for name in labels if name != "background")
    return np.broadcast_to(colour, clip.shape).astype(np.float32), _mark(labels, form, NONE_LABEL)


def _blob(clip: Clip, labels: Labels, other: Other, rng: np.random.Generator) -> tuple[Clip, Labels]:
    """The shape's pixels pushed about by a smooth random field, so that its outline is of no known shape."""
    height, width = clip.shape[1:3]
    reach, pixels = height * (0.04 + 0.14 * rng.random()), height * 0.09
    field = gaussian_filter(
        rng.standard_normal((2, len(clip), height, width)), (0, 0.7, pixels, pixels), mode="nearest"
    )
    field *= reach / max(float(field.std()), 1e-6)
    rows = np.clip(np.rint(np.arange(height)[:, None] + field[0]), 0, height - 1).astype(int)
    columns = np.clip(np.rint(np.arange(width) + field[1]), 0, width - 1).astype(int)
    frames = np.arange(len(clip))[:, None, None]
    labels = _by_strength(labels, _FORM, reach / height, 0.06, 0.12)
    return clip[frames, rows, columns], _by_strength(labels, ("motion",), reach / height, 0.06, 9.0)


def _jumble(clip: Clip, labels: Labels, other: Other, rng: np.random.Generator) -> tuple[Clip, Labels]:
    """Frames that do not follow each other: each one shifted to a place of its own."""
    out = clip.copy()
    for i in range(len(clip)):
        shift = (int(rng.integers(clip.shape[1])), int(rng.integers(clip.shape[2])))
        out[i] = np.roll(clip[i], shift, axis=(0, 1))
    cut = ("motion",) if len(clip) > 1 else ()
    return out, _mark(_mark(labels, cut, NONE_LABEL), _FORM, IGNORED)


def _cut(clip: Clip, labels: Labels, other: Other, rng: np.random.Generator) -> tuple[Clip, Labels]:
    """Another clip's frames among the clip's own."""
    swap = rng.random(len(clip)) < 0.5
    if len(clip) < 2 or swap.all() or not swap.any():
        return clip, labels
    return np.where(swap[:, None, None, None], other[0], clip), _mark(
        _shared(labels, other[1]), ("motion",), NONE_LABEL
    )


KINDS: tuple[Callable[[Clip, Labels, Other, np.random.Generator], tuple[Clip, Labels]], ...] = (
    _blur,
    _noise,
    _half_denoised,
    _ghost,
    _blank,
    _blob,
    _jumble,
    _cut,
)


def degrade(clip: Clip, labels: Labels, other: Other, rng: np.random.Generator) -> tuple[Clip, Labels]:
    """Spoil a clip in one of the ways of `KINDS`, at a random strength.

    Args:
        clip: [T, H, W, C] float32 in [-1, 1].
        labels: the index of each attribute's value.
        other: another clip of the same size, and its labels.
        rng: decides which way and how much.

    Returns:
        The clip, [T, H, W, C] float32, not clipped, and its labels.
    """
    return KINDS[int(rng.integers(len(KINDS)))](clip, labels, other, rng)


def noise_clips(shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Uniform white noise as uint8 videos of this shape [B, T, H, W, C]."""
    return rng.integers(0, 256, shape, dtype=np.uint8)
