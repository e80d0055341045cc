"""A results file as a run would write it: 4 cells, 6 prompts, sprites drawn from the shapes domain."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ivbench.data.shapes import Attributes, combinations, draw_scene, render, to_uint8
from ivbench.data.shapes.captions import caption
from ivbench.data.sprites import write_sprite
from ivbench.results.parity import Check, Parity
from ivbench.results.schema import (
    CascadeInfo,
    Cell,
    Conclusion,
    Counts,
    Difference,
    Environment,
    GalleryEntry,
    Interval,
    Published,
    PublishedDifference,
    PublishedSteps,
    Range,
    Results,
    RunScore,
    Score,
    StageCost,
    StageInfo,
    StageSample,
    SuiteInfo,
    TimeModel,
)

CELLS = (
    ("w=0 ddim 32", 0.0, "ddim", 32, 0.30),
    ("w=3 ddim 32", 3.0, "ddim", 32, 0.08),
    ("w=3 ancestral 32", 3.0, "ancestral", 32, 0.12),
    ("w=3 ddim 8", 3.0, "ddim", 8, 0.18),
)
METRICS = (
    ("frame_fid", "frame FID [shapes-frame]", False, "", (0.412, 0.187, 0.201, 0.266), 0.009, 0.031),
    ("fvd", "FVD [shapes-video]", False, "", (3.41, 1.62, 1.66, 2.48), 0.06, 0.33),
    ("clip_score", "CLIP score [shapes-clip]", True, "", (61.4, 74.9, 73.2, 72.1), 0.3, 0.9),
    ("r_precision", "CLIP R-Precision [shapes-clip]", True, "%", (58.2, 86.4, 85.9, 79.8), 0.9, 3.1),
)
CONTEXT = {
    "frame_fid": {"null_mean": 0.041, "null_q95": 0.058, "ground_truth": 0.041},
    "fvd": {"null_mean": 0.52, "null_q95": 0.71, "ground_truth": 0.52},
    "clip_score": {"shuffled": 21.3, "ground_truth": 78.8},
    "r_precision": {"chance": 1.0, "ground_truth": 93.1},
}
FRECHET = ("frame_fid", "fvd")
PROMPTS = 6
OFFSETS = (-1.5, 0.4, 0.1, -0.4, 2.0, -0.6)
BIAS = "64 videos for 32 features: the estimate is biased upwards; the null floor has the same bias."
TRUTH = {"frame_fid": 0.041, "fvd": 0.52, "clip_score": 78.8, "r_precision": 93.1}


def cell_name(index: int) -> str:
    """Id of a cell."""
    return f"cell{index}"


def make_parity(results: Results, found: float = 3e-6) -> Parity:
    """Two backends whose largest difference in one evaluation of the base is `found`."""
    checks = [
        Check(stage="base", what="one evaluation", found=found, high=2e-4),
        Check(stage="base", what="whole run, percentile 99.9", found=4e-4, maximum=0.02, high=2e-2),
        Check(stage="ssr1", what="CLIP score [clip-probe]", found=84.2, low=83.1, high=85.0),
    ]
    return Parity(
        cascade=results.cascade.name,
        digest=results.cascade.digest,
        dtype="float32",
        steps={"base": 32},
        guidance={"base": "w=3"},
        prompts=("a red circle", "a blue ring"),
        clip_score={"torch": 84.2, "jax": 84.2},
        environment={},
        checks=tuple(checks),
    )


def make_results(folder: Path, prompts: list[str] | None = None, labels: list[str] | None = None) -> Results:
    """Results and their sprites under `folder`.

    Args:
        folder: where sprites go.
        prompts: texts in place of the captions, at most 6.
        labels: labels in place of the cells' own.
    """
    scenes = list(combinations("test")[:6])
    texts = prompts or [caption(scene) for scene in scenes]
    names = labels or [name for name, *_ in CELLS]
    rows = [_gallery(folder, scenes, texts, index, blur) for index, (*_, blur) in enumerate(CELLS)]
    cells = [_cell(index, names[index], rows[index]) for index in range(len(CELLS))]
    return Results(
        created="2026-11-22T20:15:42Z",
        command="ivbench run --suite quick --cascade shapes-lite",
        suite=SuiteInfo(
            name="quick",
            digest="5f" * 32,
            description="guidance and sampler, small enough to try",
            prompts=texts,
            runs=2,
            seeds=[0, 1],
        ),
        cascade=_cascade(),
        environments=[_environment()],
        cells=cells,
        ground_truth=[_score(metric, TRUTH[metric[0]], None) for metric in METRICS],
        ground_truth_gallery=_gallery(folder, scenes, texts, None, 0.0),
        differences=[found for metric in METRICS for found in _differences(metric)],
        disclosures=[
            "gamma of the ancestral sampler: unspecified by the paper; ours 0.3.",
            "Dynamic thresholding percentile: unspecified by the paper; ours 99.5 % over the whole video.",
            "Null text: unspecified by the paper; ours zero embeddings, zero pooled vector, mask all valid.",
        ],
        notes=[],
    )


def _score(metric: tuple, value: float, context: dict[str, float] | None) -> Score:
    name, label, higher, unit, _, stderr, half = metric
    own = context is not None
    frechet = name in FRECHET
    of_prompts = [[value + half * offset for offset in OFFSETS]] * 2
    method = "infinitesimal jackknife over 32 groups" if frechet else "cluster bootstrap over prompts, 2000 draws"
    return Score(
        metric=name,
        label=label,
        protocol=f"{name}/shapes@1+{name.encode().hex()[:8]}",
        fields={"extractor": label.split("[")[1][:-1], "weights": "ab" * 32, "frames": 8, "fps": 6.0, "clip": None},
        value=value,
        runs=[RunScore(seed=0, value=value - stderr), RunScore(seed=1, value=value + stderr)] if own else [],
        by_prompt=of_prompts if own and not frechet else [],
        mean=value,
        stderr=stderr if own else None,
        interval=Interval(low=value - half, high=value + half, method=method),
        higher_is_better=higher,
        unit=unit,
        counts=Counts(generated=64, failed=0, used=64, reference=2048 if frechet else None),
        context=context or {},
        notes=[BIAS] if frechet else [],
    )


def _cell(index: int, label: str, gallery: list[GalleryEntry]) -> Cell:
    _, w, sampler, steps, _ = CELLS[index]
    stages = (("base", 1.35e9, 0.007), ("tsr1", 1.1e9, 0.009), ("ssr1", 1.9e9, 0.011))
    double = 1 if w == 0 else 2
    costs = [
        StageCost(
            stage=stage,
            sampler=sampler,
            steps=steps,
            nfe=steps * double,
            flops=steps * double * flops,
            seconds=steps * double * seconds,
            peak_memory_mib=410.0 + 40 * row,
        )
        for row, (stage, flops, seconds) in enumerate(stages)
    ]
    return Cell(
        id=cell_name(index),
        label=label,
        settings={"w": w, "sampler": sampler, "steps": steps, "thresholding": "dynamic", "augmentation_snr": 5.0},
        guidance_w=w,
        scale_g=1 + w,
        costs=costs,
        timing="warm, batch 16, 2 CPU threads, median of 3 repeats",
        scores=[_score(metric, metric[4][index], CONTEXT[metric[0]]) for metric in METRICS],
        gallery=gallery,
    )


def _differences(metric: tuple) -> list[Difference]:
    name, _, _, _, values, _, half = metric
    found = []
    for a in range(len(CELLS)):
        for b in range(a + 1, len(CELLS)):
            value = values[a] - values[b]
            of_prompts = [value + half * OFFSETS[(row + a + b) % PROMPTS] for row in range(PROMPTS)]
            interval = Interval(low=value - half, high=value + half, method="paired, over prompts")
            found.append(
                Difference(
                    a=cell_name(a),
                    b=cell_name(b),
                    metric=name,
                    protocol=f"{name}/shapes@1+{name.encode().hex()[:8]}",
                    value=value,
                    interval=interval,
                    significant=abs(value) > half,
                    by_prompt=[] if name in FRECHET else of_prompts,
                )
            )
    return found


def _gallery(
    folder: Path, scenes: list[Attributes], texts: list[str], cell: int | None, spoil: float
) -> list[GalleryEntry]:
    """Clips of every prompt; a cell's are the true ones with noise, so that cells look different."""
    entries = []
    for index, (attributes, text) in enumerate(zip(scenes, texts, strict=False)):
        video = render([draw_scene(attributes, np.random.default_rng(index))], 8, 6.0, 24, 40)[0]
        noise = np.random.default_rng((index, 7)).normal(size=(8, 6, 10, 3)).repeat(4, 1).repeat(4, 2)
        spoilt = np.round((video + spoil * noise) * 16) / 16
        own = f"samples/{'truth' if cell is None else cell_name(cell)}-{index}"
        sample, clip = f"{own}.webp", to_uint8(spoilt[None])[0]
        write_sprite(clip, folder / sample)
        stages = [] if cell is None else _stages(folder, own, clip)
        scores = {} if cell is None else {"clip_score": 75.0 - 40 * spoil + index}
        entries.append(
            GalleryEntry(
                prompt=text, prompt_index=index, sample=sample, frames=8, fps=6.0, scores=scores, stages=stages
            )
        )
    return entries


