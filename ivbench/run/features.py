"""Extract: videos to features, and the features of real clips and texts; each computed once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ivbench import registry
from ivbench.config import digest
from ivbench.data.prompts import prompt_digest
from ivbench.errors import ConfigError, NonFiniteError
from ivbench.extractors import ImageTextExtractor
from ivbench.metrics import Batch, FrechetMetric
from ivbench.plan import ExtractTask, blocks
from ivbench.run.job import Entry, Job
from ivbench.run.real_clips import clips_of_prompts, reference_clips
from ivbench.run.sampling import Sampling, prompts_in_words

__all__ = ["CHUNK", "FEATURES", "Features"]

FEATURES = "features"
"""Name of the array in an entry of features."""
CHUNK = 64
"""Reference clips an entry: a larger reference keeps the entries of a smaller one."""
_FORMAT = 2
_SERVES = {"frames": ("frames",), "clips": ("clips",), "image_text": ("image_text", "frames")}

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

    def load(self) -> None:
        """Load the extractors that missing scores need, so that a wrong one is found before anything is sampled.

        Raises:
            ConfigError: an extractor does not serve the metric that names it, or the metric not these prompts.
            IvbenchError: a file is missing, altered, holds NaN or does not fit.
        """
        for config in dict.fromkeys(task.metric for task in self._job.missing(self._plan.score)):
            metric = registry.load("metric", config.name)
            metric().require_prompts(self._plan.prompts)
            if issubclass(metric, FrechetMetric) and len(self._plan.prompts) * self._plan.suite.videos_of_a_prompt < 2:
                raise ConfigError(f"{config.name} needs 2 videos a cell or more, got 1. Use more prompts or runs.")
            extractor = self._job.models.extractor(config.extractor)
            if metric.kind not in _SERVES[extractor.kind]:
                raise ConfigError(
                    f'{config.name} needs an extractor of the kind {metric.kind}, "{config.extractor}" is of the kind '
                    f"{extractor.kind}. Name another in the suite."
                )

    def run(self) -> None:
        """Extract what the store lacks; a cell whose features are not finite stops."""
        missing = [task for task in self._job.missing(self._plan.extract) if not self._job.stopped(task.cells)]
        if not missing:
            return
        phase = self._job.reporter.phase("features", sum(len(task.prompts) for task in missing))
        for task in missing:
            try:
                self._features(task)
            except NonFiniteError as error:
                self._job.stop(task.cells, f"seed {task.seed}, {prompts_in_words(task.prompts)}: {error}")
            phase.advance(len(task.prompts))

    def batches(self, task_ids: Iterable[str]) -> Iterator[Batch]:
        """The features of extract tasks as a metric takes them; run = place of the seed in the suite."""
        seeds = self._plan.suite.run_seeds
        for task in (self._tasks[task_id] for task_id in task_ids):
            yield Batch(seeds.index(task.seed), np.array(task.prompts, np.int64), self._features(task))

    def reference(self, extractor: str, count: int) -> Floats:
        """Features of the first `count` real clips of the reference distribution, the evaluation captions' pool.

        Returns:
            [count, T, D] or [count, D] float32.
        """
        chunks = [range(start, start + CHUNK) for start in range(0, count, CHUNK)]
        seed = self._plan.suite.reference.seed
        ids = [self._id("reference", extractor, seed=seed, clips=[chunk.start, chunk.stop]) for chunk in chunks]
        missing = sum(not self._job.store.has(entry) for entry in ids)
        phase = self._job.reporter.phase("reference", missing) if missing else None

        def make(chunk: range) -> Floats:
            features = self._job.models.extractor(extractor).extract(reference_clips(self._plan, chunk))
            if phase is not None:
                phase.advance(1)
            return features

        parts = [self._kept(entry, "reference", partial(make, chunk)) for entry, chunk in zip(ids, chunks, strict=True)]
        return np.concatenate(parts)[:count]

    def real(self, extractor: str, seed: int, sample: int) -> Floats:
        """Features of one real clip of each prompt for one run and sample index."""
        prompts = [prompt_digest(prompt) for prompt in self._plan.prompts]
        entry = self._id("real", extractor, seed=seed, sample=sample, prompts=prompts)

        def make() -> Floats:
            extract = self._job.models.extractor(extractor).extract
            return np.concatenate(
                [extract(clips_of_prompts(self._plan, block, seed, sample)) for block in blocks(len(prompts))]
            )

        return self._kept(entry, "real", make)

    def texts(self, extractor: str, texts: Sequence[str]) -> tuple[Floats, int]:
        """Embeddings [N, D] of texts by an image-text extractor, and how many of them it could not read to the end."""

        def make() -> Entry:
            found = self._job.models.extractor(extractor)
            if not isinstance(found, ImageTextExtractor):
                raise ConfigError(f'extractor "{extractor}" has no text side. Name an image-text extractor.')
            embeddings = _finite(found.embed_text(list(texts)))
            return Entry({FEATURES: embeddings}, {"truncated": int(found.truncated(list(texts)).sum())})

        entry = self._id("texts", extractor, texts=[prompt_digest(text) for text in texts])
        kept = self._job.kept(entry, "texts", make)
        return kept.arrays[FEATURES], int(kept.about["truncated"])

    def _features(self, task: ExtractTask) -> Floats:
        def make() -> Entry:
            videos = self._sampling.final_video(task.sample)
            features = _finite(self._job.models.extractor(task.extractor).extract(videos))
            return Entry({FEATURES: features}, {"extractor": task.extractor, "videos": len(videos)})

        return self._job.kept(task.id, task.kind, make).arrays[FEATURES]

    def _kept(self, entry: str, kind: str, make: Callable[[], Floats]) -> Floats:
        features: Floats = self._job.kept(entry, kind, lambda: Entry({FEATURES: _finite(make())})).arrays[FEATURES]
        return features

    def _id(self, kind: str, extractor: str, **deciding: Any) -> str:
        stage = self._plan.stages[-1]
        return digest(
            {
                "kind": kind,
                "format": _FORMAT,
                "extractor": [extractor, self._plan.extractors[extractor]],
                "execution": self._plan.execution.model_dump(mode="json"),
                "video": {} if kind == "texts" else {"shape": list(stage.shape), "fps": stage.fps},
                **deciding,
            }
        )


def _finite(features: Floats) -> Floats:
    if not np.isfinite(features).all():
        raise NonFiniteError("features hold NaN or infinity. Verify the extractor's weights with its card.")
    return features
