"""Pairs of results drawn from many real videos of each prompt: without a change, or with a loss of a chosen size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ivbench.errors import ConfigError
from ivbench.metrics import Batch, Conditions, MeanEvidence, MeanMetric, Metric
from ivbench.metrics.intervals import Integers
from ivbench.results.schema import CascadeInfo, Cell, Results, Score, SuiteInfo

__all__ = ["Pairs", "Population"]

Features = NDArray[np.floating]


@dataclass(frozen=True, eq=False)
class Population:
    """One metric's features of K videos of each of P prompts.

    Attributes:
        metric: what scores them.
        conditions: of all P prompts; a pair's are these of its own prompts.
        unchanged: [K, P, ...] of the cascade as it is.
        worse: [K, P, ...] of a worse one. A loss moves features from the former towards these, or beyond.
    """

    metric: Metric[Any]
    conditions: Conditions
    unchanged: Features
    worse: Features

    @property
    def label(self) -> str:
        """As tables show the metric."""
        return self.metric.label(self.conditions.source)


class Pairs:
    """Pairs of results files, each as two runs of a suite would write them, scored as `ivbench score` does.

    A pair's prompts are drawn with replacement. Of every prompt, other videos stand in its old and in its new file,
    so the two differ as a re-run with other seeds does. All metrics see the same videos. A loss of strength s turns the
    new file's features f into f + s (f_worse - f), in all of its videos: s = 1 is the worse cascade.

    Args:
        populations: one a metric, of the same videos.
        prompts: of a pair.
        runs: of each side; K must be twice as many.
        seed: of all draws; the same pair is drawn whatever its loss.

    Raises:
        ConfigError: no population, or too few videos of a prompt.
    """

    def __init__(self, populations: Sequence[Population], prompts: int, runs: int, seed: int = 0) -> None:
        videos = min((len(population.unchanged) for population in populations), default=0)
        if videos < 2 * runs:
            raise ConfigError(f"a pair of {runs} runs needs {2 * runs} videos of each prompt, got {videos}.")
        self.prompts, self.runs = prompts, runs
        self._seed = seed
        self._shape = populations[0].unchanged.shape[:2]
        self._sides = {population.label: _scored(population) for population in populations}

    @property
    def labels(self) -> tuple[str, ...]:
        """Of the metrics."""
        return tuple(self._sides)

    def pair(self, number: int, strength: float = 0.0, labels: Sequence[str] | None = None) -> tuple[Results, Results]:
        """An old and a new results file.

        Args:
            number: which pair.
            strength: of the loss; 0: none.
            labels: of the metrics to score; None: all.
        """
        generator = np.random.Generator(np.random.Philox(key=[self._seed, number]))
        videos, prompts = self._shape
        chosen = generator.integers(0, prompts, self.prompts)
        order = generator.random((videos, self.prompts)).argsort(axis=0)[: 2 * self.runs]
        sides = (order[: self.runs], 0.0, 0), (order[self.runs :], strength, self.runs)
        wanted = self.labels if labels is None else labels
        old, new = (
            _results([self._sides[label].score(chosen, *side) for label in wanted], self.prompts, self.runs, side[-1])
            for side in sides
        )
        return old, new


class _Scored:
    """How one metric scores videos of a population."""

    def __init__(self, population: Population) -> None:
        self._population = population

    def score(self, prompts: Integers, videos: Integers, strength: float, first_seed: int) -> Score:
        """The record of a cell.

        Args:
            prompts: [n] prompts of the population.
            videos: [R, n] videos of each.
            strength: of the loss.
            first_seed: of the runs.
        """
        metric, conditions = self._population.metric, _of_prompts(self._population.conditions, prompts)
        evidence = self._evidence(conditions, prompts, videos, strength)
        return metric.score(evidence, conditions, range(first_seed, first_seed + len(videos)))

    def _evidence(self, conditions: Conditions, prompts: Integers, videos: Integers, strength: float) -> Any:
        return self._population.metric.gather(self._batches(prompts, videos, strength), conditions)

    def _batches(self, prompts: Integers, videos: Integers, strength: float) -> Iterator[Batch]:
        for run, chosen in enumerate(videos):
            features = self._population.unchanged[chosen, prompts]
            if strength:
                features = _moved(features, self._population.worse[chosen, prompts], strength)
            yield Batch(run, np.arange(len(prompts)), features)


class _ScoredMean(_Scored):
    """As `_Scored`, with the values of all videos computed once a strength: they don't depend on one another."""

    def __init__(self, population: Population) -> None:
        super().__init__(population)
        self._columns = lru_cache(maxsize=2)(self._all)

    def _all(self, strength: float) -> dict[str, NDArray[np.float64]]:
        population = self._population
        return _columns(population, _moved(population.unchanged, population.worse, strength))

    def _evidence(self, conditions: Conditions, prompts: Integers, videos: Integers, strength: float) -> Any:
        runs, place = np.indices(videos.shape)
        found = {name: values[videos, prompts].ravel() for name, values in self._columns(strength).items()}
        return MeanEvidence(runs.ravel(), place.ravel(), found)


def _scored(population: Population) -> _Scored:
    return (_ScoredMean if isinstance(population.metric, MeanMetric) else _Scored)(population)


def _moved(features: Features, worse: Features, strength: float) -> Features:
    return features + np.float32(strength) * (worse - features)


def _columns(population: Population, features: Features) -> dict[str, NDArray[np.float64]]:
    prompts = np.arange(features.shape[1])
    evidence = population.metric.gather(
        (Batch(run, prompts, videos) for run, videos in enumerate(features)), population.conditions
    )
    return {name: values.reshape(features.shape[:2]) for name, values in evidence.columns.items()}


def _of_prompts(conditions: Conditions, prompts: Integers) -> Conditions:
    """The conditions of these prompts of them."""
    captions = tuple(conditions.captions[prompt] for prompt in prompts)
    texts = conditions.texts
    if texts is not None:
        texts = replace(texts, captions=captions, embeddings=texts.embeddings[prompts])
    return replace(conditions, num_prompts=len(prompts), captions=captions, texts=texts, floor=None)


def _results(scores: list[Score], prompts: int, runs: int, first_seed: int) -> Results:
    """A results file of one cell."""
    cell = Cell(
        id="cell", label="cell", settings={}, guidance_w=None, scale_g=None, costs=[], scores=scores, gallery=[]
    )
    names, seeds = [str(prompt) for prompt in range(prompts)], list(range(first_seed, first_seed + runs))
    return Results(
        created="",
        command="",
        suite=SuiteInfo(name="simulated", digest="", prompts=names, runs=runs, seeds=seeds),
        cascade=CascadeInfo(name="simulated", digest="", stages=[]),
        environments=[],
        cells=[cell],
        ground_truth=[],
    )
