"""Sprite strips of some prompts' samples, for the report."""

from __future__ import annotations

from pathlib import Path

from ivbench.data.sprites import write_sprite
from ivbench.metrics import MeanEvidence
from ivbench.plan import Plan
from ivbench.results.schema import GalleryEntry
from ivbench.run.real_clips import clips_of_prompts, have_clips
from ivbench.run.sampling import Sampling
from ivbench.run.scoring import Scoring

__all__ = ["FOLDER", "cell_gallery", "truth_gallery"]

FOLDER = "gallery"
_PER_SAMPLE = ("clip_score", "r_precision")


def cell_gallery(plan: Plan, cell: str, sampling: Sampling, scoring: Scoring, out: Path) -> list[GalleryEntry]:
    """The first run's first sample of the first `gallery` prompts, written beside results.json.

    Args:
        plan: prompts and sizes.
        cell: the cell's id.
        sampling: where videos come from.
        scoring: gives per-sample values.
        out: the folder of results.json.
    """
    entries, wanted = [], _shown(plan)
    for task in plan.final_samples(cell):
        if task.seed != plan.suite.run_seeds[0] or task.sample_index or task.prompts[0] not in wanted:
            continue
        videos = sampling.final_video(task.id)
        for row, index in enumerate(task.prompts):
            if index in wanted:
                name = f"{FOLDER}/{cell}-{index}.webp"
                write_sprite(videos[row], out / name)
                entries.append(_entry(plan, index, name, _values(scoring, cell, index)))
    return entries


def truth_gallery(plan: Plan, out: Path) -> list[GalleryEntry]:
    """A real clip of each of the same prompts; none where a prompt is no caption of the domain."""
    if not have_clips(plan):
        return []
    entries = []
    for index, clip in zip(_shown(plan), clips_of_prompts(plan, _shown(plan), plan.suite.run_seeds[0]), strict=True):
        name = f"{FOLDER}/ground-truth-{index}.webp"
        write_sprite(clip, out / name)
        entries.append(_entry(plan, index, name, {}))
    return entries


def _shown(plan: Plan) -> range:
    return range(min(plan.suite.gallery, len(plan.prompts)))


def _entry(plan: Plan, index: int, name: str, scores: dict[str, float]) -> GalleryEntry:
    stage = plan.stages[-1]
    return GalleryEntry(
        prompt=plan.prompts[index],
        prompt_index=index,
        sample=name,
        frames=stage.frames,
        fps=stage.fps,
        scores=scores,
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
