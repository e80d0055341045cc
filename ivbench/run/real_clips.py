"""Real clips: the reference distribution, and one clip of each prompt as a run's ground truth."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from ivbench.config import digest
from ivbench.data.shapes import combinations, draw_scene, render, to_uint8
from ivbench.data.shapes.labels import attributes_of
from ivbench.errors import ConfigError
from ivbench.plan import Plan
from ivbench.spec import StageSpec

__all__ = ["clips_of_prompts", "reference_clips", "reference_digest", "require_reference"]

Clips = NDArray[np.uint8]


def require_reference(plan: Plan) -> None:
    """Refuse a suite whose reference set cannot be made.

    Raises:
        ConfigError: no such source.
    """
    source = plan.suite.reference.source
    if source != "shapes":
        raise ConfigError(f'reference.source is "{source}". Allowed: shapes.')


def reference_clips(plan: Plan, indices: Iterable[int]) -> Clips:
    """Real clips over the distribution of the evaluation captions; clip i depends on the suite's seed and i alone.

    Args:
        plan: seed of the reference, and size and rate of the final videos.
        indices: which clips.

    Returns:
        [N, T, H, W, C] uint8.
    """
    stage, pool = plan.stages[-1], combinations("pool")
    scenes = []
    for index in indices:
        generator = np.random.Generator(np.random.Philox(key=[plan.suite.reference.seed, index]))
        scenes.append(draw_scene(pool[generator.integers(len(pool))], generator))
    return to_uint8(render(scenes, stage.frames, stage.fps, stage.height, stage.width))


def reference_digest(plan: Plan) -> str:
    """Digest of what decides the reference set."""
    stage, source = plan.stages[-1], plan.suite.reference
    return digest({"source": source.model_dump(mode="json"), "shape": list(stage.shape), "fps": stage.fps})


def clips_of_prompts(
    plan: Plan, prompts: Iterable[int], seed: int, sample: int = 0, stage: StageSpec | None = None
) -> Clips:
    """One real clip of each prompt: the ground truth of a run.

    Args:
        plan: prompts, and size and rate of the final videos; `have_clips(plan)`.
        prompts: indices of the prompts.
        seed: of the run.
        sample: which sample of each prompt.
        stage: whose size and rate instead; the scenes are the same.

    Returns:
        [N, T, H, W, C] uint8.
    """
    scenes = []
    for prompt in (plan.prompts[index] for index in prompts):
        attributes = attributes_of(prompt)
        if attributes is None:
            raise ConfigError(f'"{prompt[:60]}" is no caption of the shapes domain: there are no real clips of it.')
        scenes.append(draw_scene(attributes, np.random.Generator(np.random.Philox(key=_key(seed, sample, prompt)))))
    size = stage or plan.stages[-1]
    return to_uint8(render(scenes, size.frames, size.fps, size.height, size.width))


def _key(seed: int, sample: int, prompt: str) -> int:
    return int.from_bytes(hashlib.sha256(f"real|{seed}|{sample}|{prompt}".encode()).digest()[:16], "little")
