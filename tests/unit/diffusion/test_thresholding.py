from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ivbench.diffusion import Thresholding
from ivbench.diffusion.thresholding import dynamic_threshold, percentile_of_magnitude, static_threshold
from ivbench.errors import ConfigError

SHAPE = (3, 2, 4, 5, 3)


def test_static_clips_to_one(asarray: Any) -> None:
    x = np.array([[-3.0, -1.0, 0.25, 1.5]])
    np.testing.assert_array_equal(np.asarray(static_threshold(asarray(x))), [[-1.0, -1.0, 0.25, 1.0]])


def test_dynamic_is_its_definition(asarray: Any, rng: np.random.Generator) -> None:
    x = rng.standard_normal(SHAPE) * np.array([0.1, 1.0, 4.0]).reshape(3, 1, 1, 1, 1)
    got = np.asarray(dynamic_threshold(asarray(x), 90.0))
    for video, result in zip(x, got, strict=True):
        s = max(np.percentile(np.abs(video), 90.0), 1.0)
        np.testing.assert_allclose(result, np.clip(video, -s, s) / s, rtol=1e-14)


@pytest.mark.parametrize("percentile", [0.0, 12.3, 50.0, 99.5, 100.0])
def test_the_percentile_is_numpys_linear_one(asarray: Any, rng: np.random.Generator, percentile: float) -> None:
    x = rng.standard_normal((4, 37))
    got = np.asarray(percentile_of_magnitude(asarray(x), percentile))
    np.testing.assert_allclose(got, np.percentile(np.abs(x), percentile, axis=1), rtol=1e-13)


def test_dynamic_leaves_a_video_within_range_as_it_is(rng: np.random.Generator) -> None:
    x = rng.uniform(-1, 1, SHAPE).astype(np.float32)
    np.testing.assert_array_equal(dynamic_threshold(x), x)


def test_dynamic_looks_at_each_video_alone(rng: np.random.Generator) -> None:
    x = rng.standard_normal(SHAPE) * 3
    np.testing.assert_array_equal(dynamic_threshold(x)[1:2], dynamic_threshold(x[1:2]))


def test_thresholding_chooses_by_kind_and_keeps_float32(rng: np.random.Generator) -> None:
    x = (rng.standard_normal(SHAPE) * 3).astype(np.float32)
    assert Thresholding()(x) is x
    np.testing.assert_array_equal(Thresholding("static")(x), static_threshold(x))
    np.testing.assert_array_equal(Thresholding("dynamic", 95.0)(x), dynamic_threshold(x, 95.0))
    assert Thresholding("dynamic")(x).dtype == np.float32


@pytest.mark.parametrize("kind", ["static", "dynamic"])
@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan])
def test_thresholding_hides_no_infinity(asarray: Any, kind: Any, bad: float) -> None:
    x = np.full((2, 1, 2, 2, 1), 0.5)
    x[0, 0, 1, 1, 0] = bad
    got = np.asarray(Thresholding(kind)(asarray(x)))
    assert np.isnan(got[0, 0, 1, 1, 0])
    assert np.isfinite(got[1]).all()


def test_thresholding_checks_itself() -> None:
    with pytest.raises(ConfigError, match=r'"dynamc"\. Allowed: none, static, dynamic'):
        Thresholding("dynamc")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="percentile is 101"):
        Thresholding("dynamic", 101.0)
