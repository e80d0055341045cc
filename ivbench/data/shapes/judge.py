"""The geometric judge: what a clip of the shapes domain shows, by measurement and not by learning.

Background = median colour of the border; colour = median of the most covered pixels; motion = track of centroid and
diameter, which must be smooth; shape = best of five templates on the foreground's coverage, pooled over frames and
confirmed frame by frame; size = fitted diameter; style = best of three paintings of the fitted shape. Exact on real
clips in solid colour (of outlined and striped ones it misses some, as its tests say); an answer that is not clear is
"none", and so is everything of a clip with an empty frame.
Lengths are in units of the frame's height, as in `render`, but nothing of the renderer is used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import grey_closing

from ivbench.data.shapes.attributes import BACKGROUNDS, COLOURS, MOTIONS, SHAPES, SIZES, STYLES, Attributes
from ivbench.data.shapes.templates import level, moments, rasterise
from ivbench.errors import ShapeError

__all__ = ["ATTRIBUTES", "JUDGE_IDENTITY", "NONE", "Verdict", "accuracy", "judge"]

JUDGE_IDENTITY = {"name": "geometric-judge", "version": 2}
"""The version is raised when verdicts change. Digested, it is in the protocol of every score that the judge decides."""
NONE = "none"
ATTRIBUTES = ("shape", "colour", "background", "motion", "size", "style")

_CHUNK = 64
_FAR = 60.0  # levels: a median this far from every known colour is no colour
_VISIBLE = 0.12  # coverage below it is the compression or sampling noise of a background
_OTHER = 0.25  # coverage that a pixel off the line from background to colour loses: noise is mostly off it
_LEAST_AREA = 0.02  # heights^2: a quarter of the smallest cross
_CLEAN_BORDER = 0.55  # share of border pixels that must be of the background's colour
_FIT = 0.60  # soft overlap that the best template must reach
_STEADY = 0.04  # heights: root mean square distance of a track from its line
_EVEN = 0.06  # of the mean diameter: the same of its growth
_AGREE = 0.8  # share of frames that must show the pooled shape
_NEAR = 0.05  # overlap that a frame's own best template may have more
_TRAVEL = np.array([0.75, 0.45])
_GROWTH = 0.8 / 1.2
_DIAMETERS = np.array([0.42, 0.54])
_SHAPE_FRAMES = 8

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]


@dataclass(frozen=True)
class Verdict:
    """What a clip shows, by attribute; "none" where it shows nothing that the domain knows."""

    shape: str = NONE
    colour: str = NONE
    background: str = NONE
    motion: str = NONE
    size: str = NONE
    style: str = NONE


def judge(videos: NDArray[np.uint8]) -> list[Verdict]:
    """Measure what each clip shows.

    Args:
        videos: [B, T, H, W, C] uint8; each lasts the domain's 4/3 s, whatever its frame rate; a single frame (T = 1)
            has no motion, and its size is the one that it would have in a clip that does not grow.

    Returns:
        B verdicts; all "none" where there is no even background or nothing in front of it.

    Raises:
        ShapeError: `videos` is not five-dimensional uint8 with three channels.
    """
    if videos.ndim != 5 or videos.shape[-1] != 3 or videos.dtype != np.uint8:
        raise ShapeError(f"the judge reads [B, T, H, W, 3] uint8 videos, got {list(videos.shape)} {videos.dtype}.")
    verdicts: list[Verdict] = []
    for start in range(0, len(videos), _CHUNK):
        verdicts += _judge_chunk(videos[start : start + _CHUNK].astype(np.float32))
    return verdicts


def accuracy(verdicts: Sequence[Verdict], attributes: Sequence[Attributes]) -> dict[str, float]:
    """Share of clips whose verdict is right, by attribute, in [0, 1]; "all" = shape, colour, background and motion.

    Args:
        verdicts: N verdicts, N >= 1.
        attributes: what was asked of each clip.

    Raises:
        ShapeError: the lengths differ or are zero.
    """
    if len(verdicts) != len(attributes) or not verdicts:
        raise ShapeError(f"{len(verdicts)} verdicts cannot be set against {len(attributes)} captions.")
    said, asked = ([asdict(row) for row in rows] for rows in (verdicts, attributes))
    right = {name: np.array([a[name] == b[name] for a, b in zip(said, asked, strict=True)]) for name in ATTRIBUTES}
    right["all"] = right["shape"] & right["colour"] & right["background"] & right["motion"]
    return {name: float(hits.mean()) for name, hits in right.items()}


def _judge_chunk(videos: NDArray[np.float32]) -> list[Verdict]:
    background, ground, even = _background(videos)
    distance = np.sqrt(((videos - ground[:, None, None, None]) ** 2).sum(-1))
    colour, paint, clear = _colour(videos, distance)
    cover = _cover(videos, ground, paint, distance)
    x, y, radius, seen, shape, overlap = _fit(cover)
    present = even & clear & seen.all(1) & (cover.mean((1, 2, 3)) < 0.5)
    style = _style(videos, ground, paint, shape, x, y, radius)
    if (poor := np.flatnonzero(present & (overlap < _FIT))).size:
        rows = _fit(_without_stripes(cover[poor]))
        striped = _style(videos[poor], ground[poor], paint[poor], rows[4], *rows[:3]) == STYLES.index("striped")
        kept = poor[striped]
        for whole, part in zip((x, y, radius, seen, shape, overlap), rows, strict=True):
            whole[kept] = part[striped]
        style[kept] = STYLES.index("striped")
    motion = _motion(x, y, 2.0 * radius, seen)
    size = _size(2.0 * radius, motion, seen)
    fitted = present & (overlap >= _FIT)
    columns = (
        _names(SHAPES, shape, fitted),
        _names(tuple(COLOURS), colour, present),
        _names(tuple(BACKGROUNDS), background, present),
        _names(MOTIONS, motion, present),
        _names(SIZES, size, fitted),
        _names(STYLES, style, fitted),
    )
    return [Verdict(*row) for row in zip(*columns, strict=True)]


def _names(table: Sequence[str], index: Ints, keep: NDArray[np.bool_]) -> list[str]:
    return [table[i] if ok and i >= 0 else NONE for i, ok in zip(index, keep, strict=True)]


def _background(videos: NDArray[np.float32]) -> tuple[Ints, NDArray[np.float32], NDArray[np.bool_]]:
    """Index of the background [B], its measured colour [B, C], and whether the border is even [B]."""
    sides = (videos[:, :, 0], videos[:, :, -1], videos[:, :, 1:-1, 0], videos[:, :, 1:-1, -1])
    border = np.concatenate([side.reshape(len(videos), -1, 3) for side in sides], axis=1)
    ground = np.median(border, axis=1)
    index, nearest = _nearest(ground, np.array(list(BACKGROUNDS.values()), np.float32))
    like = np.sqrt(((border - ground[:, None]) ** 2).sum(-1)) < 0.5 * _FAR
    return index, ground, (nearest < _FAR) & (like.mean(1) >= _CLEAN_BORDER)


def _nearest(colours: NDArray[np.float32], table: NDArray[np.float32]) -> tuple[Ints, NDArray[np.float32]]:
    distances = np.sqrt(((colours[:, None] - table) ** 2).sum(-1))
    return distances.argmin(1), distances.min(1)


def _colour(
    videos: NDArray[np.float32], distance: NDArray[np.float32]
) -> tuple[Ints, NDArray[np.float32], NDArray[np.bool_]]:
    """Index of the colour [B], its measured value [B, C], and whether it is clear [B].

    The most covered pixels are those farthest from the background among the saturated ones: an outline or a stripe
    (white or dark) is none of the shape's colour. Where these are of no known colour (a bright outline blends in), the
    pixels that are nearest to one decide.
    """
    table = np.array(list(COLOURS.values()), np.float32)
    paint = np.zeros((len(videos), 3), np.float32)
    for i, (video, far) in enumerate(zip(videos, distance, strict=True)):
        pixels, far = video.reshape(-1, 3), far.reshape(-1)
        colourful = (np.ptp(pixels, axis=1) > 100) & (far > 0.5 * _FAR)
        if colourful.sum() >= 3:
            pixels, far = pixels[colourful], far[colourful]
        paint[i] = np.median(pixels[far >= np.quantile(far, 0.7)], axis=0)
        if _nearest(paint[i : i + 1], table)[1][0] >= _FAR:
            off = _nearest(pixels, table)[1]
            paint[i] = np.median(pixels[off <= np.quantile(off, 0.3)], axis=0)
    index, nearest = _nearest(paint, table)
    return index, paint, nearest < _FAR


def _cover(
    videos: NDArray[np.float32], ground: NDArray[np.float32], paint: NDArray[np.float32], distance: NDArray[np.float32]
) -> Floats:
    """Share of each pixel that is foreground, in [0, 1]: how far it is from background to colour.

    Pixels of other colours (outlines, stripes) count by their distance alone.
    """
    way = paint - ground
    contrast = np.maximum((way**2).sum(-1), 1.0)[:, None, None, None]
    along = np.einsum("bthwc,bc->bthw", videos - ground[:, None, None, None], way) / contrast
    cover = np.asarray(np.maximum(along, distance / np.sqrt(contrast) - _OTHER), np.float64).clip(0.0, 1.0)
    cover[cover < _VISIBLE] = 0.0
    return cover


def _without_stripes(cover: Floats) -> Floats:
    """Close gaps along x that are as narrow as a stripe may be."""
    width = 2 * round(0.1 * cover.shape[2]) + 1
    return np.asarray(grey_closing(cover, size=(1, 1, 1, width)))


def _fit(cover: Floats) -> tuple[Floats, Floats, Floats, NDArray[np.bool_], Ints, Floats]:
    """Centroid x, y, radius [B, T], whether a frame has a foreground [B, T], index and overlap of the shape [B]."""
    area, x, y = _moments(cover)
    seen = area > _LEAST_AREA
    x, y, area = (np.where(seen, row, 0.0) for row in (x, y, area))
    shape, overlap, radius = _shape(cover, area, x, y, seen)
    return x, y, radius, seen, shape, overlap


def _moments(cover: Floats) -> tuple[Floats, Floats, Floats]:
    """Area (heights^2) and centroid x, y (heights) of each frame, each [B, T]."""
    height, width = cover.shape[2:]
    mass = np.maximum(cover.sum((2, 3)), 1e-9)
    x = (cover.sum(2) * (np.arange(width) + 0.5)).sum(-1) / mass
    y = (cover.sum(3) * (np.arange(height) + 0.5)).sum(-1) / mass
    return mass / height**2, x / height, y / height


def _shape(cover: Floats, area: Floats, x: Floats, y: Floats, seen: NDArray[np.bool_]) -> tuple[Ints, Floats, Floats]:
    """Best template [B], its soft overlap [B], 0 where frames disagree, and its radius in each frame [B, T]."""
    num_frames, height, width = cover.shape[1:]
    used = np.unique(np.linspace(0, num_frames - 1, min(num_frames, _SHAPE_FRAMES)).round().astype(int))
    weight = seen[:, used, None, None]
    target = cover[:, used] * weight
    shared, joint = [], []
    for shape in SHAPES:
        share, offset = moments(shape)
        radius = np.sqrt(area[:, used] / share)
        drawn = rasterise(shape, x[:, used], y[:, used] - offset * radius, radius, height, width) * weight
        shared.append(np.minimum(target, drawn).sum((2, 3)))
        joint.append(np.maximum(target, drawn).sum((2, 3)))
    both, either = np.stack(shared, axis=1), np.stack(joint, axis=1)
    table = both.sum(2) / np.maximum(either.sum(2), 1e-9)
    best = table.argmax(1)
    radius = np.sqrt(area / np.array([moments(shape)[0] for shape in SHAPES])[best][:, None])
    return best, np.where(_confirmed(both / np.maximum(either, 1e-9), best), table.max(1), 0.0), radius


def _confirmed(frames: Floats, best: Ints) -> NDArray[np.bool_]:
    """[B] whether enough frames show the pooled shape, by the overlaps [B, S, T] of each frame with each shape."""
    own = np.take_along_axis(frames, best[:, None, None], axis=1)[:, 0]
    return np.asarray((own >= frames.max(1) - _NEAR).mean(1) >= _AGREE)


def _motion(x: Floats, y: Floats, diameter: Floats, seen: NDArray[np.bool_]) -> Ints:
    """Index of the motion [B], -1 where the track is too short or no line.

    The slopes over the clip's whole length are set in units of the domain's own travel and growth; the largest decides
    if it is over one half, else the shape stands still.
    """
    num_frames = x.shape[1]
    if num_frames < 2:
        return np.full(len(x), -1, np.intp)
    weight = seen.astype(np.float64)
    mean_diameter = (weight * diameter).sum(1) / np.maximum(weight.sum(1), 1.0)
    slopes, errors = [], []
    for track in (x, y, diameter / np.maximum(mean_diameter, 1e-9)[:, None]):
        slope, error = _line(track, np.arange(num_frames) / num_frames, weight)
        slopes.append(slope)
        errors.append(error)
    dx, dy, growth = slopes[0] / _TRAVEL[0], slopes[1] / _TRAVEL[1], slopes[2] / _GROWTH
    scores = np.stack([-dx, dx, -dy, dy, growth, np.full(len(x), 0.5)], axis=1)
    smooth = (np.hypot(errors[0], errors[1]) < _STEADY) & (errors[2] < _EVEN)
    return np.where(smooth, scores.argmax(1), -1)


def _line(track: Floats, time: Floats, weight: Floats) -> tuple[Floats, Floats]:
    """Weighted least squares of a track [B, T] on time [T]: slope a clip and root mean square residual, each [B]."""
    total = np.maximum(weight.sum(1), 1e-9)[:, None]
    centred_time = time - (weight * time).sum(1, keepdims=True) / total
    centred = track - (weight * track).sum(1, keepdims=True) / total
    slope = (weight * centred_time * centred).sum(1) / np.maximum((weight * centred_time**2).sum(1), 1e-9)
    residual = centred - slope[:, None] * centred_time
    return slope, np.sqrt((weight * residual**2).sum(1) / total[:, 0])


def _size(diameter: Floats, motion: Ints, seen: NDArray[np.bool_]) -> Ints:
    """Index of the size [B], -1 where the diameter is far from both."""
    progress = np.arange(diameter.shape[1]) / diameter.shape[1]
    scale = np.where((motion == MOTIONS.index("growing"))[:, None], 0.8 + 0.8 * progress, 1.0)
    weight = seen.astype(np.float64)
    mean = (weight * diameter / scale).sum(1) / np.maximum(weight.sum(1), 1.0)
    distance = abs(np.log(np.maximum(mean, 1e-9))[:, None] - np.log(_DIAMETERS))
    return np.where(distance.min(1) < 0.35, distance.argmin(1), -1)


def _style(
    videos: NDArray[np.float32],
    ground: NDArray[np.float32],
    paint: NDArray[np.float32],
    shape: Ints,
    x: Floats,
    y: Floats,
    radius: Floats,
) -> Ints:
    """Index of the style [B]: the painting of the fitted shape that is nearest to the middle frame's pixels."""
    _, num_frames, height, width, _ = videos.shape
    middle = num_frames // 2
    grid_x, grid_y = (np.arange(width) + 0.5) / height, (np.arange(height) + 0.5) / height
    best = np.zeros(len(videos), np.intp)
    for i, which in enumerate(shape):
        r = max(float(radius[i, middle]), 1e-6)
        u = (grid_x[None, :] - x[i, middle]) / r + np.zeros((height, 1))
        v = (grid_y[:, None] - y[i, middle]) / r + moments(SHAPES[which])[1]
        inside = np.clip(0.5 - level(SHAPES[which], u, v) * r * height, 0, 1)
        core = np.clip(0.5 - (level(SHAPES[which], u, v) + 0.22) * r * height, 0, 1)
        stripe = np.clip(0.5 + np.sin(u * (2 * np.pi / 0.8)) * (0.4 * r / np.pi) * height, 0, 1)
        line = 13.0 if ground[i].mean() > 200 else 242.0
        errors = []
        for share, other in ((np.zeros_like(u), 0.0), (inside - core, line), (stripe, 25.0)):
            colour = paint[i] + share[..., None] * (other - paint[i])
            drawn = ground[i] + inside[..., None] * (colour - ground[i])
            errors.append(float(abs(videos[i, middle] - drawn).mean()))
        best[i] = int(np.argmin(errors))
    return best
