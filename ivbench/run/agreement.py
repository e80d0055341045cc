"""Whether probes can be trusted on a cascade's own videos, good and bad: their agreement with the geometric judge."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ivbench.config import parse_suite
from ivbench.errors import ConfigError
from ivbench.extractors.agreement import AttributeJudge, agreement
from ivbench.plan import Plan, build_plan, cascade_source
from ivbench.results.store import Store
from ivbench.run.models import Models
from ivbench.run.pipeline import sample_plan
from ivbench.run.progress import Reporter
from ivbench.run.sampling import Sampling

__all__ = ["Agreements", "probe_agreement"]

Agreements = dict[str, dict[str, dict[str, float]]]
"""Cell -> probe -> attribute -> share of videos on which probe and judge agree."""

_SUITE = {
    "name": "agreement",
    "description": "Good videos, and bad ones of few steps.",
    "prompts": {"source": "shapes:test", "count": 96},
    "runs": 1,
}
_GOOD = {"label": "card settings"}
_BAD = (
    {"label": "few steps", "steps": {"base": 3, "sr": 2}},
    {"label": "fewest steps", "steps": {"base": 2, "sr": 1}},
)


def probe_agreement(models: Models, store: Store, reporter: Reporter, probes: Sequence[str]) -> Agreements:
    """Sample a cascade of the shapes domain well and badly, and let probes and judge look.

    A cascade that was distilled to its steps is sampled by its card's settings alone.

    Args:
        models: the cascade, and where probes are looked up.
        store: keeps the videos.
        reporter: told of progress.
        probes: names of frame or video probes.

    Raises:
        ConfigError: a probe has no attribute heads.
    """
    loaded = {name: models.extractor(name) for name in probes}
    for name, probe in loaded.items():
        if not isinstance(probe, AttributeJudge):
            raise ConfigError(f'"{name}" has no attribute heads to ask. Name a frame or a video probe.')
    source = cascade_source(models.card, models.zoo)
    fixed = any(stage.distilled is not None and stage.distilled.steps is not None for stage in source.spec.stages)
    plan = build_plan(parse_suite(_SUITE | {"cells": [_GOOD, *(() if fixed else _BAD)]}), source)
    sampling = Sampling(sample_plan(plan, store, models, reporter))
    return {
        cell.label: {
            name: agreement(probe, _videos(plan, sampling, cell.id))
            for name, probe in loaded.items()
            if isinstance(probe, AttributeJudge)
        }
        for cell in plan.cells
    }


def _videos(plan: Plan, sampling: Sampling, cell: str) -> np.ndarray:
    tasks = [task for task in plan.sample if task.last and cell in task.cells]
    return np.concatenate([sampling.video(task.id) for task in tasks])
