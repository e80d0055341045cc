"""What a denoiser predicts (x, eps or v), every conversion between them, and the weights of the loss.

z = alpha x + sigma eps; v = alpha eps - sigma x. So
x = (z - sigma eps) / alpha = alpha z - sigma v,
eps = (z - alpha x) / sigma = sigma z + alpha v,
v = (alpha z - x) / sigma = (eps - sigma z) / alpha.
In all functions `logsnr` is a Python number, a 0-d array, or `[B]`: one a sample.
Source: Salimans & Ho 2022 (2202.00512), section 4 and appendix D.
"""

from __future__ import annotations

from typing import Literal, get_args

from array_api_compat import array_namespace

from ivbench.diffusion.arrays import Array, per_sample, require_same_shape
from ivbench.diffusion.schedule import alpha, sigma
from ivbench.errors import ConfigError, did_you_mean

__all__ = [
    "LossWeight",
    "Parameterization",
    "convert",
    "diffuse",
    "from_x",
    "loss_weight",
    "target",
    "to_eps",
    "to_v",
    "to_x",
]

Parameterization = Literal["x", "eps", "v"]
LossWeight = Literal["snr", "truncated_snr", "v", "min_snr_5"]


def diffuse(x: Array, eps: Array, logsnr: Array) -> Array:
    """Noise a clean video: z = alpha x + sigma eps.

    Args:
        x: [B, ...] float: clean.
        eps: the same shape: standard normal noise.
        logsnr: scalar or [B], nats.

    Returns:
        The same shape and dtype.

    Raises:
        ShapeError: shapes differ; says both.

    Source: paper, section 2.1, equation 1.
    """
    require_same_shape((x, eps), ("the video", "the noise"))
    a, s = _alpha_sigma(logsnr, x)
    return a * x + s * eps


def target(x: Array, eps: Array, logsnr: Array, kind: Parameterization) -> Array:
    """What a denoiser of this kind should predict for `diffuse(x, eps, logsnr)`; v = alpha eps - sigma x.

    Args:
        x: [B, ...] float: clean.
        eps: the same shape: standard normal noise.
        logsnr: scalar or [B], nats.
        kind: x, eps or v.

    Returns:
        The same shape and dtype.

    Raises:
        ShapeError: shapes differ; says both.
        ConfigError: no such kind.
    """
    require_same_shape((x, eps), ("the video", "the noise"))
    _require_kind(kind)
    if kind == "x":
        return x
    if kind == "eps":
        return eps
    a, s = _alpha_sigma(logsnr, x)
    return a * eps - s * x


def to_x(prediction: Array, z: Array, logsnr: Array, kind: Parameterization) -> Array:
    """The clean video that a prediction stands for: x = (z - sigma eps) / alpha = alpha z - sigma v.

    Args:
        prediction: [B, ...] float, of the given kind.
        z: the same shape: the noisy video.
        logsnr: scalar or [B], nats: z's.
        kind: x, eps or v.

    Returns:
        The same shape and dtype.

    Raises:
        ShapeError: shapes differ; says both.
        ConfigError: no such kind.
    """
    if _checked(prediction, z, kind) == "x":
        return prediction
    a, s = _alpha_sigma(logsnr, z)
    return (z - s * prediction) / a if kind == "eps" else a * z - s * prediction


def to_eps(prediction: Array, z: Array, logsnr: Array, kind: Parameterization) -> Array:
    """The noise that a prediction stands for: eps = (z - alpha x) / sigma = sigma z + alpha v. See `to_x`."""
    if _checked(prediction, z, kind) == "eps":
        return prediction
    a, s = _alpha_sigma(logsnr, z)
    return (z - a * prediction) / s if kind == "x" else s * z + a * prediction


def to_v(prediction: Array, z: Array, logsnr: Array, kind: Parameterization) -> Array:
    """The velocity that a prediction stands for: v = (alpha z - x) / sigma = (eps - sigma z) / alpha. See `to_x`."""
    if _checked(prediction, z, kind) == "v":
        return prediction
    a, s = _alpha_sigma(logsnr, z)
    return (a * z - prediction) / s if kind == "x" else (prediction - s * z) / a


def convert(prediction: Array, z: Array, logsnr: Array, source: Parameterization, to: Parameterization) -> Array:
    """A prediction of kind `source` as one of kind `to`. See `to_x`."""
    _require_kind(to)
    return {"x": to_x, "eps": to_eps, "v": to_v}[to](prediction, z, logsnr, source)


def from_x(x: Array, z: Array, logsnr: Array, kind: Parameterization) -> Array:
    """A clean video as a prediction of the given kind: how eps and v are recomputed from a clipped x. See `to_x`."""
    return convert(x, z, logsnr, "x", kind)


def loss_weight(logsnr: Array, weight: LossWeight, of: Parameterization) -> Array:
    """The factor that turns the squared error of a prediction into the weighted loss.

    In x-space the weights are snr: SNR (the eps-loss); truncated_snr: max(SNR, 1); v: 1 + SNR (the v-loss);
    min_snr_5: min(SNR, 5). Since |v - v_hat|^2 = (1 + SNR) |x - x_hat|^2 and 1 / (1 + SNR) = sigma^2, they are in
    v-space alpha^2, max(alpha^2, sigma^2), 1 and min(alpha^2, 5 sigma^2), which is finite at every log SNR.

    Args:
        logsnr: scalar or [B], nats.
        weight: which loss.
        of: the kind of prediction whose squared error is multiplied.

    Returns:
        A float for a Python number, else the shape and dtype of `logsnr`; >= 0.

    Raises:
        ConfigError: no such weight or kind.

    Source: Salimans & Ho 2022 (2202.00512), section 4; min_snr_5: Hang et al. 2023 (2303.09556).
    """
    if weight not in get_args(LossWeight):
        raise ConfigError(f'no loss weight is called "{weight}".{did_you_mean(weight, get_args(LossWeight))}')
    _require_kind(of)
    a2, s2 = alpha(logsnr) ** 2, sigma(logsnr) ** 2
    in_v = _weight_in_v(a2, s2, weight)
    return in_v if of == "v" else in_v / (s2 if of == "x" else a2)


def _weight_in_v(a2: Array, s2: Array, weight: LossWeight) -> Array:
    if weight == "snr":
        return a2
    if weight == "v":
        return a2 + s2
    if isinstance(a2, float):
        return max(a2, s2) if weight == "truncated_snr" else min(a2, 5.0 * s2)
    xp = array_namespace(a2)
    return xp.maximum(a2, s2) if weight == "truncated_snr" else xp.minimum(a2, 5.0 * s2)


def _alpha_sigma(logsnr: Array, like: Array) -> tuple[Array, Array]:
    return per_sample(alpha(logsnr), like), per_sample(sigma(logsnr), like)


def _require_kind(kind: str) -> None:
    if kind not in get_args(Parameterization):
        raise ConfigError(f'no parameterization is called "{kind}". Allowed: x, eps, v.')


def _checked(prediction: Array, z: Array, kind: Parameterization) -> Parameterization:
    _require_kind(kind)
    require_same_shape((z, prediction), ("the noisy video", "the prediction"))
    return kind
