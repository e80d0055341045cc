"""Files of statistics: what other tools write is read as it is, and what is no mean and covariance is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ivbench.errors import ConfigError, MissingFileError, NonFiniteError, ShapeError, UnreadableError
from ivbench.metrics.statistics_files import is_statistics_file, read_statistics

MEAN = np.array([1.0, -2.0, 3.0])
COVARIANCE = np.array([[4.0, 1.0, 0.5], [1.0, 3.0, 0.2], [0.5, 0.2, 2.0]])


def written(folder: Path, **arrays: Any) -> Path:
    path = folder / "statistics.npz"
    np.savez(path, **{"mu": MEAN, "sigma": COVARIANCE, **arrays})
    return path


@pytest.mark.parametrize("ddof", [0, 1])
@pytest.mark.parametrize(("dtype", "rel"), [(np.float64, 1e-15), (np.float32, 1e-6), (np.float16, 1e-3)])
def test_sigma_is_taken_as_it_is_in_any_precision(tmp_path: Path, ddof: int, dtype: Any, rel: float) -> None:
    path = written(tmp_path, mu=MEAN.astype(dtype), sigma=COVARIANCE.astype(dtype))
    assert is_statistics_file(path)
    found = read_statistics(path, ddof)
    np.testing.assert_allclose(found.statistics.mean, MEAN, rtol=rel)
    np.testing.assert_allclose(found.statistics.covariance(ddof), COVARIANCE, rtol=rel)
    assert (found.count, dict(found.made)) == (None, {})


@pytest.mark.parametrize(
    ("arrays", "error", "message"),
    [
        ({"sigma": np.eye(4)}, ShapeError, r"\[D\] and \[D, D\]"),
        ({"mu": MEAN[None]}, ShapeError, r"\[D\] and \[D, D\]"),
        ({"sigma": np.triu(COVARIANCE)}, ShapeError, "not symmetric"),
        ({"sigma": -COVARIANCE}, ShapeError, "variance below 0"),
        ({"mu": MEAN + 0j}, ShapeError, "real numbers"),
        ({"mu": np.array([1.0, np.nan, 2.0])}, NonFiniteError, r"statistics\.npz has NaN"),
        ({"sigma": np.full((3, 3), np.inf)}, NonFiniteError, r"statistics\.npz has NaN"),
        ({"made": "{broken"}, UnreadableError, "ivbench metric stats"),
        ({"made": "[1]"}, UnreadableError, "ivbench metric stats"),
        ({"rows": [3, 4]}, UnreadableError, "ivbench metric stats"),
    ],
)
def test_what_is_no_mean_and_covariance_is_refused(
    tmp_path: Path, arrays: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        read_statistics(written(tmp_path, **arrays), 1)


def test_a_file_that_is_none_is_said(tmp_path: Path) -> None:
    np.savez(tmp_path / "half.npz", mu=MEAN)
    assert not is_statistics_file(tmp_path / "half.npz")
    with pytest.raises(ConfigError, match="no mu and sigma"):
        read_statistics(tmp_path / "half.npz", 1)
    with pytest.raises(MissingFileError):
        read_statistics(tmp_path / "none.npz", 1)
    (tmp_path / "text.npz").write_text("hello")
    with pytest.raises(UnreadableError):
        read_statistics(tmp_path / "text.npz", 1)
