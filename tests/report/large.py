"""Results of a large grid, true to the schema, with a strip of its own for every sample and stage."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image

from ivbench.data.shapes import combinations, draw_scene, render, to_uint8
from ivbench.data.shapes.captions import caption
from ivbench.results.schema import Cell, Difference, GalleryEntry, Interval, Results, Score, StageCost, StageSample
from tests.report.fixtures import FRECHET, make_results

SEEDS = (0, 1, 2, 3)


def make_large(folder: Path, cells: int = 100, prompts: int = 64) -> Results:
    """Results of `cells` cells whose gallery has every prompt.

    Args:
        folder: where strips go.
        cells: of the grid.
        prompts: of the suite.
    """
    small = make_results(folder)
    scenes = [list(combinations("test"))[3 * index] for index in range(prompts)]
    clips = [
        render([draw_scene(scene, np.random.default_rng(index))], 8, 6.0, 24, 40)[0]
        for index, scene in enumerate(scenes)
    ]
    texts = [caption(scene) for scene in scenes]
    (folder / "gallery").mkdir()
    truth = [_entry(folder, "truth", index, text, clips[index], 0.0) for index, text in enumerate(texts)]
    made = [_cell(folder, small.cells[1], number, clips, texts) for number in range(cells)]
    suite = small.suite.model_copy(update={"prompts": texts, "runs": len(SEEDS), "seeds": list(SEEDS)})
    update = {"suite": suite, "cells": made, "ground_truth_gallery": truth, "differences": _differences(made)}
    return small.model_copy(update=update)


def _cell(folder: Path, like: Cell, number: int, clips: list[np.ndarray], texts: list[str]) -> Cell:
    w, steps = 0.5 * (number // 10), 8 * (1 + number % 10)
    gallery = [
        _entry(folder, f"cell{number}", index, text, clip, 0.01 + 0.0002 * number)
        for index, (clip, text) in enumerate(zip(clips, texts, strict=True))
    ]
    draw = np.random.default_rng(number)
    return like.model_copy(
        update={
            "id": f"{number:064x}",
            "label": f"w={w:g} ddim {steps}",
            "settings": {**like.settings, "w": w, "steps": steps},
            "guidance_w": w,
            "scale_g": 1 + w,
            "costs": [cost.model_copy(update=_scaled(cost, steps / 32)) for cost in like.costs],
            "scores": [_score(score, draw, len(texts), 1 + 0.1 * w + 8 / steps) for score in like.scores],
            "gallery": gallery,
        }
    )


def _scaled(cost: StageCost, share: float) -> dict[str, float]:
    assert cost.seconds is not None
    return {
        "steps": int(cost.steps * share),
        "nfe": int(cost.nfe * share),
        "flops": cost.flops * share,
        "seconds": cost.seconds * share,
    }


def _score(score: Score, draw: np.random.Generator, prompts: int, worse: float) -> Score:
    value = (score.value / worse if score.higher_is_better else score.value * worse) * float(draw.uniform(0.97, 1.03))
    by_prompt = [] if score.metric in FRECHET else draw.normal(value, 4.0, (len(SEEDS), prompts)).tolist()
    groups = 32 if score.metric in FRECHET else 0
    influence = draw.normal(0.0, 0.1, (len(SEEDS), groups)).tolist() if groups else []
    assert score.interval is not None
    half = (score.interval.high - score.interval.low) / 2
    interval = score.interval.model_copy(update={"low": value - half, "high": value + half})
    more = {"by_prompt": by_prompt, "influence": influence, "interval": interval}
    return score.model_copy(update={"value": value, "mean": value, **more})


def _differences(cells: list[Cell]) -> list[Difference]:
    """Every cell against the first and against the tenth, as a run with many cells records them."""
    found = []
    for b in (cells[0], cells[9]):
        for a in cells:
            for one, other in zip(a.scores, b.scores, strict=True):
                value = one.value - other.value
                interval = Interval(low=value - 1, high=value + 1, method="cluster bootstrap over prompts")
                of_prompts = (
                    np.mean(np.subtract(one.by_prompt, other.by_prompt), axis=0).tolist() if one.by_prompt else []
                )
                found.append(
                    Difference(
                        a=a.id,
                        b=b.id,
                        metric=one.metric,
                        protocol=one.protocol,
                        value=value,
                        interval=interval,
                        significant=abs(value) > 1,
                        by_prompt=of_prompts,
                    )
                )
    return found


def _entry(folder: Path, name: str, index: int, text: str, clip: np.ndarray, noise: float) -> GalleryEntry:
    draw = np.random.default_rng([index, int(1e6 * noise)])
    video = to_uint8((clip + noise * draw.standard_normal(clip.shape))[None])[0]
    own = f"gallery/{name}-{index}"
    _write(folder / f"{own}.webp", video)
    stages = []
    for stage, small, fps in (("base", video[::2, ::2, ::2], 3.0), ("tsr1", video[:, ::2, ::2], 6.0)):
        _write(folder / f"{own}-{stage}.webp", small)
        stages.append(StageSample(stage=stage, sample=f"{own}-{stage}.webp", frames=len(small), fps=fps))
    scores = {"clip_score": 80.0 + index / 7, "r_precision": 100.0}
    return GalleryEntry(
        prompt=text,
        prompt_index=index,
        sample=f"{own}.webp",
        frames=len(video),
        fps=6.0,
        scores=scores,
        stages=stages if noise else [],
    )


def _write(path: Path, video: np.ndarray) -> None:
    """As `write_sprite`, at the encoder's quickest and without waiting for the disk: there are thousands."""
    frames, height, width, _ = video.shape
    strip = np.ascontiguousarray(video.transpose(1, 0, 2, 3)).reshape(height, frames * width, 3)
    content = io.BytesIO()
    Image.fromarray(strip).save(content, "WEBP", lossless=True, quality=0, method=0)
    path.write_bytes(content.getvalue())
