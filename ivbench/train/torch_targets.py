"""What a student should predict, from its teacher's predictions: the teacher runs without gradients, on few rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ivbench.diffusion.distillation import Lesson

__all__ = ["DenoiseRows", "lesson_target"]

DenoiseRows = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(z [R, T, H, W, C], log SNR [R] float64, rows [R] of the batch) -> x_hat [R, T, H, W, C]."""


@torch.no_grad()
def lesson_target(denoise_x: DenoiseRows, z: Tensor, lessons: Sequence[Lesson]) -> Tensor:
    """The clean video that makes the student's one step land where the teacher's steps land.

    Every row costs one evaluation of the teacher; only rows whose lesson has a second one cost another.

    Args:
        denoise_x: the teacher.
        z: [B, T, H, W, C] float: the noisy videos z_t.
        lessons: B, one a row.

    Returns:
        [B, T, H, W, C], dtype of `z`; not clipped.
    """
    everything = torch.arange(len(lessons), device=z.device)
    logsnr = torch.tensor([lesson.logsnr for lesson in lessons], dtype=torch.float64, device=z.device)
    target = denoise_x(z, logsnr, everything)
    pairs = [(row, lesson.second) for row, lesson in enumerate(lessons) if lesson.second is not None]
    if not pairs:
        return target
    rows = torch.tensor([row for row, _ in pairs], device=z.device)
    first = target[rows]
    by_z, by_x, *target_by = (
        torch.tensor(values, dtype=z.dtype, device=z.device)[:, None, None, None, None]
        for values in zip(*((second.down.z, second.down.x, *second.target) for _, second in pairs), strict=True)
    )
    middle = torch.tensor([second.logsnr for _, second in pairs], dtype=torch.float64, device=z.device)
    second = denoise_x(by_z * z[rows] + by_x * first, middle, rows)
    combined = target_by[0] * z[rows] + target_by[1] * first + target_by[2] * second
    return target.index_copy(0, rows, combined)
