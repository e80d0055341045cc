"""Encode and sample: the tasks of a plan that the store lacks, each computed once."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ivbench.backends.memory import in_batches
from ivbench.cascade import StageSettings, sample_stage
from ivbench.data.prompts import prompt_digest
from ivbench.data.shapes.render import to_uint8
from ivbench.diffusion.noise import NoiseKey
from ivbench.errors import NonFiniteError, StoreError
from ivbench.plan import EncodeTask, Plan, SampleTask
from ivbench.plan.cost import sampling_flops
from ivbench.plan.resolve import guidance_of, sampler_of, thresholding_of
from ivbench.results.store import Store
from ivbench.run.models import Models
from ivbench.run.progress import Reporter
from ivbench.text import TextEmbeddings

__all__ = ["VIDEO", "Sampling", "stage_settings"]

VIDEO = "video"
"""Name of the array in a sample task's entry: uint8 [B, T, H, W, C] from the last stage, else float16 in [-1, 1]."""

Arrays = dict[str, NDArray[Any]]


def stage_settings(task: SampleTask) -> StageSettings:
    """A task's settings, ready for the sampling loop."""
    sampling = task.sampling
    return StageSettings(
        sampler=sampler_of(sampling),
        num_steps=sampling.num_steps,
        guidance=guidance_of(sampling, task.stage),
        thresholding=thresholding_of(sampling),
        augmentation_snr=sampling.augmentation_snr or None,
    )


class Sampling:
    """Makes the videos of a plan.

    Args:
        plan: what to make.
        store: where results go and come from.
        models: the cascade.
        reporter: told of progress, in FLOPs.

    Attributes:
        problems: cell id -> why it has no videos: non-finite samples stop their cells, not the others.
        computed: ids of the tasks that were computed here.
    """

    def __init__(self, plan: Plan, store: Store, models: Models, reporter: Reporter) -> None:
        self._plan, self._store, self._models, self._reporter = plan, store, models, reporter
        self._encode = {task.id: task for task in plan.encode}
        self._tasks = {task.id: task for task in plan.sample}
        self.problems: dict[str, str] = {}
        self.computed: list[str] = []

    def run(self) -> None:
        """Make every final video that the store lacks; what lies before it only where it is needed."""
        finals = [task for task in self._plan.sample if task.last and not self._store.has(task.id)]
        if not finals:
            return
        needed = self._needed(finals)
        spec = self._plan.source.spec
        self._phase = self._reporter.phase("sampling", sampling_flops(spec, needed))
        for task in finals:
            try:
                self._make(task)
            except NonFiniteError as error:
                for cell in task.cells:
                    self.problems.setdefault(cell, str(error))

    def video(self, task_id: str) -> NDArray[Any]:
        """The videos of a task, from the store or computed.

        Returns:
            [B, T, H, W, C]: uint8 from the last stage, else float16.
        """
        found = self._store.get(task_id)
        return (found if found is not None else self._make(self._tasks[task_id]))[VIDEO]

    def _needed(self, finals: list[SampleTask]) -> list[SampleTask]:
        """The missing tasks among the finals and what they stand on."""
        found: dict[str, SampleTask] = {}
        pending = list(finals)
        while pending:
            task = pending.pop()
            if task.id in found:
                continue
            found[task.id] = task
            if task.input is not None and not self._store.has(task.input):
                pending.append(self._tasks[task.input])
        return list(found.values())

    def _make(self, task: SampleTask) -> Arrays:
        with self._store.lock(task.id):
            found = self._store.get(task.id)
            if found is not None:
                return found
            low = None if task.input is None else self.video(task.input).astype(np.float32)
            text = self._embeddings(self._encode[task.encode])
            started = time.perf_counter()
            video = self._sample(task, text, low)
            arrays: Arrays = {VIDEO: to_uint8(video) if task.last else video.astype(np.float16)}
            about = {"kind": task.kind, "stage": task.stage, "seconds": time.perf_counter() - started}
            self._store.put(task.id, arrays, about)
            self.computed.append(task.id)
            self._phase.advance(sampling_flops(self._plan.source.spec, [task]))
            return arrays

    def _sample(self, task: SampleTask, text: TextEmbeddings, low: NDArray[np.float32] | None) -> NDArray[np.float32]:
        model = self._models.cascade.stage_model(task.stage)
        settings = stage_settings(task)
        keys = [
            NoiseKey(task.seed, prompt_digest(self._plan.prompts[index]), task.sample_index) for index in task.prompts
        ]

        def run(rows: slice) -> NDArray[np.float32]:
            part = TextEmbeddings(text.tokens[rows], text.mask[rows], text.pooled[rows], 0)
            return sample_stage(model, settings, part, keys[rows], None if low is None else low[rows])

        return np.concatenate(in_batches(len(keys), run, model.out_of_memory))

    def _embeddings(self, task: EncodeTask) -> TextEmbeddings:
        found = self._store.get(task.id)
        if found is None:
            encoded = self._models.cascade.text_encoder().encode([self._plan.prompts[index] for index in task.prompts])
            found = {"tokens": encoded.tokens, "mask": encoded.mask, "pooled": encoded.pooled}
            found["truncated"] = np.array(encoded.truncated, np.int64)
            self._store.put(task.id, found, {"kind": task.kind})
            self.computed.append(task.id)
        return _embeddings(found)


def _embeddings(arrays: Mapping[str, NDArray[Any]]) -> TextEmbeddings:
    try:
        return TextEmbeddings(
            arrays["tokens"], arrays["mask"].astype(bool), arrays["pooled"], int(arrays["truncated"])
        )
    except KeyError as error:
        raise StoreError(f"a text embedding in the store lacks {error}. Delete the store and run again.") from error
