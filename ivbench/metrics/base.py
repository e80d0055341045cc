"""What every metric is to a runner: features in batches -> evidence -> score, and paired differences of evidence.

metric = registry.load("metric", "frame_fid")()
evidence = metric.gather(batches, conditions)      # streams; small; storable as arrays
score = metric.score(evidence, conditions, seeds)  # a record of results.json
difference("a", score, "b", other_score)           # of ivbench.metrics.differences: records alone
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Generic, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from ivbench.config import Profile
from ivbench.errors import ConfigError, ShapeError
from ivbench.metrics.floors import NullFloor
from ivbench.metrics.intervals import FEWEST_PROMPTS, Integers, standard_error
from ivbench.metrics.protocol import Protocol, Scalar
from ivbench.metrics.statistics import Array, GaussianStatistics, finite_features
from ivbench.metrics.texts import Texts
from ivbench.results.schema import Counts, Interval, RunScore, Score

__all__ = [
    "NO_PROMPTS",
    "Batch",
    "Conditions",
    "Evidence",
    "ExtractorKind",
    "FeatureSource",
    "Metric",
    "Reference",
    "few_prompts",
    "missing",
    "or_none",
    "require_runs",
    "run_scores",
]

ExtractorKind = Literal["frames", "clips", "image_text", "motion"]


@dataclass(frozen=True, eq=False)
class Batch:
    """Features of some videos of one run.

    Attributes:
        run: which run, from 0.
        prompts: [B] int: the suite's index of each video's prompt.
        features: [B, T, D] float (frames, image_text) or [B, D] float (clips).
    """

    run: int
    prompts: Integers
    features: NDArray[np.floating]


@dataclass(frozen=True)
class FeatureSource:
    """The extractor behind the features.

    Attributes:
        name: of the extractor.
        digest: sha256 of its weights.
        preprocess: resize and scaling, in words.
        published: True for an extractor that defines FID, FVD or CLIP score in the literature. A probe is not one:
            its name is part of every label.
    """

    name: str
    digest: str
    preprocess: str
    published: bool = False


@dataclass(frozen=True, eq=False)
class Reference:
    """The real clips that a metric compares with.

    Attributes:
        statistics: of their features, as the metric's `reference` makes them.
        digest: of the reference set.
        count: clips; None where a file of statistics does not say.
        rows: [N, D] float, the features themselves; for metrics that need more than statistics.
    """

    statistics: GaussianStatistics
    digest: str
    count: int | None
    rows: NDArray[np.floating] | None = None


NO_PROMPTS = "none"
"""The prompts of videos without captions."""


@dataclass(frozen=True, eq=False)
class Conditions:
    """All but the features that decides a number.

    Attributes:
        source: the extractor.
        profile: the preset of choices.
        frames, fps, height, width: of the scored videos; None where they differ, or are not known.
        prompts: digest of the prompt set, or `NO_PROMPTS`: then every video is its own unit, 0, 1, 2, ...
        num_prompts: prompts of the suite; indices lie in [0, num_prompts).
        clip: which frames of a longer video are scored.
        reference: needed by metrics that compare with real clips.
        floor: of the same metric, stands beside its numbers.
        texts: needed by metrics of the kind `image_text`.
        captions: the prompts in suite order; needed by metrics that read them.
    """

    source: FeatureSource
    profile: Profile
    frames: int | None
    fps: float | None
    height: int | None
    width: int | None
    prompts: str
    num_prompts: int
    clip: str = "whole video"
    reference: Reference | None = None
    floor: NullFloor | None = None
    texts: Texts | None = None
    captions: tuple[str, ...] = ()


class Evidence(ABC):
    """What a score and its paired differences are made of; small, and storable as arrays."""

    @property
    @abstractmethod
    def videos(self) -> Integers:
        """[R] videos used in each run."""

    @abstractmethod
    def to_arrays(self) -> dict[str, NDArray[np.generic]]:
        """As arrays to be stored."""


E = TypeVar("E", bound=Evidence)


class Metric(ABC, Generic[E]):
    """Base of every metric: stateless, one file each.

    Attributes:
        name: registry name.
        title: as readers know it.
        kind: of extractor that makes its features.
        higher_is_better: the direction of quality.
        unit: shown behind the value.
        compares: it needs real clips to compare with.
        has_floor: its null floor and its ground truth are drawn from more of them.
        captioned: it needs captions.
        fewest_videos: of a cell, below which there is no value.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    kind: ClassVar[ExtractorKind]
    higher_is_better: ClassVar[bool]
    unit: ClassVar[str] = ""
    compares: ClassVar[bool] = False
    has_floor: ClassVar[bool] = False
    captioned: ClassVar[bool] = False
    fewest_videos: ClassVar[int] = 1

    def rows(self, features: NDArray[np.floating]) -> NDArray[np.floating]:
        """What is compared: features of N videos -> [N * m, D], the m rows of a video together; here every frame."""
        return features.reshape(-1, features.shape[-1])

    def prepare(self, blocks: Iterable[NDArray[np.floating]], digest: str, count: int) -> Reference:
        """Real clips as this metric compares with them: their rows.

        Args:
            blocks: [B, T, D] or [B, D] features of real clips.
            digest: of the reference set.
            count: clips.

        Raises:
            NonFiniteError: NaN or infinity.
        """
        rows = finite_features(np.concatenate([self.rows(block) for block in blocks]))
        return Reference(GaussianStatistics.empty(rows.shape[1]), digest, count, rows)

    @abstractmethod
    def gather(self, batches: Iterable[Batch], conditions: Conditions) -> E:
        """Stream one cell's features into evidence.

        Raises:
            ShapeError: features or prompt indices do not fit.
            NonFiniteError: NaN or infinity in a feature.
            ConfigError: the conditions lack what this metric needs.
        """

    def require_prompts(self, prompts: Sequence[str]) -> None:
        """Refuse prompts that this metric can't score, before anything is sampled; most score any.

        Raises:
            ConfigError: says which prompt, and why.
        """

    @abstractmethod
    def restore(self, arrays: Mapping[str, NDArray[np.generic]]) -> E:
        """Evidence from what its `to_arrays` wrote."""

    @abstractmethod
    def score(
        self,
        evidence: E,
        conditions: Conditions,
        seeds: Sequence[int],
        failed: int = 0,
        context: Mapping[str, float] | None = None,
    ) -> Score:
        """The record of one cell.

        Args:
            evidence: as gathered under these conditions.
            conditions: decide the protocol.
            seeds: [R] seed of each run.
            failed: videos that were asked for and could not be made.
            context: further values to stand beside, such as `ground_truth`.
        """

    @abstractmethod
    def _own_fields(self, conditions: Conditions) -> dict[str, Scalar]:
        """The deciding fields that this metric has beyond those of all metrics."""

    def label(self, source: FeatureSource) -> str:
        """The title, with the extractor's name where it is a probe: never FID, FVD or CLIP score alone."""
        return self.title if source.published else f"{self.title} [{source.name}]"

    def protocol(self, conditions: Conditions, generated: int) -> Protocol:
        """Everything that decides this metric's number.

        Args:
            conditions: of the score.
            generated: videos used, all runs together.
        """
        fields: dict[str, Scalar] = {
            "extractor": conditions.source.name,
            "weights": conditions.source.digest,
            "preprocess": conditions.source.preprocess,
            "frames": conditions.frames,
            "fps": None if conditions.fps is None else float(conditions.fps),
            "height": conditions.height,
            "width": conditions.width,
            "clip": conditions.clip,
            "prompts": conditions.prompts,
            "generated": generated,
            **(self._reference_fields(conditions) if self.compares else {}),
            **self._own_fields(conditions),
        }
        chosen = conditions.profile
        return Protocol(self.name, f"{chosen.name}@{chosen.version}", fields)

    def _record(
        self,
        conditions: Conditions,
        value: float,
        runs: Sequence[RunScore],
        interval: Interval | None,
        counts: Counts,
        context: Mapping[str, float],
        decisive: bool,
        notes: Sequence[str] = (),
    ) -> Score:
        protocol = self.protocol(conditions, counts.used)
        values = [run.value for run in runs]
        return Score(
            metric=self.name,
            label=self.label(conditions.source),
            protocol=protocol.id,
            fields=dict(protocol.fields),
            value=value,
            runs=list(runs),
            mean=float(np.mean(values)) if values else value,
            stderr=standard_error(values),
            interval=interval,
            higher_is_better=self.higher_is_better,
            unit=self.unit,
            counts=counts,
            context=dict(context),
            decisive=decisive,
            notes=list(notes),
        )

    def _reference_fields(self, conditions: Conditions) -> dict[str, Scalar]:
        reference = self._reference(conditions)
        return {"reference": reference.digest, "reference_count": reference.count}

    def _reference(self, conditions: Conditions) -> Reference:
        if conditions.reference is None:
            raise missing(self.name, "a reference set")
        return conditions.reference

    def _reference_rows(self, conditions: Conditions) -> Array:
        rows = self._reference(conditions).rows
        if rows is None:
            raise ConfigError(f"{self.name} needs the reference's features themselves. Score two folders with it.")
        return finite_features(rows)

    def _checked(self, batch: Batch, conditions: Conditions) -> Batch:
        axes = 2 if self.kind in ("clips", "motion") else 3
        if batch.features.ndim != axes or len(batch.features) != len(batch.prompts):
            raise ShapeError(
                f"{self.name} expects {'[B, D]' if axes == 2 else '[B, T, D]'} features and one prompt a video, got "
                f"features {batch.features.shape} and {len(batch.prompts)} prompts."
            )
        if len(batch.prompts) and not 0 <= batch.prompts.min() <= batch.prompts.max() < conditions.num_prompts:
            raise ShapeError(
                f"{self.name}: prompt indices run from {batch.prompts.min()} to {batch.prompts.max()}; "
                f"0 to {conditions.num_prompts - 1} are allowed."
            )
        return batch


