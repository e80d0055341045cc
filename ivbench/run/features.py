"""Extract: videos to features, and the features of real clips and texts; each computed once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ivbench import registry
from ivbench.data.prompts import prompt_digest
from ivbench.errors import ConfigError, NonFiniteError
from ivbench.extractors import ImageTextExtractor
from ivbench.metrics import Batch
from ivbench.plan import ExtractTask, blocks
from ivbench.plan.real import CHUNK, features_id, real_id, reference_id
from ivbench.run.job import Entry, Job
from ivbench.run.real_clips import clips_of_prompts, reference_clips
from ivbench.run.sampling import Sampling, prompts_in_words
from ivbench.run.units import ModelKey, RunUnits, Unit

__all__ = ["FEATURES", "Features"]

FEATURES = "features"
"""Name of the array in an entry of features."""
_SERVES = {"frames": ("frames",), "clips": ("clips",), "image_text": ("image_text", "frames"), "motion": ("motion",)}

Floats = NDArray[np.float32]


class Features:
    """Features of a job's videos, of the reference set, of real clips of the prompts, and of texts.

    Args:
        job: the plan in execution.
        sampling: where videos come from.
    """

    def __init__(self, job: Job, sampling: Sampling) -> None:
        self._job, self._plan, self._sampling = job, job.plan, sampling
        self._tasks = {task.id: task for task in job.plan.extract}

    def models(self) -> list[ModelKey]:
        """The extractors that missing scores need, after what can be said of their metrics without them.

        Raises:
            ConfigError: a metric does not serve these prompts, or has too few videos.
        """
        configs = list(dict.fromkeys(task.metric for task in self._job.missing(self._plan.score)))
        for config in configs:
            metric = registry.load("metric", config.name)
            metric().require_prompts(self._plan.prompts)
            videos = len(self._plan.prompts) * self._plan.suite.videos_of_a_prompt
            if videos < metric.fewest_videos:
                raise ConfigError(
                    f"{config.name} needs {metric.fewest_videos} videos a cell or more, got {videos}. "
                    "Use more prompts or runs."
                )
        return [("extractor", name) for name in dict.fromkeys(config.extractor for config in configs)]

    def load(self, name: str) -> None:
        """Load an extractor, so that a wrong one is found before anything is sampled.

        Raises:
            ConfigError: it does not serve the metric that names it.
            IvbenchError: a file is missing, altered, holds NaN or does not fit.
        """
        extractor = self._job.models.extractor(name)
        for config in self._plan.suite.metrics:
            kind = registry.load("metric", config.name).kind
            if config.extractor == name and kind not in _SERVES[extractor.kind]:
                raise ConfigError(
                    f'{config.name} needs an extractor of the kind {kind}, "{name}" is of the kind {extractor.kind}. '
                    "Name another in the suite."
                )

    def run(self, run_units: RunUnits) -> None:
        """Extract what the store lacks; a cell whose features are not finite stops."""
        missing = [task for task in self._job.missing(self._plan.extract) if not self._job.stopped(task.cells)]
        failed = run_units("features", [self._unit(task) for task in missing])
        for task in missing:
            if task.id in failed:
                self._job.stop(task.cells, f"seed {task.seed}, {prompts_in_words(task.prompts)}: {failed[task.id]}")

    def make(self, task_id: str) -> None:
        """Make the entry of an extract task, unless the store has it.

        Raises:
            NonFiniteError: the features hold NaN or infinity.
        """
        self._features(self._tasks[task_id])

    def batches(self, task_ids: Iterable[str]) -> Iterator[Batch]:
        """The features of extract tasks as a metric takes them; run = place of the seed in the suite."""
        seeds = self._plan.suite.run_seeds
        for task in (self._tasks[task_id] for task_id in task_ids):
            entry = self._features(task)
            prompts = np.array(task.prompts, np.int64)[entry.about.get("rows", slice(None))]
            if len(prompts):
                yield Batch(seeds.index(task.seed), prompts, entry.arrays[FEATURES])

    def reference(self, extractor: str, count: int) -> Floats:
        """Features of the first `count` real clips of the reference distribution, the evaluation captions' pool.

        Returns:
            [count, T, D] or [count, D] float32.
        """
        parts = [self._reference(extractor, start) for start in range(0, count, CHUNK)]
        return np.concatenate(parts)[:count]

    def reference_units(self, extractor: str, count: int) -> list[Unit]:
        """What `reference` lacks, in parts; the key of a part is the extractor and its first clip."""
        starts = range(0, count, CHUNK)
        missing = (start for start in starts if not self._job.store.has(reference_id(self._plan, extractor, start)))
        return [Unit("reference", f"{extractor} {start}", ("extractor", extractor), amount=1) for start in missing]

    def make_reference(self, key: str) -> None:
        """Make one part of `reference`, unless the store has it; `key` is its unit's."""
        extractor, _, start = key.rpartition(" ")
        self._reference(extractor, int(start))

    def _reference(self, extractor: str, start: int) -> Floats:
        def make() -> Floats:
            clips = reference_clips(self._plan, range(start, start + CHUNK))
            return self._job.models.extractor(extractor).extract(clips)

        return self._kept(reference_id(self._plan, extractor, start), "reference", extractor, make)

    def real(self, extractor: str, seed: int, sample: int) -> Floats:
        """Features of one real clip of each prompt for one run and sample index."""

        def make() -> Floats:
            extract = self._job.models.extractor(extractor).extract
            parts = blocks(len(self._plan.prompts))
            return np.concatenate([extract(clips_of_prompts(self._plan, block, seed, sample)) for block in parts])

        return self._kept(real_id(self._plan, extractor, seed, sample), "real", extractor, make)

    def texts(self, extractor: str, texts: Sequence[str]) -> tuple[Floats, int]:
        """Embeddings [N, D] of texts by an image-text extractor, and how many of them it could not read to the end."""

        def make() -> Entry:
            found = self._job.models.extractor(extractor)
            if not isinstance(found, ImageTextExtractor):
                raise ConfigError(f'extractor "{extractor}" has no text side. Name an image-text extractor.')
            embeddings = _finite(found.embed_text(list(texts)))
            return Entry({FEATURES: embeddings}, {"truncated": int(found.truncated(list(texts)).sum())})

        entry = features_id(self._plan, "texts", extractor, texts=[prompt_digest(text) for text in texts])
        kept = self._job.kept(entry, "texts", make)
        return kept.arrays[FEATURES], int(kept.about["truncated"])

    def _unit(self, task: ExtractTask) -> Unit:
        run, extractor = self._plan.suite.run_seeds.index(task.seed), list(self._plan.extractors).index(task.extractor)
        place = (extractor, run, task.sample_index, task.block)
        model = ("extractor", task.extractor)
        return Unit("extract", task.id, model, cells=task.cells, place=place, amount=len(task.prompts))

    def _features(self, task: ExtractTask) -> Entry:
        """Features of the block's videos; `rows` says which there are, where some are missing."""

        def make() -> Entry:
            rows = self._sampling.rows(task.sample)
            about: dict[str, Any] = {"extractor": task.extractor, "videos": len(rows)}
            if len(rows) < len(task.prompts):
                about["rows"] = rows
            if not rows:
                return Entry({FEATURES: np.zeros((0, 1), np.float32)}, about)
            videos = self._sampling.final_video(task.sample)
            return Entry({FEATURES: _finite(self._job.models.extractor(task.extractor).extract(videos))}, about)

        return self._job.kept(task.id, task.kind, make)

    def _kept(self, entry: str, kind: str, extractor: str, make: Callable[[], Floats]) -> Floats:
        """Features of real clips; by extractor and number of clips `ivbench plan` knows how long others will take."""

        def made() -> Entry:
            features = _finite(make())
            return Entry({FEATURES: features}, {"extractor": extractor, "videos": len(features)})

        features: Floats = self._job.kept(entry, kind, made).arrays[FEATURES]
        return features


def _finite(features: Floats) -> Floats:
    if not np.isfinite(features).all():
        raise NonFiniteError("features hold NaN or infinity. Verify the extractor's weights with its card.")
    return features