def _stages(folder: Path, own: str, clip: np.ndarray) -> list[StageSample]:
    """The earlier stages of a clip: every second frame at half the size, then all frames."""
    small = clip[:, ::2, ::2]
    strips = (("base", small[::2], 3.0), ("tsr1", small, 6.0))
    for stage, video, _ in strips:
        write_sprite(np.ascontiguousarray(video), folder / f"{own}-{stage}.webp")
    return [
        StageSample(stage=stage, sample=f"{own}-{stage}.webp", frames=len(video), fps=fps)
        for stage, video, fps in strips
    ]


def with_published(results: Results) -> Results:
    """The same with values of a paper for the second cell, and for the ground truth."""
    source = "A paper, Table 1"
    rows = [
        Published(metric="clip_score", value=25.19, stderr=0.03, source=source),
        Published(metric="seconds", value=618, source=source),
    ]
    cells = list(results.cells)
    cells[1] = cells[1].model_copy(update={"published": rows})
    truth = [Published(metric="clip_score", value=24.27, source=source)]
    return results.model_copy(update={"cells": cells, "ground_truth_published": truth})


def with_conclusions(results: Results) -> Results:
    """The same with conclusions put to the test, of each kind and verdict."""
    a, b, c, d = (cell.id for cell in results.cells)
    interval = Interval(low=1.6, high=3.8, method="cluster bootstrap over prompts, 2000 draws")
    clip, paper = "CLIP score [shapes-clip]", "distillation keeps quality"
    rows = [
        Conclusion(
            text=paper,
            kind="non_inferior",
            of=d,
            to=b,
            quantity=clip,
            value=-2.8,
            interval=interval,
            bound=-3.6,
            threshold=-5.0,
            published=-0.16,
            verdict="holds",
        ),
        Conclusion(
            text="guidance helps",
            kind="better",
            of=b,
            to=a,
            quantity=clip,
            value=13.5,
            interval=interval,
            verdict="fails",
        ),
        Conclusion(
            text="18 times faster",
            kind="ratio",
            of=d,
            to=b,
            quantity="seconds",
            value=4.02,
            range=Range(low=3.9, high=4.11, repeats=3),
            threshold=4.0,
            tolerance=0.1,
            published=17.7,
            verdict="holds",
        ),
        Conclusion(text="fewer FLOPs", kind="ratio", of=d, to=b, quantity="flops", value=4.0, threshold=8.0),
        Conclusion(text="ancestral is better", kind="better", of=c, to=b, quantity="fvd"),
        Conclusion(
            text="few steps equal many",
            kind="equivalent",
            of=d,
            to=b,
            quantity=clip,
            value=-2.8,
            interval=interval,
            bound=-3.6,
            threshold=5.0,
            verdict="holds",
        ),
    ]
    differences = [PublishedDifference(a=d, b=b, metric="clip_score", measured=-6.6, published=None)]
    model = TimeModel(
        constant=-0.002,
        base=0.007,
        super_resolution=0.02,
        largest_error=0.043,
        super_resolution_step=0.04,
        published=PublishedSteps(base=0.4, super_resolution=4.03, source="A paper, Table 1"),
    )
    update = {"conclusions": rows, "published_differences": differences, "time_model": model}
    return results.model_copy(update=update)


