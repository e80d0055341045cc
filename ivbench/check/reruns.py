"""Results files drawn from many real videos of each prompt: re-runs without a change, and worse ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ivbench.errors import ConfigError
from ivbench.metrics import Batch, Conditions, MeanEvidence, MeanMetric, Metric
from ivbench.metrics.intervals import Integers
from ivbench.results.schema import CascadeInfo, Cell, Results, Score, SuiteInfo

__all__ = ["Population", "Reruns"]

Features = NDArray[np.floating]


@dataclass(frozen=True, eq=False)
class Population:
    """One metric's features of K videos of each of P prompts.

    Attributes:
        metric: what scores them.
        conditions: of all P prompts; a pair's are these of its own prompts.
        unchanged: [K, P, ...] of the cascade as it is.
        worse: [K, P, ...] of a worse one, from the same noise.
    """

    metric: Metric[Any]
    conditions: Conditions
    unchanged: Features
    worse: Features

    @property
    def label(self) -> str:
        """As tables show the metric."""
        return self.metric.label(self.conditions.source)


class Reruns:
    """Three results files at a time, as a suite and its re-runs with other seeds write them, scored as `score` does.

    The prompts are drawn with replacement. Of every prompt, other videos stand in each of the three. All metrics see
    the same videos.

    Args:
        populations: one a metric, of the same videos.
        prompts: of a file.
        runs: of a file; K must be three times as many.
        seed: of all draws; the same videos are drawn whatever the loss.

    Raises:
        ConfigError: no population, or too few videos of a prompt.
    """

    def __init__(self, populations: Sequence[Population], prompts: int, runs: int, seed: int = 0) -> None:
        videos = min((len(population.unchanged) for population in populations), default=0)
        if videos < 3 * runs:
            raise ConfigError(
                f"three files of {runs} runs need {3 * runs} videos of each prompt, got {videos}. Use more runs."
            )
        self.prompts, self.runs = prompts, runs
        self._seed = seed
        self._shape = populations[0].unchanged.shape[:2]
        self._sides = {population.label: _scored(population) for population in populations}

    @property
    def labels(self) -> tuple[str, ...]:
        """Of the metrics."""
        return tuple(self._sides)

    @property
    def means(self) -> tuple[str, ...]:
        """Labels of the metrics that are means over values of single videos."""
        return tuple(label for label, side in self._sides.items() if isinstance(side, _ScoredMean))

    def files(
        self,
        number: int,
        count: int = 3,
        loss: float = 0.0,
        labels: Sequence[str] | None = None,
        drawn: int | None = None,
    ) -> list[Results]:
        """The first files of three; without a loss no more than seeds differ.

        Args:
            number: which three.
            count: how many of them.
            loss: of the last one: how far the features of every video (of a mean, its value) lie on the way to those of
                the worse cascade's video of the same prompt and noise; from 0 to 1.
            labels: of the metrics to score; None: all.
            drawn: the number whose prompts they have; None: `number`.
        """
        videos, prompts = self._shape
        generator, of_prompts = (
            np.random.Generator(np.random.Philox(key=[self._seed, key]))
            for key in (number, number if drawn is None else drawn)
        )
        chosen = of_prompts.integers(0, prompts, self.prompts)
        generator.integers(0, prompts, self.prompts)  # the videos are drawn after the prompts
        order = generator.random((videos, self.prompts)).argsort(axis=0)
        wanted = self.labels if labels is None else labels
        found = []
        for place in range(count):
            first = place * self.runs
            own, far = order[first : first + self.runs], loss if place == count - 1 else 0.0
            scores = [self._sides[label].score(chosen, own, far, first) for label in wanted]
            found.append(_results(scores, self.prompts, self.runs, first))
        return found


class _Scored:
    """How one metric scores videos of a population."""

    def __init__(self, population: Population) -> None:
        self._population = population

    def score(self, prompts: Integers, videos: Integers, loss: float, first_seed: int) -> Score:
        """The record of a cell.

        Args:
            prompts: [n] prompts of the population.
            videos: [R, n] videos of each.
            loss: from 0 to 1.
            first_seed: of the runs.
        """
        metric, conditions = self._population.metric, _of_prompts(self._population.conditions, prompts)
        evidence = self._evidence(conditions, prompts, videos, loss)
        return metric.score(evidence, conditions, range(first_seed, first_seed + len(videos)))

    def _evidence(self, conditions: Conditions, prompts: Integers, videos: Integers, loss: float) -> Any:
        return self._population.metric.gather(self._batches(prompts, videos, loss), conditions)

    def _batches(self, prompts: Integers, videos: Integers, loss: float) -> Iterator[Batch]:
        for run, chosen in enumerate(videos):
            pair = (self._population.unchanged[chosen, prompts], self._population.worse[chosen, prompts])
            yield Batch(run, np.arange(len(prompts)), _between(*pair, loss))


class _ScoredMean(_Scored):
    """As `_Scored`, with the values of all videos computed once: they don't depend on the others."""

    def __init__(self, population: Population) -> None:
        super().__init__(population)
        self._columns = [_columns(population, features) for features in (population.unchanged, population.worse)]

    def _evidence(self, conditions: Conditions, prompts: Integers, videos: Integers, loss: float) -> Any:
        unchanged, worse = self._columns
        runs, place = np.indices(videos.shape)
        found = {
            name: np.float64(_between(values[videos, prompts], worse[name][videos, prompts], loss)).ravel()
            for name, values in unchanged.items()
        }
        return MeanEvidence(runs.ravel(), place.ravel(), found)


def _between(unchanged: Features, worse: Features, loss: float) -> Features:
    return unchanged if loss == 0.0 else np.asarray(unchanged + loss * (worse - unchanged))


def _scored(population: Population) -> _Scored:
    return (_ScoredMean if isinstance(population.metric, MeanMetric) else _Scored)(population)


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
        created="1970-01-01T00:00:00+00:00",
        command="",
        suite=SuiteInfo(name="simulated", digest="", prompts=names, runs=runs, seeds=seeds),
        cascade=CascadeInfo(name="simulated", digest="", stages=[]),
        environments=[],
        cells=[cell],
        ground_truth=[],
    )