def require_runs(seeds: Sequence[int], videos: Integers) -> None:
    """Check that there is a seed for every run.

    Raises:
        ShapeError: another number of seeds than of runs.
    """
    if len(seeds) != len(videos):
        raise ShapeError(f"got {len(seeds)} seeds for {len(videos)} runs. Give one seed a run.")


def run_scores(seeds: Sequence[int], values: Array) -> list[RunScore]:
    """One record a run, without the runs that have no value (NaN)."""
    pairs = zip(seeds, values.tolist(), strict=True)
    return [RunScore(seed=seed, value=value) for seed, value in pairs if np.isfinite(value)]


def few_prompts(count: int, prompts: str = "") -> list[str]:
    """A note where too few prompts stand behind an interval for it to decide anything; else none.

    Args:
        count: of prompts, or of videos where there are none.
        prompts: their digest, or `NO_PROMPTS`.
    """
    if count >= FEWEST_PROMPTS:
        return []
    what = "videos" if prompts == NO_PROMPTS else "prompts"
    return [f"{count} {what}: at least {FEWEST_PROMPTS} are needed to decide anything"]


def or_none(values: Array) -> list[float | None]:
    """Values as a record holds them: None for NaN."""
    return [value if np.isfinite(value) else None for value in values.tolist()]


def missing(metric: str, what: str) -> ConfigError:
    """The error of a metric that was not given what it needs."""
    return ConfigError(f"{metric} needs {what}, got none. Set it in the conditions of the score.")
