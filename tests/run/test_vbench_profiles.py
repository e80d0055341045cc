"""VBench's dimensions under the profiles of its name, from pixels to the number, against its own frozen numbers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ivbench.config import Profile, profile
from ivbench.report.exports import export
from ivbench.results.schema import Results
from ivbench.results.store import Store
from ivbench.run import Silent
from ivbench.run.folder_extraction import Choices
from ivbench.run.folder_scoring import FolderRequest, score_folders
from tests.peers.clip_material import CAPTIONS, clip_folder
from tests.peers.material import consistency_videos, dino_file, write_videos

GOLDEN = Path(__file__).parents[1] / "golden"
VALUES = json.loads((GOLDEN / "sources.json").read_text(encoding="utf-8"))["values"]["vbench"]
DIMENSIONS = {
    "background_consistency": ("background_consistency", "vbench"),
    "temporal_flickering": ("temporal_flickering", "vbench"),
    "appearance_style": ("clip_score", "vbench-appearance-style"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("vbench")
    paths = sorted(write_videos(found / "videos", consistency_videos()).iterdir())
    captions = {path.name: text for path, text in zip(paths, CAPTIONS, strict=False)}
    (found / "captions.json").write_text(json.dumps(captions), encoding="utf-8")
    clip_folder(found / "clip")
    return found


def scored(folder: Path, metric: str, chosen: Profile) -> Results:
    captions = str(folder / "captions.json") if metric == "clip_score" else None
    weights = {"clip": folder / "clip", "dino": folder / "dino.pth"}
    request = FolderRequest(folder / "videos", None, (metric,), Choices(chosen, weights), captions)
    return score_folders(request, Store(folder / "store"), Silent(), folder / "out", "test").results


def require(results: Results, dimension: str, rel: float) -> None:
    """The value of all, of each video, and the file in VBench's layout are VBench's."""
    (score,), expected = results.cells[0].scores, VALUES[dimension]
    assert score.value == pytest.approx(expected["value"], rel=rel)
    np.testing.assert_allclose(score.by_prompt[0], expected["videos"], rtol=1e-5)  # type: ignore[arg-type]
    assert score.higher_is_better
    assert score.interval is not None
    assert score.interval.low < score.value < score.interval.high
    ((name, content),) = json.loads(export("vbench", [("a", results)])).items()
    assert name.partition(" [")[0] == dimension
    assert content == [score.value, [{"video_path": f"{i:03}.npy", "video_results": v} for i, v in videos(score)]]


def videos(score: Any) -> list[tuple[int, float]]:
    return list(enumerate(score.by_prompt[0]))


@pytest.mark.parametrize("dimension", DIMENSIONS)
def test_a_dimension_is_vbenchs(dimension: str, folder: Path) -> None:
    metric, name = DIMENSIONS[dimension]
    require(scored(folder, metric, profile(name)), dimension, rel=1e-6)


@pytest.mark.slow
def test_subject_consistency_is_vbenchs(folder: Path) -> None:
    dino_file(folder)
    require(scored(folder, "subject_consistency", profile("vbench")), "subject_consistency", rel=1e-6)


def test_every_frame_counts_alike_and_not_every_video(folder: Path) -> None:
    per_video = np.mean(VALUES["background_consistency"]["videos"])
    chosen = profile("vbench").model_copy(update={"name": "by-prompt", "mean": "prompts"})
    (score,) = scored(folder, "background_consistency", chosen).cells[0].scores
    assert score.value == pytest.approx(per_video, rel=1e-6)
    assert abs(per_video / VALUES["background_consistency"]["value"] - 1) > 1e-2
    assert "mean" not in score.fields


@pytest.mark.parametrize(
    "other", [{"clamp": True}, {"kernel": "torch-bicubic-antialias"}, {"kernel": "pil-bicubic"}, {"fit": "squash"}]
)
def test_each_choice_of_the_preparation_shows_in_the_number(other: dict[str, Any], folder: Path) -> None:
    chosen = profile("vbench")
    assert chosen.image_text is not None
    clamp = other.get("clamp", False)
    steps = tuple(
        step.model_copy(update={k: v for k, v in other.items() if k != "clamp"}) for step in chosen.image_text.resize
    )
    changed = chosen.image_text.model_copy(update={"clamp": clamp, "resize": steps})
    found = scored(folder, "background_consistency", chosen.model_copy(update={"name": "x", "image_text": changed}))
    assert abs(found.cells[0].scores[0].value / VALUES["background_consistency"]["value"] - 1) > 1e-5
