"""Where training looks along the noise, and how much an error there counts."""

from __future__ import annotations

import torch
from torch import Tensor

from ivbench.diffusion import Parameterization, Schedule
from ivbench.train.recipe import NormalLogSNR

__all__ = ["draw_logsnr", "loss_weights"]

_UNIFORM = 0.1
"""Share of the rows that keep to the schedule where the recipe draws log SNR from a normal distribution."""
_LEAST_SNR = 0.01


def draw_logsnr(times: Tensor, schedule: Schedule, normal: NormalLogSNR | None = None) -> Tensor:
    """Log SNR of each row.

    Args:
        times: [B] float64, uniform in [0, 1), 1 = noise.
        schedule: the stage's.
        normal: of the recipe; None: lambda(t) of the schedule for every row.

    Returns:
        [B] float64, nats.
    """
    if normal is None:
        return _scheduled(times, schedule)
    uniform = times < _UNIFORM
    u = ((times - _UNIFORM) / (1 - _UNIFORM)).clamp(1e-6, 1 - 1e-6)
    drawn = normal.mean + normal.std * torch.special.ndtri(u)
    return torch.where(uniform, _scheduled(times / _UNIFORM % 1.0, schedule), drawn)


def _scheduled(times: Tensor, schedule: Schedule) -> Tensor:
    return torch.tensor([schedule.logsnr(t) for t in times.tolist()], dtype=torch.float64)


def loss_weights(logsnr: Tensor, parameterization: Parameterization, cap: float | None) -> Tensor:
    """Factor of each row's squared error.

    With a cap the squared error of x counts sqrt(clip(SNR, 0.01, cap)). The prediction's own squared error is that of x
    times 1 (x), SNR (eps) or 1 + SNR (v): plain, it spends a small net on the last traces of noise, where the picture
    is finished; that of x alone spends it where nothing can be known yet.

    Args:
        logsnr: [B] float64, nats.
        parameterization: of the prediction.
        cap: of the recipe, an SNR; None: all ones.

    Returns:
        [B] float32.

    Source: Salimans & Ho 2022 (2202.00512), section 4; a capped SNR: Hang et al. 2023 (2303.09556); its root is ours.
    """
    if cap is None:
        return torch.ones_like(logsnr).float()
    snr = torch.exp(logsnr)
    own = {"x": torch.ones_like(snr), "eps": snr, "v": 1 + snr}[parameterization]
    return (snr.clamp(_LEAST_SNR, cap).sqrt() / own).float()
