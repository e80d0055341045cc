"""`ivbench metric validate`: a metric's response to distortions, from a folder or the embedded domain."""

from __future__ import annotations

import csv
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from ivbench.cli.main import main
from ivbench.config import ClipChoice, profile
from ivbench.errors import ConfigError, ShapeError
from ivbench.results.store import Store
from ivbench.run import Silent
from ivbench.run import validation as module
from ivbench.run.folder_extraction import Choices, Extraction
from ivbench.run.validation import LEVELS, validate_metric
from tests.peers.material import write_videos


def extraction(tmp_path: Path, extractor: str) -> Extraction:
    return Extraction(Choices(profile("ivbench"), {}, extractor), Store(tmp_path / "store"), Silent())


@pytest.mark.parametrize(("metric", "extractor"), [("fvd", "video-probe"), ("kid", "frame-probe")])
def test_the_strongest_distortion_of_pixels_is_above_the_floor(
    metric: str, extractor: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_CLIPS", 32)
    floor, responses = validate_metric(metric, "shapes", extraction(tmp_path, extractor), Silent())
    found = {response.distortion: response.values for response in responses}
    assert len(found) == 10
    for name in ("noise", "blur", "colour", "compression"):
        assert len(found[name]) == len(LEVELS)
        assert found[name][-1] > found[name][0]
        assert found[name][-1] > 1.3 * abs(floor)


def test_frames_metrics_do_not_see_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CLIPS", 24)
    floor, responses = validate_metric("frame_fid", "shapes", extraction(tmp_path, "frame-probe"), Silent())
    found = {response.distortion: response.values for response in responses}
    for name in ("shuffle", "reverse"):
        assert found[name] == pytest.approx([floor] * len(LEVELS), rel=1e-4)


def test_the_command_writes_table_and_figure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    draw = np.random.default_rng(0)
    write_videos(tmp_path / "data", list(draw.integers(0, 256, (8, 8, 24, 40, 3), dtype=np.uint8)))
    monkeypatch.chdir(tmp_path)
    asked = ["metric", "validate", "fvd", "--data", "data", "--extractor", "video-probe"]
    assert main([*asked, "--out", "o", "--store", "s"]) == 0
    assert "reverse" in capsys.readouterr().out
    rows = list(csv.DictReader((tmp_path / "o" / "response.csv").read_text().splitlines()))
    assert len(rows) == 1 + 10 * len(LEVELS)
    assert ElementTree.parse(tmp_path / "o" / "response.svg").getroot().tag.endswith("svg")
    write_videos(tmp_path / "few", list(draw.integers(0, 256, (3, 8, 24, 40, 3), dtype=np.uint8)))
    with pytest.raises(ShapeError, match="at least 4 are needed"):
        validate_metric("fvd", tmp_path / "few", extraction(tmp_path, "video-probe"), Silent())


def test_broken_and_short_videos_are_left_out_and_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    draw = np.random.default_rng(0)
    whole = list(draw.integers(0, 256, (6, 8, 24, 40, 3), dtype=np.uint8))
    write_videos(tmp_path / "data", [*whole, whole[0][:5]])
    (tmp_path / "data" / "broken.gif").write_bytes(b"nothing")
    chosen = profile("ivbench").model_copy(update={"clip": ClipChoice(frames=8)})
    told = Extraction(Choices(chosen, {}, "video-probe"), Store(tmp_path / "store"), Silent())
    reporter = Silent()
    said: list[str] = []
    monkeypatch.setattr(reporter, "say", said.append)
    found = module._read(tmp_path / "data", told, reporter)
    assert len(found) == len(whole)
    assert len(said) == 2
    assert "broken.gif" in said[0]
    assert said[1] == "left out: 1 videos are too short for a clip"


@pytest.mark.parametrize("name", ["precision", "flicker"])
def test_a_metric_of_single_videos_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not compare two sets of videos"):
        validate_metric(name, "shapes", extraction(tmp_path, "frame-probe"), Silent())
