"""References that are files of statistics: ivbench's own, other tools', pickles, and those that do not serve."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ivbench.config import profile
from ivbench.errors import ConfigError, ProtocolError, ShapeError, UnreadableError
from ivbench.metrics.statistics_files import read_statistics
from ivbench.results.files import read_results
from ivbench.results.store import Store
from ivbench.run import Silent
from ivbench.run.folder_extraction import Choices, Extraction
from ivbench.run.folder_scoring import FolderRequest, folder_statistics, score_folders
from tests.run.folders import PROBED, run, scored, videos


def test_statistics_stand_in_for_their_folder_and_say_what_made_them(tmp_path: Path) -> None:
    videos(tmp_path / "gen", 4, 0)
    videos(tmp_path / "ref", 5, 1)
    asked = ("ref", "--metric", "fvd", "--extractor", "video-probe", "--out", "ref.npz")
    done = run(*asked, folder=tmp_path, name="metric stats")
    assert done.stdout.startswith("statistics of 5 videos"), done.stderr
    direct = scored(tmp_path).results.cells[0].scores[0]
    request = FolderRequest(tmp_path / "gen", tmp_path / "ref.npz", ("fvd",), PROBED)
    found = score_folders(request, Store(tmp_path / "store"), Silent(), tmp_path / "out", "test")
    stored = found.results.cells[0].scores[0]
    assert stored.value == pytest.approx(direct.value, rel=1e-6)
    assert stored.protocol == direct.protocol
    other = replace(request, choices=Choices(profile("ivbench-ddof0"), {}, "video-probe"))
    with pytest.raises(ProtocolError, match=r"ddof \(1 / 0\)"):
        score_folders(other, Store(tmp_path / "store"), Silent(), tmp_path / "out", "test")


def test_statistics_that_do_not_serve_are_refused_before_a_video_is_looked_at(tmp_path: Path) -> None:
    videos(tmp_path / "gen", 4, 0)
    np.savez(tmp_path / "ref.npz", mu=np.zeros(3), sigma=np.eye(3))
    np.savez(tmp_path / "fvd.npz", mu=np.zeros(32), sigma=np.eye(32), made=json.dumps({"metric": "frame_fid"}))
    store = Store(tmp_path / "store")
    for name, metric, extractor, error, why in (
        ("ref.npz", "fvd", "video-probe", ShapeError, "is of 3 features, the extractor gives 32"),
        ("fvd.npz", "fvd", "video-probe", ProtocolError, r"metric \(frame_fid / fvd\)"),
        ("ref.npz", "authenticity", "frame-probe", ConfigError, "has their statistics alone"),
    ):
        choices = Choices(profile("ivbench"), {}, extractor)
        with pytest.raises(error, match=why):
            score_folders(
                FolderRequest(tmp_path / "gen", tmp_path / name, (metric,), choices),
                *(store, Silent(), tmp_path / "out", "test"),
            )
    assert not list(store.ids())


def test_a_pickle_of_statistics_is_read_where_it_is_allowed(tmp_path: Path) -> None:
    videos(tmp_path / "gen", 4, 0)
    videos(tmp_path / "ref", 5, 1)
    direct = scored(tmp_path).results.cells[0].scores[0]
    found = Extraction(PROBED, Store(tmp_path / "store"), Silent()).features("clips", tmp_path / "ref", True)
    rows = np.concatenate(found.features).astype(np.float64)
    sums = {"num_items": len(rows), "raw_mean": rows.sum(0), "raw_cov": rows.T @ rows}
    (tmp_path / "ref.pkl").write_bytes(pickle.dumps(sums))
    asked = ("--generated", "gen", "--reference", "ref.pkl", "--metrics", "fvd", "--extractor", "video-probe")
    refused = run(*asked, folder=tmp_path)
    assert refused.returncode == 2
    assert "Give --allow-pickle" in refused.stderr
    done = run(*asked, "--allow-pickle", "--out", "out", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    score = read_results(tmp_path / "out" / "results.json").cells[0].scores[0]
    assert score.value == pytest.approx(direct.value, rel=1e-6)
    assert score.counts.reference == len(rows)


def test_other_tools_statistics_are_read_and_said_to_be_taken_on_trust(tmp_path: Path) -> None:
    videos(tmp_path / "gen", 4, 0)
    videos(tmp_path / "ref", 5, 1)
    request = FolderRequest(tmp_path / "gen", tmp_path / "ref", ("fvd",), PROBED)
    kept = Store(tmp_path / "store")
    folder_statistics(tmp_path / "ref", "fvd", request.choices, kept, Silent(), tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz") as file:
        np.savez(tmp_path / "theirs.npz", mu=file["mu"], sigma=file["sigma"])
    direct = scored(tmp_path).results.cells[0].scores[0]
    found = score_folders(
        replace(request, reference=tmp_path / "theirs.npz"),
        *(Store(tmp_path / "store"), Silent(), tmp_path / "out", "test"),
    )
    score = found.results.cells[0].scores[0]
    assert score.value == pytest.approx(direct.value, rel=1e-6)
    assert score.counts.reference is None
    assert any("taken on trust" in note for note in score.notes)
    for wrong in ({"made": "{"}, {"rows": 0}, {"rows": -4}, {"count": -3}):
        np.savez(tmp_path / "odd.npz", mu=np.zeros(3), sigma=np.eye(3), **wrong)
        with pytest.raises(UnreadableError, match="says wrongly what made it"):
            read_statistics(tmp_path / "odd.npz", 1)
    np.savez(tmp_path / "bad.npz", mu=np.zeros(3), sigma=np.eye(4))
    with pytest.raises(ShapeError, match="mu is"):
        score_folders(
            replace(request, reference=tmp_path / "bad.npz"),
            *(Store(tmp_path / "store"), Silent(), tmp_path / "out", "test"),
        )
