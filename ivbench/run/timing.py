"""Sampling time, measured on its own: warm, a fixed batch, a named device, never from a cache of videos."""

from __future__ import annotations

import os
import threading
import time
from typing import Any

import numpy as np
import psutil

from ivbench.cascade import StageModel, sample_stage
from ivbench.config import digest
from ivbench.data.prompts import prompt_digest
from ivbench.diffusion.noise import NoiseKey
from ivbench.plan import Plan, SampleTask
from ivbench.plan.cost import sampling_flops
from ivbench.results.schema import Environment
from ivbench.results.store import Store
from ivbench.run.models import Models
from ivbench.run.progress import Reporter
from ivbench.run.sampling import stage_settings
from ivbench.text import TextEmbeddings

__all__ = ["TIMING_BATCH", "Timing"]

TIMING_BATCH = 16
_FORMAT = 1
_POLL = 0.02


class Timing:
    """Measures each stage of each cell once on each machine; the measurements are kept in the store.

    Args:
        plan: stages and settings.
        store: where measurements are kept, under machine and settings.
        models: the cascade.
        environment: the machine.
        reporter: told of progress, in FLOPs.
    """

    def __init__(
        self, plan: Plan, store: Store, models: Models, environment: Environment, reporter: Reporter
    ) -> None:
        self._plan, self._store, self._models, self._environment = plan, store, models, environment
        self._reporter = reporter

    @property
    def description(self) -> str:
        """How the seconds were measured, for the report."""
        machine = self._environment
        return (
            f"one batch of {TIMING_BATCH} videos on {machine.device} ({machine.processor}, {machine.threads} threads), "
            "after a warm-up step, text embeddings and weights in memory; seconds a video"
        )

    def run(self) -> dict[tuple[str, str], tuple[float, float]]:
        """(cell id, stage) -> (seconds a video, peak memory of the process in MiB)."""
        tasks = self._one_task_each()
        missing = [task for key, task in tasks.items() if not self._store.has(key)]
        phase = self._reporter.phase("timing", sampling_flops(self._plan.source.spec, missing))
        measured: dict[str, tuple[float, float]] = {}
        for key, task in tasks.items():
            found = self._store.get(key)
            if found is None:
                seconds, memory = self._measure(task)
                found = {"seconds": np.array(seconds), "memory": np.array(memory)}
                self._store.put(key, found, {"kind": "timing", "stage": task.stage})
                phase.advance(sampling_flops(self._plan.source.spec, [task]))
            measured[key] = float(found["seconds"]), float(found["memory"])
        return {(cell, task.stage): measured[self._key(task)] for task in self._plan.sample for cell in task.cells}

    def _one_task_each(self) -> dict[str, SampleTask]:
        tasks: dict[str, SampleTask] = {}
        for task in self._plan.sample:
            tasks.setdefault(self._key(task), task)
        return tasks

    def _key(self, task: SampleTask) -> str:
        stage = self._plan.source.spec.stages[task.stage_index]
        payload: dict[str, Any] = {
            "kind": "timing",
            "format": _FORMAT,
            "batch": TIMING_BATCH,
            "stage": stage.model_dump(mode="json"),
            "sampling": task.sampling.model_dump(mode="json"),
            "execution": self._plan.execution.model_dump(mode="json"),
            "environment": self._environment.model_dump(mode="json", exclude={"git", "ivbench"}),
        }
        return digest(payload)

    def _measure(self, task: SampleTask) -> tuple[float, float]:
        """Seconds a video of the whole stage, and the process's peak memory in MiB while it ran."""
        model = self._models.cascade.stage_model(task.stage)
        settings, text, keys, low = self._inputs(task, model)
        warm = stage_settings(task.model_copy(update={"sampling": task.sampling.model_copy(update={"num_steps": 1})}))
        sample_stage(model, warm, text, keys, low)
        with _PeakMemory() as memory:
            started = time.perf_counter()
            sample_stage(model, settings, text, keys, low)
            seconds = time.perf_counter() - started
        return seconds / TIMING_BATCH, memory.peak / 2**20

    def _inputs(self, task: SampleTask, model: StageModel) -> tuple[Any, TextEmbeddings, list[NoiseKey], Any]:
        """A batch of the suite's prompts, repeated where it has fewer; a grey video in place of the stage before."""
        prompts = [self._plan.prompts[i % len(self._plan.prompts)] for i in range(TIMING_BATCH)]
        text = self._models.cascade.text_encoder().encode(prompts)
        keys = [NoiseKey(0, prompt_digest(prompt), index) for index, prompt in enumerate(prompts)]
        before = self._plan.source.spec.before(model.stage.name)
        low = None if before is None else np.zeros((TIMING_BATCH, *before.shape), np.float32)
        return stage_settings(task), text, keys, low


class _PeakMemory:
    """The process's largest resident size while the block runs, bytes; looked at every 20 ms."""

    def __init__(self) -> None:
        self.peak = 0
        self._process = psutil.Process(os.getpid())
        self._done = threading.Event()

    def __enter__(self) -> _PeakMemory:
        self._look()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()
        self._look()

    def _look(self) -> None:
        self.peak = max(self.peak, int(self._process.memory_info().rss))

    def _watch(self) -> None:
        while not self._done.wait(_POLL):
            self._look()
