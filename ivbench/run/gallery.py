"""Sprite strips of some prompts' samples, and of what each earlier stage made of them, for the report."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ivbench.data.sprites import write_sprite
from ivbench.metrics import MeanEvidence
from ivbench.plan import Plan, SampleTask
from ivbench.plan.real import have_clips
from ivbench.results.schema import Difference, GalleryEntry, StageSample
from ivbench.run.real_clips import clips_of_prompts
from ivbench.run.sampling import Sampling
from ivbench.run.scoring import Scoring

__all__ = ["FOLDER", "Gallery", "prompts_shown"]

FOLDER = "gallery"
_PER_SAMPLE = ("clip_score", "r_precision")


def prompts_shown(plan: Plan, differences: Sequence[Difference]) -> tuple[int, ...]:
    """The prompts whose samples are kept: the first `gallery`, and as many on which cells differ most.

    A prompt's weight is the sum over metrics of its greatest difference between two cells, each as a share of the
    metric's greatest.

    Args:
        plan: prompts, and the suite's `gallery`.
        differences: with their values by prompt, where they have some.

    Returns:
        Indices, sorted.
    """
    first = range(min(plan.suite.gallery, len(plan.prompts)))
    of_metric: dict[str, list[list[float]]] = defaultdict(list)
    for found in differences:
        if len(found.by_prompt) == len(plan.prompts):
            of_metric[found.protocol].append([abs(value or 0.0) for value in found.by_prompt])
    weights = np.zeros(len(plan.prompts))
    for rows in of_metric.values():
        greatest = np.max(rows, axis=0)
        weights += greatest / max(greatest.max(), np.finfo(float).tiny)
    order = np.argsort(-weights, kind="stable").tolist()
    extremes = [index for index in order if index not in first and weights[index] > 0]
    return tuple(sorted([*first, *extremes[: plan.suite.gallery]]))


class Gallery:
    """Writes the strips of a plan beside results.json, each once.

    Args:
        plan: prompts and sizes.
        sampling: where videos come from.
        scoring: gives per-sample values.
        out: the folder of results.json.
        prompts: indices of the prompts to show.
    """

    def __init__(self, plan: Plan, sampling: Sampling, scoring: Scoring, out: Path, prompts: Sequence[int]) -> None:
        self._plan, self._sampling, self._scoring, self._out = plan, sampling, scoring, out
        self._prompts = prompts
        self._tasks = {task.id: task for task in plan.sample}
        self._stages: dict[tuple[str, int], StageSample] = {}

    def cell(self, cell: str) -> list[GalleryEntry]:
        """The first run's first sample of each prompt, by prompt.

        Args:
            cell: the cell's id.
        """
        entries = []
        for task in self._plan.final_samples(cell):
            rows = [row for row, index in enumerate(task.prompts) if index in self._prompts]
            if task.seed != self._plan.suite.run_seeds[0] or task.sample_index or not rows:
                continue
            videos = dict(zip(self._sampling.rows(task.id), self._sampling.final_video(task.id), strict=True))
            stages = self._before(task, rows)
            for row in (row for row in rows if row in videos):
                index = task.prompts[row]
                name = f"{FOLDER}/{cell}-{index}.webp"
                write_sprite(videos[row], self._out / name)
                values = _values(self._scoring, cell, index)
                entries.append(_entry(self._plan, index, name, values, [made[row] for made in stages]))
        return entries

    def truth(self) -> list[GalleryEntry]:
        """A real clip of each of the same prompts; none where a prompt is no caption of the domain."""
        plan, entries = self._plan, []
        if not have_clips(plan):
            return []
        clips = clips_of_prompts(plan, self._prompts, plan.suite.run_seeds[0])
        for index, clip in zip(self._prompts, clips, strict=True):
            name = f"{FOLDER}/ground-truth-{index}.webp"
            write_sprite(clip, self._out / name)
            entries.append(_entry(plan, index, name, {}, []))
        return entries

    def _before(self, task: SampleTask, rows: list[int]) -> list[dict[int, StageSample]]:
        """What a final task stands on, from the first stage: of each stage the strips of these rows."""
        found: list[dict[int, StageSample]] = []
        while task.input is not None:
            before = self._tasks.get(task.input)
            found.insert(0, self._strips(task.input, task, before, rows))
            if before is None:
                break
            task = before
        return found

    def _strips(
        self, task_id: str, after: SampleTask, before: SampleTask | None, rows: list[int]
    ) -> dict[int, StageSample]:
        """The strips of one task's videos, made once for all cells that share it; `before` is None for given videos."""
        missing = [row for row in rows if (task_id, row) not in self._stages]
        videos = self._sampling.final_video(task_id) if missing else None
        for row in missing:
            assert videos is not None
            name = f"{FOLDER}/{task_id[:16]}-{after.prompts[row]}.webp"
            write_sprite(videos[row], self._out / name)
            self._stages[task_id, row] = _stage_sample(self._plan, before, name, videos[row])
        return {row: self._stages[task_id, row] for row in rows}


def _stage_sample(plan: Plan, task: SampleTask | None, name: str, video: NDArray[np.uint8]) -> StageSample:
    stage = plan.input_shape if task is None else plan.stage(task)
    assert stage is not None
    label = "input" if task is None else stage.name
    return StageSample(stage=label, sample=name, frames=len(video), fps=stage.fps)


def _entry(plan: Plan, index: int, name: str, scores: dict[str, float], stages: list[StageSample]) -> GalleryEntry:
    stage = plan.stages[-1]
    return GalleryEntry(
        prompt=plan.prompts[index],
        prompt_index=index,
        sample=name,
        frames=stage.frames,
        fps=stage.fps,
        scores=scores,
        stages=stages,
    )


def _values(scoring: Scoring, cell: str, prompt: int) -> dict[str, float]:
    """The sample's own values of the metrics that are means."""
    found = {}
    for metric in _PER_SAMPLE:
        evidence = scoring.evidence(cell, metric)
        if isinstance(evidence, MeanEvidence):
            rows = (evidence.run == 0) & (evidence.prompt == prompt)
            found[metric] = float(evidence.columns["value"][rows][0])
    return found
