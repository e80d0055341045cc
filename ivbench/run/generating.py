"""Generate: the sample tasks of a generator. Videos that could not be made are counted, by kind, and never dropped."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from ivbench.adapters.generator import Failed, Request, checked_videos
from ivbench.backends.memory import in_batches, kinds_out_of_memory
from ivbench.config import GeneratorSampling
from ivbench.data.prompts import prompt_digest
from ivbench.diffusion.noise import NoiseKey
from ivbench.plan import SampleTask
from ivbench.plan.estimate import amount_of
from ivbench.run.job import Entry, Job
from ivbench.spec import GeneratorSpec

__all__ = ["Generating"]

Videos = NDArray[np.uint8]
_ROWS = "rows"
_VIDEO = "video"


class Generating:
    """Makes the videos of a plan whose source is a generator; of given videos the store keeps which are sound alone.

    Args:
        job: the plan in execution.
    """

    def __init__(self, job: Job) -> None:
        self._job, self._plan = job, job.plan

    def make(self, task: SampleTask, batch: int | None = None) -> Entry:
        """The entry of a task: `rows` (places in its block) and their videos, and why the others failed."""
        started = time.perf_counter()
        found = self._generate(task, range(len(task.prompts)), batch)
        failed = {row: one for row, one in found.items() if isinstance(one, Failed)}
        rows = [row for row in found if row not in failed]
        about = {
            "stage": task.stage,
            "weights": self._plan.source.weights[task.stage],
            "amount": amount_of(self._plan, task),
            "sampling_seconds": time.perf_counter() - started,
            "failed": [[row, one.kind, one.why] for row, one in failed.items()],
        }
        for one in failed.values():
            self._job.reporter.say(f"left out: {one.why}")
        arrays: dict[str, NDArray[np.generic]] = {_ROWS: np.array(rows, np.int64)}
        if not self._reads_again:
            arrays[_VIDEO] = self._stacked(found, rows)
        return Entry(arrays, about)

    def rows(self, entry: Entry) -> list[int]:
        """The places of a block that have a video."""
        return [int(row) for row in entry.arrays[_ROWS]]

    def videos(self, task: SampleTask, entry: Entry) -> Videos:
        """[K, T, H, W, 3] uint8: the videos of `rows`; given ones are read again."""
        if not self._reads_again:
            return np.asarray(entry.arrays[_VIDEO], np.uint8)
        rows = self.rows(entry)
        return self._stacked(self._generate(task, rows, None), rows)

    @property
    def _spec(self) -> GeneratorSpec:
        spec = self._plan.stages[-1]
        assert isinstance(spec, GeneratorSpec)
        return spec

    @property
    def _reads_again(self) -> bool:
        """Whether videos are files already, so that the store needs no copy."""
        return self._spec.kind == "videos"

    def _generate(self, task: SampleTask, rows: Iterable[int], batch: int | None) -> dict[int, Videos | Failed]:
        chosen = list(rows)
        generator, request = self._job.models.loaded_generator, self.request(task)

        def run(part: slice) -> list[Videos | Failed]:
            of_part = _of_rows(request, chosen[part])
            return checked_videos(of_part, generator.generate(of_part), self._spec.name)

        parts = in_batches(len(chosen), run, kinds_out_of_memory(), batch) if chosen else []
        return dict(zip(chosen, chain.from_iterable(parts), strict=True))

    def request(self, task: SampleTask) -> Request:
        """What a task asks the generator for."""
        assert isinstance(task.sampling, GeneratorSampling)
        plan, spec = self._plan, self._spec
        prompts = tuple(plan.prompts[index] for index in task.prompts)
        keys = [NoiseKey(task.seed, prompt_digest(prompt), task.sample_index, "generator") for prompt in prompts]
        run = plan.suite.run_seeds.index(task.seed)
        return Request(
            prompts=prompts,
            seeds=tuple(key.philox() >> 65 for key in keys),
            settings=task.sampling.settings,
            frames=spec.frames,
            height=spec.height,
            width=spec.width,
            fps=spec.fps,
            sample=run * plan.suite.samples_per_prompt + task.sample_index,
        )

    def _stacked(self, found: Mapping[int, Videos | Failed], rows: list[int]) -> Videos:
        stacked = np.zeros((len(rows), *self._spec.shape), np.uint8)
        for place, row in enumerate(rows):
            stacked[place] = np.asarray(found[row])
        return stacked


def _of_rows(request: Request, rows: list[int]) -> Request:
    return replace(
        request,
        prompts=tuple(request.prompts[row] for row in rows),
        seeds=tuple(request.seeds[row] for row in rows),
    )