def swept(results: Results) -> Results:
    """The same with cells along the guidance weight, for two samplers, in place of its own."""
    cells = []
    for sampler in ("ddim", "ancestral"):
        for w in (0.0, 1.0, 3.0, 6.0, 15.0):
            like = results.cells[len(cells) % len(results.cells)]
            scores = [_moved(score, score.value + 0.01 * w) for score in like.scores]
            settings = {**like.settings, "guidance": f"w={w:g}", "sampler": sampler, "steps": 16}
            del settings["w"]
            update = {"id": f"{sampler}{w:g}", "label": f"w={w:g} {sampler}", "guidance_w": w, "scale_g": 1 + w}
            cells.append(like.model_copy(update={**update, "settings": settings, "scores": scores}))
    return results.model_copy(update={"cells": cells, "differences": []})


def _moved(score: Score, value: float) -> Score:
    """The same score with another value, and its interval moved along."""
    assert score.interval is not None
    ends = {"low": score.interval.low + value - score.value, "high": score.interval.high + value - score.value}
    return score.model_copy(update={"value": value, "interval": score.interval.model_copy(update=ends)})


def oscillating(results: Results) -> Results:
    """The same with a cell of oscillating guidance for each sampler, like the first of that sampler."""
    found = list(results.cells)
    for like in {cell.settings["sampler"]: cell for cell in reversed(results.cells)}.values():
        sampler = like.settings["sampler"]
        scores = [_moved(score, 0.93 * score.value) for score in like.scores]
        update = {"id": f"{sampler}osc", "label": f"osc(15,1) {sampler}", "guidance_w": None, "scale_g": None}
        settings = {**like.settings, "guidance": "osc(15,1)/6"}
        found.append(like.model_copy(update={**update, "settings": settings, "scores": scores}))
    return results.model_copy(update={"cells": found})


