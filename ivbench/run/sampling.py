"""Encode and sample: the tasks of a plan that the store lacks, each computed once."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ivbench.backends.memory import in_batches
from ivbench.cascade import StageSettings, sample_stage
from ivbench.config import GeneratorSampling, StageSampling
from ivbench.data.prompts import prompt_digest
from ivbench.data.shapes.render import to_uint8
from ivbench.diffusion.noise import NoiseKey
from ivbench.errors import NonFiniteError
from ivbench.plan import EncodeTask, InputTask, SampleTask
from ivbench.plan.estimate import amount_of
from ivbench.plan.parts import origin
from ivbench.plan.resolve import guidance_of, sampler_of, thresholding_of
from ivbench.run.failures import stop_empty_cells
from ivbench.run.generating import Generating
from ivbench.run.given_clips import given_clips
from ivbench.run.job import Entry, Job
from ivbench.run.units import ModelKey, RunUnits, Unit
from ivbench.text import TextEmbeddings

__all__ = ["VIDEO", "Sampling", "prompts_in_words", "settings_of", "stage_settings"]

VIDEO = "video"
"""Name of the array in a sample task's entry: uint8 [B, T, H, W, C] from the last stage, else float16 in [-1, 1]."""


def stage_settings(task: SampleTask) -> StageSettings:
    """The settings of a cascade's task, ready for the sampling loop."""
    assert isinstance(task.sampling, StageSampling)
    return settings_of(task.sampling, task.stage)


def settings_of(sampling: StageSampling, stage: str) -> StageSettings:
    """The resolved settings of a stage, ready for the sampling loop."""
    return StageSettings(
        sampler=sampler_of(sampling),
        num_steps=sampling.num_steps,
        guidance=guidance_of(sampling, stage),
        thresholding=thresholding_of(sampling),
        augmentation_snr=sampling.augmentation_snr,
    )


def prompts_in_words(prompts: tuple[int, ...]) -> str:
    """The prompts of a block as messages count them, from 1: "prompts 17 to 32"."""
    first, last = prompts[0] + 1, prompts[-1] + 1
    return f"prompt {first}" if first == last else f"prompts {first} to {last}"


