"""Results files with made-up scores whose noise is known."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ivbench.metrics.influence import Influence
from ivbench.metrics.intervals import bootstrap_interval
from ivbench.results.schema import CascadeInfo, Cell, Counts, Results, RunScore, Score, StageInfo, SuiteInfo

CLIP, FVD = "CLIP score [probe]", "FVD [probe]"
SEEDS = count()


def mean_score(values: NDArray[np.floating[Any]], **changes: Any) -> Score:
    """A CLIP score from [R, P] values."""
    means = values.mean(axis=0)
    fields: dict[str, Any] = {
        "metric": "clip_score",
        "label": CLIP,
        "protocol": "clip_score/ivbench@1+aa",
        "fields": {"prompts": "p", "generated": values.size},
        "value": float(means.mean()),
        "runs": [RunScore(seed=i, value=float(row.mean())) for i, row in enumerate(values)],
        "by_prompt": values.tolist(),
        "mean": float(values.mean()),
        "stderr": None,
        "interval": bootstrap_interval(means, draws=50),
        "higher_is_better": True,
        "counts": Counts(generated=values.size, failed=0, used=values.size),
    }
    return Score(**(fields | changes))


def frechet_score(value: float, influence: NDArray[np.floating[Any]], **changes: Any) -> Score:
    """An FVD of two runs from their influence [2, G]; other seeds each, so its noise is its own."""
    seeds = next(SEEDS), next(SEEDS)
    fields: dict[str, Any] = {
        "metric": "fvd",
        "label": FVD,
        "protocol": "fvd/ivbench@1+bb",
        "fields": {"ddof": 1},
        "value": value,
        "runs": [RunScore(seed=seed, value=value) for seed in seeds],
        "influence": influence.tolist(),
        "mean": value,
        "stderr": None,
        "interval": Influence(influence, 0.0, 0.0).interval(value),
        "higher_is_better": False,
        "counts": Counts(generated=64, failed=0, used=64, reference=2048),
    }
    return Score(**(fields | changes))


def stage(name: str, kind: Literal["base", "tsr", "ssr", "generator", "videos"] = "base", **changes: Any) -> StageInfo:
    """A stage as a results file has it."""
    fields: dict[str, Any] = {"frames": 4, "height": 12, "width": 20, "fps": 6.0, "parameters": None, "weights": ""}
    return StageInfo(name=name, kind=kind, **(fields | changes))


def results(cells: Mapping[str, list[Score]], **changes: Any) -> Results:
    """A results file of these cells."""
    rows = [score.by_prompt[0] for scores in cells.values() for score in scores if score.by_prompt]
    prompts = [f"prompt {i}" for i in range(len(rows[0]) if rows else 2)]
    made = [
        Cell(id=f"id {label}", label=label, settings={}, guidance_w=0, scale_g=1, costs=[], scores=scores, gallery=[])
        for label, scores in cells.items()
    ]
    fields: dict[str, Any] = {
        "created": "2026-11-24T12:00:00+00:00",
        "command": "ivbench run",
        "suite": SuiteInfo(name="quick", digest="d", prompts=prompts, runs=2, seeds=[0, 1], noise="numpy"),
        "cascade": CascadeInfo(name="tiny", digest="c" * 64, stages=[]),
        "environments": [],
        "cells": made,
        "ground_truth": [],
    }
    return Results(**(fields | changes))


def rerun(cells: Mapping[str, list[Score]], **changes: Any) -> Results:
    """A results file of these cells from other seeds."""
    made = results(cells, **changes)
    return made.model_copy(update={"suite": made.suite.model_copy(update={"seeds": [2, 3]})})


def pair(
    generator: np.random.Generator, change: float = 0.0, prompts: int = 60, noise: float = 1.0
) -> tuple[Score, Score]:
    """A CLIP score and one of a re-run with other noise and a true change."""
    of_prompt = generator.normal(25.0, 4.0, prompts)
    first, second = (of_prompt + generator.normal(0.0, noise, (2, prompts)) for _ in range(2))
    return mean_score(first), mean_score(second + change)
