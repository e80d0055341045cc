"""Extract: videos to features, and the features of real clips; each computed once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ivbench.config import digest
from ivbench.data.prompts import prompt_digest
from ivbench.data.shapes import Attributes, combinations, draw_scene, render, to_uint8
from ivbench.data.shapes.captions import caption
from ivbench.errors import ConfigError, NonFiniteError
from ivbench.extractors import ImageTextExtractor
from ivbench.metrics import Batch
from ivbench.plan import ExtractTask, Plan
from ivbench.results.store import Store
from ivbench.run.models import Models
from ivbench.run.progress import Reporter
from ivbench.run.sampling import Sampling

__all__ = ["FEATURES", "Features", "real_clips_of_prompts"]

FEATURES = "features"
_FORMAT = 1
_CHUNK = 64

Floats = NDArray[np.float32]


class Features:
    """Features of a plan's videos, of the reference set, of real clips of the prompts, and of texts.

    Args:
        plan: which videos and extractors.
        store: where results go and come from.
        models: the extractors.
        sampling: where videos come from.
        reporter: told of progress, in videos.
    """

    def __init__(self, plan: Plan, store: Store, models: Models, sampling: Sampling, reporter: Reporter) -> None:
        self._plan, self._store, self._models, self._sampling, self._reporter = plan, store, models, sampling, reporter
        self._tasks = {task.id: task for task in plan.extract}

    def run(self) -> None:
        """Extract what the store lacks; a cell whose samples or features are not finite is left out."""
        missing = [task for task in self._plan.extract if not self._store.has(task.id)]
        missing = [task for task in missing if not set(task.cells) <= self._sampling.problems.keys()]
        if not missing:
            return
        phase = self._reporter.phase("features", sum(len(task.prompts) for task in missing))
        for task in missing:
            try:
                self._make(task)
            except NonFiniteError as error:
                for cell in task.cells:
                    self._sampling.problems.setdefault(cell, str(error))
            phase.advance(len(task.prompts))

    def batches(self, task_ids: Iterable[str]) -> Iterable[Batch]:
        """The features of extract tasks as a metric takes them; run = place of the seed in the suite."""
        seeds = self._plan.suite.run_seeds
        for task_id in task_ids:
            task = self._tasks[task_id]
            found = self._store.get(task_id)
            features = found[FEATURES] if found is not None else self._make(task)
            yield Batch(seeds.index(task.seed), np.array(task.prompts, np.int64), features)

    def reference(self, extractor: str, count: int) -> Floats:
        """Features of the first `count` real clips of the reference distribution, the evaluation captions' pool.

        Returns:
            [count, T, D] or [count, D] float32.
        """
        stage, source = self._plan.source.spec.stages[-1], self._plan.suite.reference
        payload = {
            "kind": "reference",
            "format": _FORMAT,
            "extractor": self._plan.extractors[extractor],
            "execution": self._plan.execution.model_dump(mode="json"),
            "source": source.source,
            "seed": source.seed,
            "count": count,
            "shape": list(stage.shape),
            "fps": stage.fps,
        }

        def make() -> Floats:
            if source.source != "shapes":
                raise ConfigError(f'reference.source is "{source.source}". Allowed: shapes.')
            phase = self._reporter.phase("reference", count)
            parts = []
            for start in range(0, count, _CHUNK):
                clips = self._reference_clips(range(start, min(start + _CHUNK, count)))
                parts.append(self._models.extractor(extractor).extract(clips))
                phase.advance(len(clips))
            return np.concatenate(parts)

        return self._stored(digest(payload), make, "reference")

    def reference_digest(self) -> str:
        """Digest of what decides the reference set."""
        stage, source = self._plan.source.spec.stages[-1], self._plan.suite.reference
        return digest({"source": source.model_dump(mode="json"), "shape": list(stage.shape), "fps": stage.fps})

    def real(self, extractor: str, seed: int, sample: int) -> Floats | None:
        """Features of one real clip of each prompt for one run and sample index; None where a prompt is no caption of the domain."""
        clips = real_clips_of_prompts(self._plan, seed, sample)
        if clips is None:
            return None
        stage = self._plan.source.spec.stages[-1]
        payload = {
            "kind": "real",
            "format": _FORMAT,
            "extractor": self._plan.extractors[extractor],
            "execution": self._plan.execution.model_dump(mode="json"),
            "seed": [seed, sample],
            "prompts": [prompt_digest(prompt) for prompt in self._plan.prompts],
            "shape": list(stage.shape),
            "fps": stage.fps,
        }
        return self._stored(digest(payload), lambda: self._models.extractor(extractor).extract(clips), "real")

    def texts(self, extractor: str, texts: Sequence[str]) -> Floats:
        """Embeddings [N, D] of texts by an image-text extractor."""
        payload = {
            "kind": "texts",
            "format": _FORMAT,
            "extractor": self._plan.extractors[extractor],
            "execution": self._plan.execution.model_dump(mode="json"),
            "texts": [prompt_digest(text) for text in texts],
        }

        def make() -> Floats:
            found = self._models.extractor(extractor)
            if not isinstance(found, ImageTextExtractor):
                raise ConfigError(f'extractor "{extractor}" has no text side. Name an image-text extractor.')
            return found.embed_text(list(texts))

        return self._stored(digest(payload), make, "texts")

    def _make(self, task: ExtractTask) -> Floats:
        videos = self._sampling.video(task.sample)
        features = self._models.extractor(task.extractor).extract(videos)
        if not np.isfinite(features).all():
            raise NonFiniteError(f"{task.extractor} made NaN or infinity of the videos of seed {task.seed}.")
        self._store.put(task.id, {FEATURES: features}, {"kind": task.kind, "extractor": task.extractor})
        self._sampling.computed.append(task.id)
        return features

    def _stored(self, entry: str, make: Any, kind: str) -> Floats:
        found = self._store.get(entry)
        if found is not None:
            return found[FEATURES]
        features: Floats = make()
        self._store.put(entry, {FEATURES: features}, {"kind": kind})
        self._sampling.computed.append(entry)
        return features

    def _reference_clips(self, indices: range) -> NDArray[np.uint8]:
        stage, pool = self._plan.source.spec.stages[-1], combinations("pool")
        scenes = []
        for index in indices:
            generator = np.random.Generator(np.random.Philox(key=[self._plan.suite.reference.seed, index]))
            scenes.append(draw_scene(pool[generator.integers(len(pool))], generator))
        return to_uint8(render(scenes, stage.frames, stage.fps, stage.height, stage.width))


def real_clips_of_prompts(plan: Plan, seed: int, sample: int = 0) -> NDArray[np.uint8] | None:
    """One real clip of each prompt: the ground truth of a run.

    Args:
        plan: prompts, and size and rate of the final videos.
        seed: of the run.
        sample: which sample of each prompt.

    Returns:
        [P, T, H, W, C] uint8; None where a prompt is no caption of the shapes domain.
    """
    rows = [_attributes().get(prompt) for prompt in plan.prompts]
    known = [row for row in rows if row is not None]
    if len(known) < len(rows):
        return None
    stage = plan.source.spec.stages[-1]
    scenes = [
        draw_scene(row, np.random.Generator(np.random.Philox(key=_key(seed, sample, prompt))))
        for row, prompt in zip(known, plan.prompts, strict=True)
    ]
    return to_uint8(render(scenes, stage.frames, stage.fps, stage.height, stage.width))


def _key(seed: int, sample: int, prompt: str) -> int:
    return int.from_bytes(hashlib.sha256(f"real|{seed}|{sample}|{prompt}".encode()).digest()[:16], "little")


def _attributes() -> dict[str, Attributes]:
    """Canonical caption -> attributes."""
    return {caption(row): row for row in combinations("all")}