class Sampling:
    """Makes the videos of a job's plan.

    Attributes:
        batch: at most so many videos in one batch; None: a whole block.
    """

    def __init__(self, job: Job) -> None:
        self._job, self._plan = job, job.plan
        self._encode = {task.id: task for task in job.plan.encode}
        self._tasks = {task.id: task for task in job.plan.sample}
        self._inputs = {task.id: task for task in job.plan.input}
        self._generating = Generating(job)
        self._failed: dict[str, str] = {}
        self.batch: int | None = None

    def models(self) -> list[ModelKey]:
        """The networks that missing videos need."""
        units = self._units()
        return list(dict.fromkeys(unit.model for unit in units if unit.model))

    def run(self, run_units: RunUnits) -> None:
        """Make every final video that the store lacks; what lies before it only where it is needed.

        A cell whose samples are not finite stops, and its other videos are not made.
        """
        failed = run_units("sampling", self._units())
        for task in self._finals():
            if task.id in failed:
                self._job.stop(task.cells, failed[task.id])
        stop_empty_cells(self._job)

    def make(self, task_id: str) -> None:
        """Make the entry of an encode, input or sample task, unless the store has it; raises as `video`."""
        if task_id in self._encode:
            self._embeddings(self._encode[task_id])
        elif task_id in self._inputs:
            self.video(task_id)
        else:
            self._entry(self._tasks[task_id])

    def video(self, task_id: str) -> NDArray[Any]:
        """The videos of a task, from the store or computed.

        Returns:
            [B, T, H, W, C]: uint8 from the cascade's last stage, else float16.

        Raises:
            NonFiniteError: they hold NaN or infinity, or what they start from does.
        """
        if task_id in self._inputs:
            given = self._inputs[task_id]
            make = partial(self._given, given)
            return self._job.kept(task_id, given.kind, make).arrays[VIDEO]
        return self._entry(self._tasks[task_id]).arrays[VIDEO]

    def _given(self, task: InputTask) -> Entry:
        return Entry({VIDEO: given_clips(self._plan, task)})

    def final_video(self, task_id: str) -> NDArray[np.uint8]:
        """The videos of a task as they are scored and shown; raises as `video`.

        Returns:
            [K, T, H, W, C] uint8, one for each of `rows`.
        """
        task = self._tasks.get(task_id)
        if task is not None and _is_generated(task):
            return self._generating.videos(task, self._entry(task))
        video = self.video(task_id)
        return video if video.dtype == np.uint8 else to_uint8(video.astype(np.float32))

    def rows(self, task_id: str) -> list[int]:
        """The places of a task's block whose videos there are: all but those that a generator failed to make."""
        task = self._tasks.get(task_id)
        if task is not None and _is_generated(task):
            return self._generating.rows(self._entry(task))
        block = self._inputs[task_id] if task is None else task
        return list(range(len(block.prompts)))

    def _finals(self) -> list[SampleTask]:
        return [task for task in self._plan.sample if task.last]

    def _units(self) -> list[Unit]:
        """The missing final tasks, each right after what it stands on, as far as that is missing."""
        units: dict[str, Unit] = {}
        for task in self._job.missing(self._finals()):
            for step in reversed(self._chain(task)):
                if step.id not in units:
                    for unit in (*self._before(step), self._unit(step)):
                        units.setdefault(unit.key, unit)
        return list(units.values())

    def _chain(self, task: SampleTask) -> list[SampleTask]:
        """A missing task, and the missing ones that it stands on: the first stage is the last."""
        chain = [task]
        while (before := self._tasks.get(chain[-1].input or "")) and self._job.missing([before]):
            chain.append(before)
        return chain

    def _before(self, task: SampleTask) -> list[Unit]:
        """The missing texts and given videos of a task."""
        encode, given = self._encode.get(task.encode or ""), self._inputs.get(task.input or "")
        units = [Unit("encode", encode.id, ("text",))] if encode is not None and self._job.missing([encode]) else []
        if given is not None and self._job.missing([given]):
            units.append(Unit("input", given.id))
        return units

    def _unit(self, task: SampleTask) -> Unit:
        return Unit(
            "sample",
            task.id,
            ("generator",) if _is_generated(task) else ("stage", task.weights, task.stage),
            after=tuple(before for before in (task.encode, task.input) if before is not None),
            cells=task.cells,
            place=(self._plan.suite.run_seeds.index(task.seed), task.sample_index, task.block),
            amount=amount_of(self._plan, task),
        )

    def _entry(self, task: SampleTask) -> Entry:
        if task.id in self._failed:
            raise NonFiniteError(self._failed[task.id])
        try:
            return self._job.kept(task.id, task.kind, lambda: self._make(task))
        except NonFiniteError as error:
            self._failed[task.id] = str(error)
            raise

    def _make(self, task: SampleTask) -> Entry:
        if _is_generated(task):
            return self._generating.make(task, self.batch)
        low = None if task.input is None else self.video(task.input).astype(np.float32)
        text = self._embeddings(self._encode[task.encode or ""])
        flops = self._plan.flops_of([task])
        started = time.perf_counter()
        video = self._sample(task, text, low)
        about = {
            "stage": task.stage,
            "weights": origin(self._plan.source, self._plan.variants, task.weights).weights[task.stage],
            "flops": flops,
            "sampling_seconds": time.perf_counter() - started,
        }
        return Entry({VIDEO: to_uint8(video) if task.as_bytes else video.astype(np.float16)}, about)

    def _sample(self, task: SampleTask, text: TextEmbeddings, low: NDArray[np.float32] | None) -> NDArray[np.float32]:
        model = self._job.models.stage_model(task.weights, task.stage)
        settings = stage_settings(task)
        digests = [prompt_digest(self._plan.prompts[index]) for index in task.prompts]
        keys = [NoiseKey(task.seed, digest, task.sample_index) for digest in digests]

        def run(rows: slice) -> NDArray[np.float32]:
            part = TextEmbeddings(text.tokens[rows], text.mask[rows], text.pooled[rows], 0)
            return sample_stage(model, settings, part, keys[rows], None if low is None else low[rows])

        try:
            video = np.concatenate(in_batches(len(keys), run, model.out_of_memory, self.batch))
            if not np.isfinite(video).all():
                raise NonFiniteError("the sample is beyond the range of float16. Use thresholding.")
        except NonFiniteError as error:
            where = f'stage "{task.stage}", seed {task.seed}, {prompts_in_words(task.prompts)}'
            raise NonFiniteError(f"{where}: {error}") from error
        return video

    def _embeddings(self, task: EncodeTask) -> TextEmbeddings:
        def make() -> Entry:
            found = self._job.models.cascade.text_encoder().encode([self._plan.prompts[i] for i in task.prompts])
            arrays = {"tokens": found.tokens, "mask": found.mask, "pooled": found.pooled}
            return Entry(arrays, {"truncated": found.truncated})

        entry = self._job.kept(task.id, task.kind, make)
        tokens, mask, pooled = (entry.arrays[name] for name in ("tokens", "mask", "pooled"))
        return TextEmbeddings(tokens, mask.astype(bool), pooled, entry.about["truncated"])


def _is_generated(task: SampleTask) -> bool:
    return isinstance(task.sampling, GeneratorSampling)
