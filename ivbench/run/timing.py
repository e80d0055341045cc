"""Sampling time, measured on its own: warm, a fixed batch, a named device, never from the store's videos."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, partial

import numpy as np
from numpy.typing import NDArray

from ivbench.cascade import StageModel, StageSettings, sample_stage
from ivbench.config import GeneratorSampling, StageSampling, digest
from ivbench.data.prompts import prompt_digest
from ivbench.diffusion.noise import NoiseKey
from ivbench.errors import ConfigError, NonFiniteError
from ivbench.plan import CascadeSource, SampleTask
from ivbench.plan.timing import REPEATS, TIMING_BATCH, compared_cells, goes_on
from ivbench.run.generating import Generating
from ivbench.run.job import Entry, Job
from ivbench.run.peak_memory import PeakMemory, counts_on_device
from ivbench.run.sampling import settings_of, stage_settings
from ivbench.spec import GeneratorSpec, StageSpec
from ivbench.text import TextEmbeddings

__all__ = ["Measured", "Timing"]

_FORMAT = 3


@dataclass(frozen=True)
class Measured:
    """One stage of a cell.

    Attributes:
        seconds: a video, the median of the repeats.
        memory: its peak, in MiB.
        repeats: seconds a video in each.
    """

    seconds: float
    memory: float
    repeats: tuple[float, ...]


class Timing:
    """Measures each stage of each cell once on each environment; the measurements are kept in the store.

    Args:
        job: the plan in execution; cells that stopped are not measured.
    """

    def __init__(self, job: Job) -> None:
        self._job, self._plan = job, job.plan

    @property
    def _batch(self) -> int:
        """Videos at once: a generator's own."""
        last = self._plan.stages[-1]
        return last.batch if isinstance(last, GeneratorSpec) else TIMING_BATCH

    @property
    def description(self) -> str:
        """How seconds and memory were measured, for the report."""
        machine = self._job.environment
        execution = self._plan.execution
        memory = "the device" if counts_on_device(execution.backend, execution.device) else "the process"
        always = f", of {REPEATS} where a conclusion is on a ratio of times" if compared_cells(self._plan) else ""
        return (
            f"one batch of {self._batch} videos in {machine.backend} on {machine.device} ({machine.processor}, "
            f"{machine.threads} threads), after a warm-up, text embeddings and weights in memory; seconds a video, the "
            f"median of up to {REPEATS} repeats{always}; peak memory of {memory}"
        )

    def require_device(self) -> None:
        """Refuse to measure on a device that this machine lacks: others may have one, but are not measured.

        Raises:
            ConfigError: the device is not here, and a measurement is missing.
        """
        device = self._job.models.device
        if device != "cpu" and not all(self._job.store.has(self._key(task)) for task in self._plan.sample):
            from ivbench.backends.torch_backend import available_device

            try:
                available_device(device)
            except ConfigError as error:
                raise ConfigError(f"sampling time is measured here, but {error} Or add: --no-timing") from error

    def run(self) -> dict[tuple[str, str], Measured]:
        """(cell id, stage) -> its measurement; videos that were already made have none."""
        if not all(cell.costs for cell in self._plan.cells):
            return {}
        tasks = {self._key(task): task for task in self._plan.sample if not self._job.stopped(task.cells)}
        missing = sum(not self._job.store.has(key) for key in tasks)
        phase = self._job.reporter.phase("timing", missing) if missing else None
        measured: dict[str, Measured] = {}
        for key, task in tasks.items():
            computed = len(self._job.computed)
            try:
                found = self._job.kept(key, "timing", partial(self._measure, task)).arrays
            except NonFiniteError:
                continue
            repeats = tuple(map(float, found["repeats"]))
            measured[key] = Measured(statistics.median(repeats), float(found["memory"]), repeats)
            if phase is not None and len(self._job.computed) > computed:
                phase.advance(1)
        return {
            (cell, task.stage): measured[key]
            for task in self._plan.sample
            if (key := self._key(task)) in measured
            for cell in task.cells
        }

    @cached_property
    def _compared(self) -> set[str]:
        """The measurements that such a comparison stands on."""
        cells = compared_cells(self._plan)
        return {self._setting(task) for task in self._plan.sample if not cells.isdisjoint(task.cells)}

    def _least(self, task: SampleTask) -> int:
        """Repeats of a measurement, however long it takes."""
        return REPEATS if self._setting(task) in self._compared else 1

    def _key(self, task: SampleTask) -> str:
        return digest({"kind": "timing", "setting": self._setting(task), "least": self._least(task)})

    def _setting(self, task: SampleTask) -> str:
        """A digest of what is measured."""
        stage = self._plan.stage(task)
        source = self._plan.source
        text = {"text": source.spec.text.model_dump(mode="json")} if isinstance(source, CascadeSource) else {}
        return digest(
            {
                "format": _FORMAT,
                "batch": self._batch,
                "stage": stage.model_dump(mode="json") if text else source.digest,
                **text,
                "sampling": task.sampling.model_dump(mode="json"),
                "execution": self._plan.execution.model_dump(mode="json"),
                "device": self._job.models.device,
                "environment": self._job.environment.model_dump(mode="json"),
            }
        )

    def _measure(self, task: SampleTask) -> Entry:
        """Seconds a video of the whole stage in each repeat, and the peak memory while it ran."""
        if isinstance(task.sampling, GeneratorSampling):
            return self._measured(task, self._generator_call(task))
        model = self._job.models.stage_model(task.weights, task.stage)
        text, keys, low = self._inputs(model)
        settings = stage_settings(task)
        sample_stage(model, _warm_up(model.stage, task), text, keys, low)
        return self._measured(task, lambda: sample_stage(model, settings, text, keys, low))

    def _measured(self, task: SampleTask, call: Callable[[], object]) -> Entry:
        """The call's results come back as NumPy arrays, so a device has finished its work."""
        seconds, least = list[float](), self._least(task)
        with PeakMemory(self._plan.execution.backend, self._job.models.device) as memory:
            while goes_on(len(seconds), sum(seconds), least):
                started = time.perf_counter()
                call()
                seconds.append(time.perf_counter() - started)
        each = np.array(seconds) / self._batch
        return Entry({"repeats": each, "memory": np.array(memory.peak / 2**20)}, {"stage": task.stage})

    def _generator_call(self, task: SampleTask) -> Callable[[], object]:
        """One call of the generator, after a warm-up of two steps where it has steps."""
        prompts = [self._plan.prompts[i % len(self._plan.prompts)] for i in range(self._batch)]
        request = replace(Generating(self._job).request(task), prompts=tuple(prompts), seeds=tuple(range(self._batch)))
        steps = request.settings.get("steps")
        few = {} if steps is None else {"steps": min(2, int(steps))}
        generate = self._job.models.loaded_generator.generate
        generate(replace(request, settings={**request.settings, **few}))
        return lambda: generate(request)

    def _inputs(self, model: StageModel) -> tuple[TextEmbeddings, list[NoiseKey], NDArray[np.float32] | None]:
        """A batch of the suite's prompts, repeated where it has fewer; a grey video in place of the stage before."""
        prompts = [self._plan.prompts[i % len(self._plan.prompts)] for i in range(TIMING_BATCH)]
        text = self._job.models.cascade.text_encoder().encode(prompts)
        keys = [NoiseKey(0, prompt_digest(prompt), index) for index, prompt in enumerate(prompts)]
        before = self._plan.source.spec.before(model.stage.name)
        low = None if before is None else np.zeros((TIMING_BATCH, *before.shape), np.float32)
        return text, keys, low


def _warm_up(stage: StageSpec, task: SampleTask) -> StageSettings:
    """Two steps, the last and another, so that a backend that compiles has; a distilled stage takes all of its own."""
    if stage.distilled is not None and stage.distilled.steps is not None:
        return stage_settings(task)
    sampling = task.sampling
    assert isinstance(sampling, StageSampling)
    few = sampling.model_copy(update={"num_steps": min(2, sampling.num_steps)})
    return settings_of(few, task.stage)
