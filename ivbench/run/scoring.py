"""Score: features to evidence, scores, the ground-truth row and paired differences."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import combinations as pairs
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ivbench import registry
from ivbench.config import MetricConfig, digest
from ivbench.data.prompts import prompt_digest
from ivbench.data.shapes import caption, combinations
from ivbench.errors import NonFiniteError
from ivbench.metrics import (
    Batch,
    ComparedMetric,
    Conditions,
    Evidence,
    FeatureSource,
    Metric,
    NullFloor,
    Pool,
    Texts,
)
from ivbench.metrics.differences import difference
from ivbench.plan import ScoreTask
from ivbench.plan.ids import metric_payload
from ivbench.plan.real import FLOOR, floor_clips, have_clips
from ivbench.results.schema import Difference, Score
from ivbench.run.features import Features
from ivbench.run.job import Entry, Job
from ivbench.run.real_clips import reference_digest
from ivbench.run.units import RunUnits, Unit

__all__ = ["Scoring"]

_ALL_PAIRS = 8
"""Up to this many cells every pair is compared; beyond it, every cell with the first and with each metric's best."""
_FORMAT = 5


@dataclass(frozen=True, eq=False)
class _Kept:
    """What a finished score left in the store."""

    score: Score
    evidence: Evidence


class Scoring:
    """Scores the cells of a job's plan.

    Args:
        job: the plan in execution. Cells that stopped are left out; a cell whose features have no score stops.
        features: of videos, real clips and texts.
    """

    def __init__(self, job: Job, features: Features) -> None:
        self._job, self._plan, self._features = job, job.plan, features
        self._conditions = cache(self._make_conditions)
        self._truth = cache(self._make_truth)
        self._kept: dict[tuple[str, MetricConfig], _Kept] = {}
        self._tasks = {task.id: task for task in job.plan.score}

    def run(self, run_units: RunUnits) -> None:
        """Score every cell that has videos."""
        tasks = [task for task in self._plan.score if not self._job.stopped([task.cell])]
        missing = self._job.missing(tasks)
        run_units("reference", self._reference_units(missing))
        failed = run_units("scores", self._units(missing))
        for task in tasks:
            if self._job.stopped([task.cell]) or (task.cell, task.metric) in self._kept:
                continue
            try:
                if task.id in failed:
                    raise NonFiniteError(failed[task.id])
                self.make(task.id)
            except NonFiniteError as error:
                self._job.stop([task.cell], f"{task.metric.name}: {error}")

    def make(self, task_id: str) -> None:
        """Make the entry of a score, unless the store has it.

        Raises:
            NonFiniteError: there is no score of such features.
        """
        task = self._tasks[task_id]
        self._kept[task.cell, task.metric] = self._score(task)

    def make_truth(self, key: str) -> None:
        """Make what the scores of a metric share: floor, texts, ground truth; `key` is its unit's.

        Raises:
            NonFiniteError: features of real clips or texts hold NaN or infinity.
        """
        config = self._plan.suite.metrics[int(key.rpartition(" ")[2])]
        self._conditions(config)
        self._truth(config)

    def scores(self, cell: str) -> list[Score]:
        """A cell's scores in the suite's order of metrics; none where it stopped."""
        return [kept.score for metric in self._plan.suite.metrics if (kept := self._of(cell, metric)) is not None]

    def ground_truth(self) -> list[Score]:
        """The same metrics of real clips of the same prompts, where there are such."""
        rows = [self._truth(metric) for metric in self._plan.suite.metrics]
        return [row for row in rows if row is not None]

    def differences(self) -> list[Difference]:
        """Paired differences between cells: later minus earlier."""
        found = []
        cells = [cell.id for cell in self._plan.cells if not self._job.stopped([cell.id])]
        metrics = self._plan.suite.metrics
        anchors = {config: self._anchors(cells, config) for config in metrics}
        for earlier, later in pairs(cells, 2):
            for config in metrics:
                if anchors[config].isdisjoint((earlier, later)):
                    continue
                sides = [self._of(cell, config) for cell in (later, earlier)]
                if sides[0] is None or sides[1] is None or sides[0].score.protocol != sides[1].score.protocol:
                    continue
                one = difference(later, sides[0].score, earlier, sides[1].score)
                if one is not None:
                    found.append(one)
        return found

    def conditions(self, config: MetricConfig) -> Conditions:
        """All but the features that decides a metric's numbers."""
        return self._conditions(config)

    def evidence(self, cell: str, metric: str) -> Evidence | None:
        """The evidence of a cell's first metric of that name."""
        found = (self._of(cell, config) for config in self._plan.suite.metrics if config.name == metric)
        return next((kept.evidence for kept in found if kept is not None), None)

    def _reference_units(self, missing: Iterable[ScoreTask]) -> list[Unit]:
        """The missing features of real clips that missing scores of metrics against real clips stand on."""
        metrics = dict.fromkeys(task.metric for task in missing)
        needed = dict.fromkeys(m.extractor for m in metrics if _metric(m).compares)
        floor = 0 if have_clips(self._plan) else floor_clips(self._plan) * len(self._plan.prompts)
        count = self._plan.suite.reference.count + floor
        return [unit for extractor in needed for unit in self._features.reference_units(extractor, count)]

    def _units(self, missing: Sequence[ScoreTask]) -> list[Unit]:
        """One unit a score, after one a metric that makes what the metric's scores share."""
        metrics = list(dict.fromkeys(task.metric for task in missing))
        keys = {metric: f"truth {self._plan.suite.metrics.index(metric)}" for metric in metrics}
        truths = [Unit("truth", keys[metric], ("extractor", metric.extractor)) for metric in metrics]
        return truths + [
            Unit(
                "score",
                task.id,
                ("extractor", task.metric.extractor),
                after=(keys[task.metric],),
                cells=(task.cell,),
                place=(self._plan.suite.metrics.index(task.metric),),
                amount=1,
            )
            for task in missing
        ]

    def _of(self, cell: str, metric: MetricConfig) -> _Kept | None:
        return None if self._job.stopped([cell]) else self._kept.get((cell, metric))

    def _anchors(self, cells: list[str], config: MetricConfig) -> set[str]:
        """The cells that every other is compared with: all, or where they are many the first and the metric's best."""
        if len(cells) <= _ALL_PAIRS:
            return set(cells)
        found = [(cell, kept.score) for cell in cells if (kept := self._of(cell, config)) is not None]
        deciding = [
            (score.value if score.higher_is_better else -score.value, cell) for cell, score in found if score.decisive
        ]
        best = max(deciding, key=lambda pair: pair[0], default=(0.0, cells[0]))[1]
        return {cells[0], best}

    def _score(self, task: ScoreTask) -> _Kept:
        metric = _metric(task.metric)

        def make() -> Entry:
            conditions = self._conditions(task.metric)
            evidence = metric.gather(self._features.batches(task.consumes), conditions)
            seeds = self._plan.suite.run_seeds
            score = metric.score(evidence, conditions, seeds, context=self._context(task.metric))
            return Entry(evidence.to_arrays(), {"metric": task.metric.name, "score": score.model_dump(mode="json")})

        entry = self._job.kept(task.id, task.kind, make)
        return _Kept(Score.model_validate(entry.about["score"]), metric.restore(entry.arrays))

    def _context(self, config: MetricConfig) -> dict[str, float]:
        """The ground truth's value beside a mean; others have their floor in the conditions."""
        if isinstance(_metric(config), ComparedMetric):
            return {}
        truth = self._truth(config)
        return {} if truth is None else {"ground_truth": truth.value}

    def _make_conditions(self, config: MetricConfig) -> Conditions:
        plan, metric = self._plan, _metric(config)
        last, extractor = plan.stages[-1], self._job.models.extractor(config.extractor)
        conditions = Conditions(
            source=FeatureSource(extractor.name, extractor.digest, extractor.preprocess),
            profile=config.choices,
            frames=last.frames,
            fps=last.fps,
            height=last.height,
            width=last.width,
            prompts=digest([prompt_digest(prompt) for prompt in plan.prompts]),
            num_prompts=len(plan.prompts),
            captions=plan.prompts,
        )
        if metric.compares:
            return self._with_reference(metric, config, conditions)
        if metric.kind == "image_text":
            return replace(conditions, texts=self._texts(config))
        return conditions

    def _with_reference(self, metric: Metric[Any], config: MetricConfig, conditions: Conditions) -> Conditions:
        """The first `reference.count` real clips are the reference; the floor's are others, of the prompts."""
        count = self._plan.suite.reference.count
        real = self._features.reference(config.extractor, count)
        compared = replace(conditions, reference=metric.prepare([real], reference_digest(self._plan), count))
        return self._with_floor(metric, config, compared) if isinstance(metric, ComparedMetric) else compared

    def _with_floor(self, metric: ComparedMetric, config: MetricConfig, compared: Conditions) -> Conditions:
        count, samples = self._plan.suite.reference.count, self._plan.suite.videos_of_a_prompt
        clips = floor_clips(self._plan)

        def make() -> Entry:
            floor = metric.floor(self._bank(config.extractor, clips), samples, compared)
            return Entry(replace(floor, of_prompts=have_clips(self._plan)).to_arrays())

        entry = self._id("floor", config, counts=[count, samples, clips], prompts=compared.prompts)
        floor = self._job.kept(entry, "floor", make)
        return replace(compared, floor=NullFloor.from_arrays(floor.arrays))

    def _bank(self, extractor: str, clips: int) -> NDArray[np.float32]:
        """[K, P, ...] features of real clips of each prompt; where there are none, of the reference's distribution."""
        suite, prompts = self._plan.suite, len(self._plan.prompts)
        if have_clips(self._plan):
            return np.stack([self._features.real(extractor, suite.reference.seed, FLOOR + k) for k in range(clips)])
        others = self._features.reference(extractor, suite.reference.count + clips * prompts)[suite.reference.count :]
        return others.reshape(clips, prompts, *others.shape[1:])

    def _texts(self, config: MetricConfig) -> Texts:
        rows = combinations("pool")
        captions, prompts = [caption(row) for row in rows], list(self._plan.prompts)
        still = [(row.shape, row.colour, row.background, row.size) for row in rows]
        number = {group: place for place, group in enumerate(sorted(set(still)))}
        groups = np.array([number[group] for group in still], np.int64)
        prefix = config.choices.prefix
        of_pool, _ = self._features.texts(config.extractor, [prefix + one for one in captions])
        pool = Pool.merged(captions, of_pool, groups)
        embeddings, truncated = self._features.texts(config.extractor, [prefix + one for one in prompts])
        return Texts.of(prompts, embeddings, pool, truncated)

    def _make_truth(self, config: MetricConfig) -> Score | None:
        metric = _metric(config)
        if not have_clips(self._plan):
            return None

        def make() -> Entry:
            score = self._score_truth(metric, config)
            return Entry({"value": np.array(score.value)}, {"score": score.model_dump(mode="json")})

        suite = self._plan.suite
        prompts = [prompt_digest(prompt) for prompt in self._plan.prompts]
        deciding = {"prompts": prompts, "seeds": list(suite.run_seeds), "samples": suite.samples_per_prompt}
        entry = self._job.kept(self._id("truth", config, **deciding), "truth", make)
        return Score.model_validate(entry.about["score"])

    def _score_truth(self, metric: Metric[Any], config: MetricConfig) -> Score:
        conditions, suite = self._conditions(config), self._plan.suite
        if isinstance(metric, ComparedMetric):
            assert conditions.reference is not None
            return metric.ground_truth(conditions, conditions.reference.statistics.dim)
        prompts = np.arange(len(self._plan.prompts), dtype=np.int64)
        batches = (
            Batch(run, prompts, self._features.real(config.extractor, seed, sample))
            for run, seed in enumerate(suite.run_seeds)
            for sample in range(suite.samples_per_prompt)
        )
        return metric.score(metric.gather(batches, conditions), conditions, suite.run_seeds)

    def _id(self, kind: str, config: MetricConfig, **deciding: Any) -> str:
        return digest(
            {
                "kind": kind,
                "format": _FORMAT,
                "metric": metric_payload(config),
                "extractor": self._plan.extractors[config.extractor],
                "execution": self._plan.execution.model_dump(mode="json"),
                "reference": reference_digest(self._plan),
                **deciding,
            }
        )


def _metric(config: MetricConfig) -> Metric[Any]:
    made: Metric[Any] = registry.load("metric", config.name)()
    return made
