"""Pickles of statistics are read without running code: edm2's and StyleGAN's forms, and nothing else."""

from __future__ import annotations

import os
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from ivbench.errors import ConfigError, IvbenchError, MissingFileError, NonFiniteError, ShapeError, UnreadableError
from ivbench.metrics.pickled_statistics import read_pickled, require_allowed

ROWS = np.random.default_rng(0).normal(2.0, 1.5, size=(50, 4))
MU, SIGMA = ROWS.mean(0), np.cov(ROWS, rowvar=False)


def written(path: Path, content: Any, protocol: int = 4) -> Path:
    path.write_bytes(pickle.dumps(content, protocol))
    return path


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_edm2s_file_gives_the_entry_of_the_extractors_size(protocol: int, tmp_path: Path) -> None:
    other = {"mu": np.zeros(3), "sigma": np.eye(3)}
    held = {"fid": {"mu": MU, "sigma": SIGMA}, "fd_dinov2": other, "num_images": 50}
    for ddof in (0, 1):
        found = read_pickled(written(tmp_path / "ref.pkl", held, protocol), 4, ddof)
        np.testing.assert_allclose(found.statistics.mean, MU, rtol=1e-15)
        np.testing.assert_allclose(found.statistics.covariance(ddof), SIGMA, rtol=1e-14)
        assert found.count == 50
    assert read_pickled(tmp_path / "ref.pkl", 3, 1).statistics.dim == 3
    with pytest.raises(ShapeError, match=r"fid \[4\], fd_dinov2 \[3\]; one of \[2048\] is expected"):
        read_pickled(tmp_path / "ref.pkl", 2048, 1)


def test_a_sigma_that_is_no_covariance_is_refused_as_in_an_npz(tmp_path: Path) -> None:
    for sigma in (np.triu(np.ones((4, 4))), -np.eye(4)):
        with pytest.raises(ShapeError, match="sigma is no covariance"):
            read_pickled(written(tmp_path / "ref.pkl", {"mu": MU, "sigma": sigma}), 4, 1)


def test_feature_stats_know_their_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("dnnlib.util")
    module.EasyDict = type("EasyDict", (dict,), {"__module__": "dnnlib.util"})  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "dnnlib", ModuleType("dnnlib"))
    monkeypatch.setitem(sys.modules, "dnnlib.util", module)
    sums = {"raw_mean": ROWS.sum(0), "raw_cov": ROWS.T @ ROWS, "num_items": 50, "all_features": None, "max_items": None}
    for held in (sums, module.EasyDict(sums)):
        path = written(tmp_path / "stats.pkl", held)
        for ddof in (0, 1):
            covariance = read_pickled(path, 4, ddof).statistics.covariance(ddof)
            np.testing.assert_allclose(covariance, np.cov(ROWS, rowvar=False, ddof=ddof), rtol=1e-12)
    without = written(tmp_path / "all.pkl", {**sums, "raw_mean": None})
    with pytest.raises(ConfigError, match="without capture_mean_cov"):
        read_pickled(without, 4, 0)


class Calls:
    """Pickles as a call of a function."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self.call


@pytest.mark.parametrize(
    "attack",
    [
        lambda mark: Calls(os.system, f"touch {mark}"),
        lambda mark: Calls(eval, f"open({str(mark)!r}, 'w')"),
        lambda mark: Calls(open, str(mark), "w"),
        lambda mark: Calls(np.save, str(mark), MU),
        lambda mark: Calls(getattr, "", "join"),
    ],
)
@pytest.mark.parametrize("protocol", [0, 2, 5])
def test_code_in_a_pickle_never_runs(attack: Callable[[Path], Any], protocol: int, tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    held = {"fid": {"mu": MU, "sigma": SIGMA}, "extra": attack(mark)}
    with pytest.raises(UnreadableError, match=r"names .*, which is no array; nothing of it was run"):
        read_pickled(written(tmp_path / "evil.pkl", held, protocol), 4, 1)
    assert not list(tmp_path.glob("ran*"))


BAD: list[tuple[Any, type[IvbenchError], str]] = [
    ({"fid": {"mu": MU * np.nan, "sigma": SIGMA}}, NonFiniteError, "NaN"),
    ({"fid": {"mu": MU, "sigma": SIGMA[:2]}}, ShapeError, r"\[2, 4\], \[4, 4\] is expected"),
    ({"fid": {"mu": MU, "sigma": np.array([["a"] * 4] * 4, object)}}, UnreadableError, "numbers are expected"),
    ({"raw_mean": MU, "raw_cov": SIGMA, "num_items": 0}, ShapeError, "0 rows"),
    ({"mean": MU}, ConfigError, "neither mu and sigma"),
    ([MU, SIGMA], ConfigError, "holds list"),
]


@pytest.mark.parametrize(("content", "error", "said"), BAD)
def test_what_holds_no_statistics_is_one_line(
    content: Any, error: type[IvbenchError], said: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=said) as caught:
        read_pickled(written(tmp_path / "bad.pkl", content), 4, 1)
    assert "\n" not in str(caught.value)


def test_a_broken_or_missing_pickle_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "cut.pkl").write_bytes(pickle.dumps({"fid": MU})[:-20])
    (tmp_path / "text.pkl").write_text("no pickle")
    for name in ("cut.pkl", "text.pkl"):
        with pytest.raises(UnreadableError, match="is not read"):
            read_pickled(tmp_path / name, 4, 1)
    with pytest.raises(MissingFileError):
        read_pickled(tmp_path / "none.pkl", 4, 1)


def test_a_pickle_is_read_only_where_the_user_says_so() -> None:
    require_allowed(Path("ref.npz"), False)
    require_allowed(Path("ref.pkl"), True)
    with pytest.raises(ConfigError, match="--allow-pickle"):
        require_allowed(Path("ref.pkl"), False)
