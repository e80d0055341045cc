"""The page's clips: for every prompt those of all cells, made from the same noise, and each sample stage by stage."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ivbench.report.claims import metrics, score_of
from ivbench.report.formats import decimals, number, words
from ivbench.report.images import BUDGET, Images, Strip
from ivbench.report.sources import Source, label
from ivbench.results.schema import Cell, GalleryEntry, StageSample

__all__ = ["Gallery", "gallery"]

_Key = tuple[str, int]
_SHOWN = 12
"""So many cells are shown at first."""


@dataclass
class Gallery:
    """What the page's script plays.

    Attributes:
        data: `rows` (label, whether it is ground truth, whether it is shown at first), `prompts` (text, number in the
            suite, and one clip or null a row), `images` (data URIs, each once).
        missing: how many samples are named in the results and could not be read.
        quality: of the lossy encoding that makes a large grid fit; None where strips are as they were written.
        left_out: prompts that did not fit.
        stages: whether some sample is carried stage by stage.
    """

    data: dict[str, Any]
    missing: int
    quality: int | None
    left_out: int
    stages: bool


@dataclass(frozen=True)
class _Clip:
    """One cell's clip of one prompt, and the strips of its earlier stages."""

    folder: Path
    stage: str
    entry: GalleryEntry
    strip: Strip
    stages: list[tuple[StageSample, Strip]]


@dataclass(frozen=True)
class _Row:
    label: str
    source: Source
    entries: list[GalleryEntry]
    truth: bool


_Clips = list[_Clip | None]


def gallery(sources: list[Source], budget: int = BUDGET) -> Gallery:
    """Collect the clips, prompt by prompt.

    Args:
        sources: the page's runs; prompts are the same where their texts are.
        budget: characters of data URIs that the page carries.

    Raises:
        ConfigError: a sample's path leads out of its folder.
    """
    images, rows = Images(budget), _rows(sources)
    texts: dict[_Key, int] = {}
    clips: dict[_Key, _Clips] = {}
    for place, row in enumerate(rows):
        for key, entry in _keyed(row.entries):
            texts.setdefault(key, entry.prompt_index)
            clips.setdefault(key, [None] * len(rows))[place] = _clip(images, row, entry)
    keys = sorted(texts, key=lambda key: (texts[key], key[1], key[0]))
    finals = [[clip.strip.index for clip in clips[key] if clip is not None] for key in keys]
    earlier = _add_stages(images, [clips[key] for key in keys])
    if finals and earlier:
        finals[0] += earlier.pop(0)
    uris, quality = images.uris(finals, earlier)
    carried = [key for key in keys if all(clip is None or clip.strip.index in uris for clip in clips[key])]
    numbers = {place: number_ for number_, place in enumerate(uris)}
    prompts = [
        {
            "index": texts[key],
            "sample": key[1],
            "text": key[0],
            "clips": [None if clip is None else _record(clip, numbers) for clip in clips[key]],
        }
        for key in carried
    ]
    data = {"rows": _row_records(sources, rows), "prompts": prompts, "images": list(uris.values())}
    stages = any(clip is not None and bool(clip.stages) for key in carried for clip in clips[key])
    return Gallery(data, images.missing, quality, len(keys) - len(carried), stages)


def _rows(sources: list[Source]) -> list[_Row]:
    rows = [
        _Row(label(source, cell), source, cell.gallery, False)
        for source in sources
        for cell in source.results.cells
        if cell.gallery
    ]
    truths = [source for source in sources if source.results.ground_truth_gallery]
    if rows and truths:
        rows.append(_Row("ground truth", truths[0], truths[0].results.ground_truth_gallery, True))
    return rows


def _row_records(sources: list[Source], rows: list[_Row]) -> list[dict[str, Any]]:
    """Labels, and which are shown at first: all where they are few, else each metric's best, the first, the last."""
    names = [row.label for row in rows]
    shown = set(names)
    if len(rows) > _SHOWN + 1:
        chosen = [names[0], *_best(sources), names[-2], *names]
        shown = set(list(dict.fromkeys(name for name in chosen if name in names))[:_SHOWN])
    return [{"label": row.label, "truth": row.truth, "shown": row.truth or row.label in shown} for row in rows]


def _best(sources: list[Source]) -> list[str]:
    """Of every run the cell with the best value by each metric."""
    found = []
    for source in sources:
        for metric in metrics(source.results):
            sign = 1 if metric.higher_is_better else -1
            values: list[tuple[float, Cell]] = []
            for cell in source.results.cells:
                score = score_of(cell.scores, metric)
                if score is not None:
                    values.append((sign * score.value, cell))
            found += [label(source, max(values, key=lambda pair: pair[0])[1])] if values else []
    return found


def _keyed(entries: list[GalleryEntry]) -> list[tuple[_Key, GalleryEntry]]:
    """Each entry with its prompt and its number among the samples of that prompt."""
    seen: dict[str, int] = defaultdict(int)
    keyed = []
    for entry in entries:
        keyed.append(((entry.prompt, seen[entry.prompt]), entry))
        seen[entry.prompt] += 1
    return keyed


def _clip(images: Images, row: _Row, entry: GalleryEntry) -> _Clip | None:
    strip = images.add(row.source.folder, entry.sample, entry.frames)
    if strip is None:
        return None
    last = row.source.results.cascade.stages
    return _Clip(row.source.folder, last[-1].name if last else "", entry, strip, [])


def _add_stages(images: Images, prompts: list[_Clips]) -> list[list[int]]:
    """Read the strips of the earlier stages: of the first prompt, and of the others as long as there is room.

    Returns:
        Prompt by prompt the places of the strips.
    """
    groups: list[list[int]] = []
    for clips in prompts:
        if groups and images.full:
            break
        for clip in clips:
            for stage in [] if clip is None else clip.entry.stages:
                assert clip is not None
                found = images.add(clip.folder, stage.sample, stage.frames)
                if found is not None:
                    clip.stages.append((stage, found))
        groups.append([strip.index for clip in clips if clip is not None for _, strip in clip.stages])
    return groups


def _record(clip: _Clip, numbers: dict[int, int]) -> dict[str, Any]:
    """As the script wants it."""
    entry = clip.entry
    carried = [(stage, strip) for stage, strip in clip.stages if strip.index in numbers]
    return {
        "stage": clip.stage,
        **_strip(clip.strip, entry.frames, entry.fps, numbers),
        "scores": [[words(key), number(value, decimals([value]))] for key, value in entry.scores.items()],
        "stages": [
            {"stage": stage.stage, **_strip(strip, stage.frames, stage.fps, numbers)} for stage, strip in carried
        ],
    }


def _strip(strip: Strip, frames: int, fps: float, numbers: dict[int, int]) -> dict[str, Any]:
    return {
        "image": numbers[strip.index],
        "frames": frames,
        "fps": fps if fps > 0 else 1.0,
        "width": strip.width // frames,
        "height": strip.height,
    }
