"""Results in which nothing differs from anything but by noise, as large as a page of the suite `quick`."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from ivbench.metrics.differences import difference
from ivbench.results.schema import Cell, Counts, Results, RunScore, Score

CELLS, METRICS, PROMPTS = 8, 4, 32


def null_results(like: Results, seed: int) -> Results:
    """`CELLS` equal cells by `METRICS` means over `PROMPTS` prompts, which the values have in common.

    Args:
        like: what all the rest is taken from.
        seed: of the noise; the prompts' own values are the same for all.
    """
    prompts = np.random.default_rng(0).normal(70.0, 5.0, (METRICS, 1, PROMPTS))
    values = prompts + np.random.default_rng((seed, 1)).normal(0.0, 3.0, (METRICS, CELLS, PROMPTS))
    cells = [
        like.cells[0].model_copy(
            update={
                "id": f"c{cell}",
                "label": f"cell {cell}",
                "scores": [_score(metric, values[metric, cell]) for metric in range(METRICS)],
                "gallery": [],
            }
        )
        for cell in range(CELLS)
    ]
    suite = like.suite.model_copy(update={"prompts": [f"prompt {index}" for index in range(PROMPTS)]})
    return like.model_copy(update={"cells": cells, "suite": suite, "differences": [], "ground_truth": []})


def with_differences(results: Results) -> Results:
    """The same with the paired difference of every two cells by every metric."""
    found = [one for later, earlier in combinations(results.cells, 2) for one in _differences(later, earlier)]
    return results.model_copy(update={"differences": [one for one in found if one is not None]})


def _differences(later: Cell, earlier: Cell) -> list:
    pairs = zip(later.scores, earlier.scores, strict=True)
    return [difference(later.id, a, earlier.id, b) for a, b in pairs]


def _score(metric: int, values: np.ndarray) -> Score:
    value = float(values.mean())
    return Score(
        metric=f"m{metric}",
        label=f"metric {metric} [x]",
        protocol=f"m{metric}/p@1+0",
        fields={},
        value=value,
        runs=[RunScore(seed=0, value=value)],
        by_prompt=[values.tolist()],
        mean=value,
        stderr=None,
        interval=None,
        higher_is_better=True,
        counts=Counts(generated=len(values), failed=0, used=len(values)),
    )
