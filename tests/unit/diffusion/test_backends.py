"""One program on every backend: the whole chain from prediction to sample, and no framework at import."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from ivbench.diffusion import (
    DDIM,
    Ancestral,
    CosineSchedule,
    Heun,
    NoiseKey,
    Oscillating,
    Stochastic,
    Thresholding,
    guided,
    normal_batch,
    sample,
    weights,
    x_denoiser,
)

SHAPE = (2, 3, 4, 3)
KEYS = [NoiseKey(0, digest) for digest in ("aa", "bb", "cc")]


def v_prediction(z: Any, logsnr: float, conditioning: float) -> Any:
    return 0.6 * z - 0.02 * z**3 + conditioning


def run(sampler: Any, asarray: Any, keys: list[NoiseKey] = KEYS) -> np.ndarray:
    denoise_x = x_denoiser(
        guided(v_prediction, 0.3, 0.0), "v", weights(Oscillating(), "base", 6), Thresholding("dynamic", 90.0)
    )
    got = sample(
        denoise_x,
        sampler,
        CosineSchedule(),
        asarray(normal_batch(keys, SHAPE)),
        6,
        lambda step: asarray(normal_batch([key.at("step", step) for key in keys], SHAPE)),
    )
    assert isinstance(got, type(asarray(np.zeros(1))))
    return np.asarray(got)


@pytest.mark.parametrize("sampler", [DDIM(), Ancestral(0.3), Stochastic(), Heun()], ids=repr)
def test_a_backend_samples_what_numpy_samples(sampler: Any, asarray: Any) -> None:
    got = run(sampler, asarray)
    assert got.dtype == np.float32
    assert np.abs(got).max() <= 1.0
    np.testing.assert_allclose(got, run(sampler, np.asarray), atol=2e-5)


@pytest.mark.parametrize("sampler", [DDIM(), Ancestral(0.3), Stochastic(), Heun()], ids=repr)
def test_a_sample_does_not_depend_on_its_batch(sampler: Any) -> None:
    np.testing.assert_array_equal(run(sampler, np.asarray)[1:2], run(sampler, np.asarray, KEYS[1:2]))


def test_x_denoiser_guides_converts_and_thresholds() -> None:
    z = np.full((1, 1, 1, 1, 2), 0.5)
    denoise_x = x_denoiser(guided(lambda z, logsnr, c: z + c, 1.0, 0.0), "x", (2.0, 0.0), Thresholding("static"))
    np.testing.assert_array_equal(denoise_x(-z * 4, 0.0, 0), -2.0 * z + 2.0)
    np.testing.assert_array_equal(denoise_x(z, 0.0, 1), 1.0)


def test_importing_the_mathematics_imports_no_framework() -> None:
    code = (
        "import sys, ivbench.diffusion\n"
        "print(sorted({'torch', 'jax', 'transformers', 'tensorflow', 'pandas', 'pydantic'} & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "[]"
