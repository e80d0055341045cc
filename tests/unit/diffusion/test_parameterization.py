from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from ivbench.diffusion import alpha, convert, diffuse, from_x, loss_weight, sigma, target, to_eps, to_v, to_x
from ivbench.errors import ConfigError, ShapeError

SHAPE = (3, 2, 4, 5, 3)
KINDS = ("x", "eps", "v")


@pytest.fixture
def x_eps(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    return rng.uniform(-1, 1, SHAPE), rng.standard_normal(SHAPE)


def test_diffuse_and_the_v_target_are_their_definitions(x_eps: tuple[np.ndarray, np.ndarray]) -> None:
    x, eps = x_eps
    a, s = alpha(0.7), sigma(0.7)
    np.testing.assert_allclose(diffuse(x, eps, 0.7), a * x + s * eps, rtol=1e-15)
    np.testing.assert_allclose(target(x, eps, 0.7, "v"), a * eps - s * x, rtol=1e-15)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("logsnr", [-6.0, 0.0, 6.0])
def test_the_perfect_prediction_of_every_kind_gives_back_x_eps_and_v(
    x_eps: tuple[np.ndarray, np.ndarray], asarray: Any, kind: Any, logsnr: float
) -> None:
    x, eps = x_eps
    z = asarray(diffuse(x, eps, logsnr))
    prediction = asarray(target(x, eps, logsnr, kind))
    np.testing.assert_allclose(np.asarray(to_x(prediction, z, logsnr, kind)), x, atol=1e-12)
    np.testing.assert_allclose(np.asarray(to_eps(prediction, z, logsnr, kind)), eps, atol=1e-12)
    np.testing.assert_allclose(np.asarray(to_v(prediction, z, logsnr, kind)), target(x, eps, logsnr, "v"), atol=1e-12)


@pytest.mark.parametrize("to", KINDS)
@pytest.mark.parametrize("source", KINDS)
def test_one_log_snr_a_sample_is_each_sample_on_its_own(
    x_eps: tuple[np.ndarray, np.ndarray], asarray: Any, source: Any, to: Any
) -> None:
    z, prediction = x_eps
    logsnr = np.array([-3.0, 0.5, 4.0])
    got = convert(asarray(prediction), asarray(z), asarray(logsnr), source, to)
    for i, value in enumerate(logsnr.tolist()):
        alone = convert(prediction[i : i + 1], z[i : i + 1], value, source, to)
        np.testing.assert_allclose(np.asarray(got)[i : i + 1], alone, rtol=1e-12, atol=1e-13)


def test_float32_stays_float32_whatever_carries_the_log_snr(x_eps: tuple[np.ndarray, np.ndarray]) -> None:
    z, prediction = (array.astype(np.float32) for array in x_eps)
    for logsnr in (1.0, np.float64(1.0), np.asarray(1.0), np.ones(3)):
        assert to_x(prediction, z, logsnr, "v").dtype == np.float32


def test_eps_and_v_recomputed_from_a_clipped_x_belong_to_it(x_eps: tuple[np.ndarray, np.ndarray]) -> None:
    z, prediction = x_eps
    clipped = np.clip(to_x(prediction, z, 1.0, "v"), -0.5, 0.5)
    for kind in KINDS:
        again = to_x(from_x(clipped, z, 1.0, kind), z, 1.0, kind)
        np.testing.assert_allclose(again, clipped, atol=1e-14)


@pytest.mark.parametrize("logsnr", [-3.0, 0.0, 1.0, 5.0])
@pytest.mark.parametrize(
    ("weight", "in_x"),
    [
        ("snr", lambda snr: snr),
        ("truncated_snr", lambda snr: max(snr, 1.0)),
        ("v", lambda snr: 1.0 + snr),
        ("min_snr_5", lambda snr: min(snr, 5.0)),
    ],
)
def test_a_loss_weight_gives_the_same_loss_from_every_kind(weight: Any, in_x: Any, logsnr: float, rng: Any) -> None:
    x, eps = rng.standard_normal(SHAPE), rng.standard_normal(SHAPE)
    z, x_hat = diffuse(x, eps, logsnr), rng.standard_normal(SHAPE)
    expected = in_x(math.exp(logsnr)) * np.mean((x - x_hat) ** 2)
    for kind in KINDS:
        error = target(x, eps, logsnr, kind) - from_x(x_hat, z, logsnr, kind)
        assert loss_weight(logsnr, weight, kind) * np.mean(error**2) == pytest.approx(expected, rel=1e-11)


@pytest.mark.parametrize("weight", ["snr", "truncated_snr", "v", "min_snr_5"])
def test_weights_of_a_batch_are_the_weights_of_its_samples(weight: Any, asarray: Any) -> None:
    logsnr = np.array([-2.0, 0.3, 4.0])
    for kind in KINDS:
        got = np.asarray(loss_weight(asarray(logsnr), weight, kind)).tolist()
        assert got == pytest.approx([loss_weight(value, weight, kind) for value in logsnr.tolist()], rel=1e-14)


def test_weights_of_v_are_finite_at_both_ends() -> None:
    for weight in ("snr", "truncated_snr", "v", "min_snr_5"):
        for logsnr in (-2000.0, 2000.0):
            assert 0.0 <= loss_weight(logsnr, weight, "v") <= 1.0


def test_wrong_kinds_weights_and_shapes_are_refused() -> None:
    z = np.zeros(SHAPE)
    with pytest.raises(ConfigError, match="Allowed: x, eps, v"):
        to_x(z, z, 0.0, "w")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match='Did you mean "snr"'):
        loss_weight(0.0, "snrr", "v")  # type: ignore[arg-type]
    with pytest.raises(ShapeError, match=r"\(3, 2, 4, 5, 3\).*\(1, 2, 4, 5, 3\)"):
        to_x(z[:1], z, 0.0, "v")
    with pytest.raises(ShapeError, match=r"log SNR has shape \(2,\)"):
        to_x(z, z, np.zeros(2), "v")
