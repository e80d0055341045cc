"""The mathematics of diffusion, once: on arrays of any backend and plain Python numbers, with no framework.

A denoiser is a callable (z, logsnr, conditioning) -> prediction; guidance wraps it; a sampler is a step; the loop is
in one place. Time runs from 0 (data) to 1 (noise); videos are [B, T, H, W, C] float32 in [-1, 1].
"""

from __future__ import annotations

from ivbench.diffusion.arrays import Array
from ivbench.diffusion.augmentation import augment, logsnr_from_snr, snr_from_logsnr, training_logsnr
from ivbench.diffusion.guidance import (
    Constant,
    Denoiser,
    Guidance,
    Guided,
    Informed,
    Oscillating,
    PairDenoiser,
    guided,
    scale_from_weight,
    weight_from_scale,
    weights,
)
from ivbench.diffusion.loop import network_evaluations, sample, x_denoiser
from ivbench.diffusion.noise import NoiseKey, Purpose, normal, normal_batch
from ivbench.diffusion.oracle import GaussianOracle
from ivbench.diffusion.parameterization import (
    LossWeight,
    Parameterization,
    convert,
    diffuse,
    from_x,
    loss_weight,
    target,
    to_eps,
    to_v,
    to_x,
)
from ivbench.diffusion.samplers import DDIM, Ancestral, Coefficients, DenoiseX, Heun, Sampler, Step, Stochastic
from ivbench.diffusion.schedule import (
    BetaLinearSchedule,
    CosineSchedule,
    LinearSchedule,
    Schedule,
    SigmoidSchedule,
    alpha,
    sigma,
    sigma_ratio,
)
from ivbench.diffusion.thresholding import Thresholding, ThresholdingKind

__all__ = [
    "DDIM",
    "Ancestral",
    "Array",
    "BetaLinearSchedule",
    "Coefficients",
    "Constant",
    "CosineSchedule",
    "DenoiseX",
    "Denoiser",
    "GaussianOracle",
    "Guidance",
    "Guided",
    "Heun",
    "Informed",
    "LinearSchedule",
    "LossWeight",
    "NoiseKey",
    "Oscillating",
    "PairDenoiser",
    "Parameterization",
    "Purpose",
    "Sampler",
    "Schedule",
    "SigmoidSchedule",
    "Step",
    "Stochastic",
    "Thresholding",
    "ThresholdingKind",
    "alpha",
    "augment",
    "convert",
    "diffuse",
    "from_x",
    "guided",
    "logsnr_from_snr",
    "loss_weight",
    "network_evaluations",
    "normal",
    "normal_batch",
    "sample",
    "scale_from_weight",
    "sigma",
    "sigma_ratio",
    "snr_from_logsnr",
    "target",
    "to_eps",
    "to_v",
    "to_x",
    "training_logsnr",
    "weight_from_scale",
    "weights",
    "x_denoiser",
]
