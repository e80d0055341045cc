"""How a metric responds to graded distortions: real videos against real ones, and against distorted ones."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ivbench.data.distortions import SPATIAL, TEMPORAL, distort
from ivbench.data.shapes import combinations, draw_scene, render, to_uint8
from ivbench.errors import ConfigError, ShapeError, UnreadableError
from ivbench.extractors import Extractor, ManyExtractor
from ivbench.metrics import ComparedMetric, Conditions
from ivbench.run.folder_extraction import Extraction
from ivbench.run.folder_items import find_items, read_clip
from ivbench.run.folder_scoring import metric_of_folders
from ivbench.run.progress import Reporter

__all__ = ["LEVELS", "SHAPES", "Response", "validate_metric"]

LEVELS = (0.25, 0.5, 1.0)
SHAPES = "shapes"
"""In the place of a folder: real clips of the embedded domain."""
_CLIPS = 256
_AT_ONCE = 16

Frames = NDArray[np.uint8]


@dataclass(frozen=True)
class Response:
    """A metric's values at one distortion.

    Attributes:
        distortion: name.
        temporal: whether it touches the order or the motion of frames alone.
        values: one a level of `LEVELS`.
    """

    distortion: str
    temporal: bool
    values: tuple[float, ...]


def validate_metric(
    name: str, data: Path | str, extraction: Extraction, reporter: Reporter
) -> tuple[float, list[Response]]:
    """Values of a metric for the second half of the videos, distorted, against the first half as it is.

    Args:
        name: a metric that compares two folders.
        data: folder of real videos, or "shapes".
        extraction: the extractor of the metric.
        reporter: told of progress.

    Returns:
        (the value without distortion: the metric's floor here, responses).

    Raises:
        ConfigError: no such metric.
        ShapeError: fewer than 4 videos that are long enough.
    """
    metric = metric_of_folders(name)
    if not isinstance(metric, ComparedMetric):
        raise ConfigError(f"{name} does not compare two sets of videos. Name one that does, such as fvd or kid.")
    extractor = extraction.extractor(metric.kind)
    clips = _shapes() if data == SHAPES else _read(Path(data), extraction, reporter)
    if len(clips) < 4:
        raise ShapeError(f"{data} has {len(clips)} videos that can be used, at least 4 are needed.")
    half = len(clips) // 2
    conditions = _conditions(metric, extraction, _features_of(extractor, clips[:half]))
    value_of = metric.measure(conditions)

    def value(distortion: str, level: float) -> float:
        changed = (distort(clip, distortion, level, seed) for seed, clip in enumerate(clips[half:]))
        return value_of(np.concatenate([metric.rows(part[None]) for part in _features_of(extractor, changed)]))

    names = [*SPATIAL, *TEMPORAL]
    phase = reporter.phase("distortions", len(names) * len(LEVELS) + 1)
    floor = value(names[0], 0.0)
    phase.advance(1)
    responses = []
    for distortion in names:
        values = []
        for level in LEVELS:
            values.append(value(distortion, level))
            phase.advance(1)
        responses.append(Response(distortion, distortion in TEMPORAL, tuple(values)))
    return floor, responses


def _read(folder: Path, extraction: Extraction, reporter: Reporter) -> list[Frames]:
    """The videos that can be used; of the others it is said why, and how many are too short."""
    found, short = [], 0
    for item in find_items(folder, extraction.profile.order):
        try:
            video = read_clip(item, extraction.profile.clip, is_reference=True)
        except (UnreadableError, ShapeError) as error:
            reporter.say(f"left out: {error}")
            continue
        short += video is None
        found += [] if video is None else [video.frames]
    if short:
        reporter.say(f"left out: {short} videos are too short for a clip")
    return found


def _shapes() -> list[Frames]:
    rows = combinations("test")
    draw = np.random.default_rng(0)
    chosen = [rows[i] for i in draw.permutation(len(rows))[:_CLIPS]]
    scenes = [draw_scene(row, draw) for row in (chosen * (_CLIPS // len(chosen) + 1))[:_CLIPS]]
    return list(to_uint8(render(scenes, 8, 6.0, 24, 40)))


def _conditions(metric: ComparedMetric, extraction: Extraction, real: Sequence[NDArray[np.float32]]) -> Conditions:
    reference = metric.prepare((part[None] for part in real), "validation", len(real))
    return Conditions(
        source=extraction.source(metric.kind),
        profile=extraction.profile,
        frames=None,
        fps=None,
        height=None,
        width=None,
        prompts="none",
        num_prompts=len(real),
        reference=reference,
    )


def _features_of(extractor: Extractor, clips: Iterable[Frames]) -> list[NDArray[np.float32]]:
    """Features of each clip, a few clips at a time."""
    waiting: list[Frames] = []
    parts: list[NDArray[np.float32]] = []
    for clip in clips:
        waiting.append(clip)
        if len(waiting) == _AT_ONCE:
            parts += _features(extractor, waiting)
            waiting = []
    return parts + _features(extractor, waiting)


def _features(extractor: Extractor, clips: Sequence[Frames]) -> list[NDArray[np.float32]]:
    if isinstance(extractor, ManyExtractor):
        return extractor.extract_many(clips)
    return [extractor.extract(clip[None])[0] for clip in clips]
