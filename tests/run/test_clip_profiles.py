"""CLIP scores and R-Precision under the profiles named after packages, against those packages' frozen numbers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from ivbench import config
from ivbench.results.schema import Score
from ivbench.results.store import Store
from ivbench.run import Silent
from ivbench.run.folder_extraction import Choices
from ivbench.run.folder_scoring import FolderRequest, score_folders
from tests.peers.clip_material import CAPTIONS, LONG, RESNET, VIT, Frames, clip_folder, many
from tests.peers.material import write_images

GOLDEN = Path(__file__).parents[1] / "golden"
PACKAGES = json.loads((GOLDEN / "peers.json").read_text(encoding="utf-8"))["values"]
SOURCES = json.loads((GOLDEN / "sources.json").read_text(encoding="utf-8"))["values"]
WITH_LONG = [*CAPTIONS[:3], LONG]


def golden_images(side: str) -> list[Frames]:
    with np.load(GOLDEN / "peers.npz") as arrays:
        return [arrays[f"{side}_image_{i}"] for i in range(4)]


def scored(tmp_path: Path, images: list[Frames], captions: list[str], metric: str, profile: str) -> Score:
    folder = write_images(tmp_path / "gen", images)
    named = {path.name: text for path, text in zip(sorted(folder.iterdir()), captions, strict=True)}
    (tmp_path / "captions.json").write_text(json.dumps(named))
    clip = clip_folder(tmp_path / "clip", RESNET if profile == "park-r-precision" else VIT)
    choices = Choices(config.profile(profile), {"clip": clip})
    request = FolderRequest(folder, None, (metric,), choices, str(tmp_path / "captions.json"))
    found = score_folders(request, Store(tmp_path / "store"), Silent(), tmp_path / "out", "test")
    return found.results.cells[0].scores[0]


def test_hessels_clipscore_is_their_codes(tmp_path: Path) -> None:
    expected = SOURCES["hessel-clipscore"]
    score = scored(tmp_path, golden_images("generated"), WITH_LONG, "clip_score", "hessel-clipscore")
    np.testing.assert_allclose(score.by_prompt[0], expected, rtol=1e-4, atol=1e-5)  # type: ignore[arg-type]
    assert score.value == pytest.approx(np.mean(expected), rel=1e-5)
    assert min(expected) == 0 < max(expected)  # a negative cosine counts as 0
    assert any(note.startswith("1 prompt is longer") for note in score.notes)


@pytest.mark.parametrize(("captions", "case"), [(CAPTIONS, ""), (WITH_LONG, ", a long text")])
def test_torchmetrics_clip_score_is_theirs_long_texts_included(tmp_path: Path, captions: list[str], case: str) -> None:
    expected = PACKAGES[f"clip_score torchmetrics-clipscore{case}"]
    score = scored(tmp_path, golden_images("generated"), captions, "clip_score", "torchmetrics-clipscore")
    assert expected > 0
    assert score.value == pytest.approx(expected, rel=1e-4)


def test_parks_r_precision_is_the_expectation_over_their_draws(tmp_path: Path) -> None:
    expected = SOURCES["park-r-precision"]
    images, captions = many([*golden_images("generated"), *golden_images("reference")])
    score = scored(tmp_path, images, captions, "r_precision", "park-r-precision")
    hits = (1 - np.array(expected["above"]) / (len(captions) - 1)) ** 99
    np.testing.assert_allclose(score.by_prompt[0], 100 * hits, rtol=1e-9, atol=1e-9)  # type: ignore[arg-type]
    drawn, draws = np.array(expected["hits"]), expected["draws"]
    assert 0 < drawn.mean() < 1
    assert abs(drawn.mean() - hits.mean()) <= 4 * np.sqrt((hits * (1 - hits)).sum() / draws) / len(hits)
    assert score.fields["replacement"] is True
    assert score.context["chance"] == pytest.approx(100 * np.mean((np.arange(48) / 47) ** 99))
