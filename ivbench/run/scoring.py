"""Score: features to evidence, scores, the ground-truth row and paired differences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import combinations as pairs
from typing import Any

import numpy as np

from ivbench import registry
from ivbench.config import digest
from ivbench.config.suite import MetricConfig
from ivbench.data.prompts import prompt_digest
from ivbench.data.shapes import caption, combinations
from ivbench.metrics import (
    Batch,
    Conditions,
    Evidence,
    FeatureSource,
    FrechetMetric,
    Metric,
    NullFloor,
    Pool,
    Reference,
    Scored,
    Texts,
    profile,
)
from ivbench.plan import Plan, ScoreTask
from ivbench.results.schema import Difference, Score
from ivbench.results.store import Store
from ivbench.run.features import Features
from ivbench.run.models import Models
from ivbench.run.progress import Reporter

__all__ = ["Scoring"]

_ALL_PAIRS = 8
"""Up to this many cells every pair is compared; beyond it, every cell with the first."""
_FORMAT = 1


@dataclass(frozen=True, eq=False)
class _Kept:
    """What a finished score left in the store."""

    score: Score
    evidence: Evidence | None


class Scoring:
    """Scores the cells of a plan.

    Args:
        plan: cells, metrics, prompts.
        store: where finished scores are kept, with their evidence.
        models: the extractors' names, digests and contracts.
        features: of videos, real clips and texts.
        reporter: told of progress, in scores.
        problems: cells that cannot be scored.
    """

    def __init__(
        self,
        plan: Plan,
        store: Store,
        models: Models,
        features: Features,
        reporter: Reporter,
        problems: Mapping[str, str],
    ) -> None:
        self._plan, self._store, self._models, self._features = plan, store, models, features
        self._reporter, self._problems = reporter, problems
        self._conditions = cache(self._make_conditions)
        self._truth = cache(self._make_truth)
        self._kept: dict[tuple[str, int], _Kept] = {}

    def run(self) -> dict[str, list[Score]]:
        """The scores of every cell that has videos, in the suite's order of metrics."""
        tasks = [task for task in self._plan.score if task.cell not in self._problems]
        phase = self._reporter.phase("scores", len(tasks))
        found: dict[str, list[Score]] = {cell.id: [] for cell in self._plan.cells}
        for task in tasks:
            kept = self._score(task)
            self._kept[task.cell, self._index(task.metric)] = kept
            found[task.cell].append(kept.score)
            phase.advance(1)
        return found

    def ground_truth(self) -> list[Score]:
        """The same metrics of real clips of the same prompts, where there are such."""
        rows = [self._truth(index) for index in range(len(self._plan.suite.metrics))]
        return [row for row in rows if row is not None]

    def differences(self) -> list[Difference]:
        """Paired differences between cells: later minus earlier."""
        found = []
        for earlier, later in self._pairs():
            for index, metric in enumerate(self._plan.suite.metrics):
                sides = [self._scored(cell, index) for cell in (later, earlier)]
                if sides[0] is None or sides[1] is None or sides[0].score.protocol != sides[1].score.protocol:
                    continue
                difference = self._metric(metric).difference(sides[0], sides[1])
                if difference is not None:
                    found.append(difference)
        return found

    def evidence(self, cell: str, metric: str) -> Evidence | None:
        """The evidence of a cell's first metric of that name."""
        for index, config in enumerate(self._plan.suite.metrics):
            if config.name == metric and (cell, index) in self._kept:
                return self._kept[cell, index].evidence
        return None

    def _pairs(self) -> list[tuple[str, str]]:
        cells = [cell.id for cell in self._plan.cells if cell.id not in self._problems]
        if len(cells) <= _ALL_PAIRS:
            return list(pairs(cells, 2))
        return [(cells[0], other) for other in cells[1:]]

    def _scored(self, cell: str, index: int) -> Scored[Any] | None:
        kept = self._kept.get((cell, index))
        return None if kept is None or kept.evidence is None else Scored(cell, kept.evidence, kept.score)

    def _index(self, metric: MetricConfig) -> int:
        return self._plan.suite.metrics.index(metric)

    def _metric(self, config: MetricConfig) -> Metric[Any]:
        made: Metric[Any] = registry.load("metric", config.name)()
        return made

    def _score(self, task: ScoreTask) -> _Kept:
        metric = self._metric(task.metric)
        found = self._store.get(task.id)
        manifest = self._store.manifest(task.id)
        if found is not None and manifest is not None:
            return _Kept(Score.model_validate(manifest["score"]), metric.restore(found))
        index = self._index(task.metric)
        conditions = self._conditions(index)
        evidence = metric.gather(self._features.batches(task.consumes), conditions)
        score = metric.score(evidence, conditions, self._plan.suite.run_seeds, context=self._context(index))
        self._store.put(task.id, evidence.to_arrays(), {"kind": task.kind, "score": score.model_dump(mode="json")})
        return _Kept(score, evidence)

    def _context(self, index: int) -> dict[str, float]:
        """The ground truth's value beside a mean; a Frechet metric has its floor in the conditions."""
        truth = self._truth(index)
        if truth is None or issubclass(registry.load("metric", truth.metric), FrechetMetric):
            return {}
        return {"ground_truth": truth.value}

    def _make_conditions(self, index: int) -> Conditions:
        config, plan = self._plan.suite.metrics[index], self._plan
        last, metric = plan.source.spec.stages[-1], self._metric(config)
        extractor = self._models.extractor(config.extractor)
        conditions = Conditions(
            source=FeatureSource(extractor.name, extractor.digest, extractor.preprocess),
            profile=profile(config.profile or "ivbench"),
            frames=last.frames,
            fps=last.fps,
            height=last.height,
            width=last.width,
            prompts=digest([prompt_digest(prompt) for prompt in plan.prompts]),
            num_prompts=len(plan.prompts),
            captions=plan.prompts,
        )
        if isinstance(metric, FrechetMetric):
            return self._with_reference(metric, config, conditions)
        if metric.kind == "image_text":
            return replace(conditions, texts=self._texts(config))
        return conditions

    def _with_reference(self, metric: FrechetMetric, config: MetricConfig, conditions: Conditions) -> Conditions:
        """The first `reference.count` real clips are the reference; with as many more as generated, the floor."""
        count, generated = self._plan.suite.reference.count, self._generated()
        real = self._features.reference(config.extractor, count + generated)
        reference = Reference(metric.reference([real[:count]]), self._features.reference_digest(), count)
        payload = {
            "kind": "floor",
            "format": _FORMAT,
            "metric": config.model_dump(mode="json"),
            "extractor": self._plan.extractors[config.extractor],
            "reference": reference.digest,
            "counts": [count, generated],
        }
        entry = digest(payload)
        found = self._store.get(entry)
        floor = metric.floor(real, generated, conditions.profile.ddof) if found is None else NullFloor.from_arrays(found)
        if found is None:
            self._store.put(entry, floor.to_arrays(), {"kind": "floor"})
        return replace(conditions, reference=reference, floor=floor)

    def _generated(self) -> int:
        suite = self._plan.suite
        return len(self._plan.prompts) * len(suite.run_seeds) * suite.samples_per_prompt

    def _texts(self, config: MetricConfig) -> Texts:
        rows = combinations("pool")
        captions = [caption(row) for row in rows]
        still = [(row.shape, row.colour, row.background, row.size) for row in rows]
        groups = np.array([sorted(set(still)).index(row) for row in still], np.int64)
        pool = Pool.merged(captions, self._features.texts(config.extractor, captions), groups)
        prompts = list(self._plan.prompts)
        return Texts.of(prompts, self._features.texts(config.extractor, prompts), pool)

    def _make_truth(self, index: int) -> Score | None:
        config = self._plan.suite.metrics[index]
        entry = digest({"kind": "truth", "format": _FORMAT, "scores": [t.id for t in self._plan.score if t.metric == config]})
        manifest = self._store.manifest(entry)
        if manifest is not None:
            return Score.model_validate(manifest["score"])
        score = self._score_truth(config, self._conditions(index))
        if score is not None:
            self._store.put(entry, {"value": np.array(score.value)}, {"score": score.model_dump(mode="json")})
        return score

    def _score_truth(self, config: MetricConfig, conditions: Conditions) -> Score | None:
        metric, seeds = self._metric(config), self._plan.suite.run_seeds
        if isinstance(metric, FrechetMetric):
            assert conditions.reference is not None
            return metric.ground_truth(conditions, conditions.reference.statistics.dim)
        batches = self._real_batches(config, seeds)
        if batches is None:
            return None
        evidence = metric.gather(batches, conditions)
        return metric.score(evidence, conditions, seeds)

    def _real_batches(self, config: MetricConfig, seeds: Sequence[int]) -> list[Batch] | None:
        """As many real clips of each prompt as are generated."""
        prompts = np.arange(len(self._plan.prompts), dtype=np.int64)
        batches = []
        for run, seed in enumerate(seeds):
            for sample in range(self._plan.suite.samples_per_prompt):
                real = self._features.real(config.extractor, seed, sample)
                if real is None:
                    return None
                batches.append(Batch(run, prompts, real))
        return batches