def other_run(results: Results, change: float = 0.5) -> Results:
    """A second run of the same suite: the CLIP score of every cell is higher, FVD has another protocol."""

    def score(found: Score) -> Score:
        if found.metric == "clip_score":
            rows = [[value + change for value in row if value is not None] for row in found.by_prompt]
            more = {"value": found.value + change, "mean": found.mean + change, "by_prompt": rows}
            return found.model_copy(update=more)
        if found.metric == "fvd":
            fields = {**found.fields, "frames": 16}
            return found.model_copy(update={"protocol": "fvd/shapes@1+ffffffff", "fields": fields})
        return found

    cells = [cell.model_copy(update={"scores": [score(one) for one in cell.scores]}) for cell in results.cells]
    return results.model_copy(update={"cells": cells, "created": "2026-11-23T10:00:00Z"})


def _cascade() -> CascadeInfo:
    rows = (
        ("base", "base", 4, 12, 20, 3.0, 2_140_000),
        ("tsr1", "tsr", 8, 12, 20, 6.0, 640_000),
        ("ssr1", "ssr", 8, 24, 40, 6.0, 590_000),
    )
    return CascadeInfo(
        name="shapes-lite",
        digest="c0ffee" * 10 + "beef",
        description="A small cascade for the shapes domain, trained on two CPU cores.",
        stages=[
            StageInfo(name=n, kind=k, frames=t, height=h, width=w, fps=fps, parameters=count, weights="d1" * 32)
            for n, k, t, h, w, fps, count in rows
        ],
        text_encoder="t5-mini, 32 tokens",
    )


def _environment() -> Environment:
    return Environment(
        ivbench="0.1.0",
        python="3.11.2",
        platform="Linux-6.1-x86_64",
        processor="x86_64, 2 cores",
        device="cpu",
        dtype="float32",
        threads=2,
        libraries={"torch": "2.14.1", "numpy": "2.4.0", "open_clip": "3.3.0"},
        git="0123abc",
    )


def of_folders(results: Results, description: str = "40 videos against real") -> Results:
    """The first cell alone, as scores of folders have it: without suite, cascade and costs."""
    suite = results.suite.model_copy(update={"prompts": []})
    cascade = results.cascade.model_copy(update={"stages": [], "description": description})
    cell = results.cells[0].model_copy(update={"costs": [], "gallery": [], "guidance_w": None, "scale_g": None})
    return results.model_copy(update={"suite": suite, "cascade": cascade, "cells": [cell], "differences": []})
