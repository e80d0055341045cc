"""The videos that a part of a cascade starts from: real clips of the prompts, or given files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ivbench.data.fit_video import fit_video
from ivbench.data.video_files import read_video
from ivbench.plan import InputTask, Plan
from ivbench.run.real_clips import clips_of_prompts

__all__ = ["given_clips"]


def given_clips(plan: Plan, task: InputTask) -> NDArray[np.float16]:
    """The conditioning videos of one block, at the size and rate of the stage whose place they take.

    Returns:
        [B, T, H, W, C] in [-1, 1].

    Raises:
        ConfigError: a prompt is no caption of the domain, so that there is no real clip of it; or no video file.
        ShapeError: a file's video is too short.
    """
    stage = plan.input_shape
    assert stage is not None
    if task.files:
        videos = [read_video(Path(name)) for name in task.files]
        clips = np.stack(
            [fit_video(video.frames, video.fps, stage, name) for video, name in zip(videos, task.files, strict=True)]
        )
    else:
        clips = clips_of_prompts(plan, task.prompts, task.seed, task.sample_index, stage)
    return (clips.astype(np.float32) / 127.5 - 1.0).astype(np.float16)
