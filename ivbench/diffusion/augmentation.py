"""Noise conditioning augmentation: the conditioning video is noised, and the model is told by how much.

Ours: on the low-resolution input, before it is upsampled (unspecified by the paper). Where a network of another project
was trained the other way round, its spec says so (`noise_after_resizing`).
"""

from __future__ import annotations

import math

from ivbench.diffusion.arrays import Array
from ivbench.diffusion.parameterization import diffuse
from ivbench.diffusion.schedule import Schedule
from ivbench.errors import ConfigError

__all__ = ["TRAINING_TIME_MAX", "augment", "logsnr_from_snr", "snr_from_logsnr", "training_logsnr"]

TRAINING_TIME_MAX = 0.6
"""Training draws lambda_a = lambda(u), u ~ U[0, .6]; with the cosine schedule down to SNR .53."""


def augment(video: Array, noise: Array, logsnr: Array) -> Array:
    """c_noisy = alpha_a c + sigma_a n.

    Args:
        video: [B, T, H, W, C] float, in [-1, 1]: the conditioning video c.
        noise: the same shape: standard normal.
        logsnr: scalar or [B], nats: lambda_a, which the model is given too.

    Returns:
        The same shape and dtype.

    Raises:
        ShapeError: shapes differ; says both.

    Source: paper, section 2.5; Ho et al. 2021 (2106.15282).
    """
    return diffuse(video, noise, logsnr)


def training_logsnr(schedule: Schedule, u: float) -> float:
    """The augmentation's log SNR in training, lambda(.6 u).

    Args:
        schedule: the noise schedule.
        u: in [0, 1]: a uniform draw.

    Returns:
        Nats.
    """
    return schedule.logsnr(TRAINING_TIME_MAX * u)


def logsnr_from_snr(snr: float) -> float:
    """log(SNR), SNR = alpha^2 / sigma^2 (the paper samples with SNR 3 or 5).

    Raises:
        ConfigError: not a positive, finite number.
    """
    if not (math.isfinite(snr) and snr > 0.0):
        raise ConfigError(f"augmentation SNR is {snr:g}; it must be above 0 and finite. The paper uses 3 or 5.")
    return math.log(snr)


def snr_from_logsnr(logsnr: float) -> float:
    """exp(logsnr) = alpha^2 / sigma^2."""
    return math.exp(logsnr)
