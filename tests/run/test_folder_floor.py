"""The null floor of a folder: real videos against the other real ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ivbench import registry
from ivbench.cli.main import main
from ivbench.metrics import Batch, NullFloor
from ivbench.metrics.manifold_means import Authenticity
from ivbench.metrics.mean_metric import MeanEvidence
from ivbench.results.files import read_results
from ivbench.results.store import Store
from ivbench.run.folder_copies import closest_in_words, nearest_videos
from ivbench.run.folder_features import FolderFeatures, Shape
from ivbench.run.folder_floor import folder_floor, real_value
from ivbench.run.folder_items import Item
from tests.peers.material import write_images, write_videos
from tests.unit.metrics.cells import conditions

REAL = np.random.default_rng(0).normal(size=(60, 1, 3)).astype(np.float32)


def features(rows: np.ndarray = REAL) -> FolderFeatures:
    items = [Item(Path(f"{place}.mp4"), f"{place:064x}") for place in range(len(rows))]
    return FolderFeatures(items, list(rows), [Shape(8, 24, 40, 6.0)] * len(rows))


def floor(tmp_path: Path, name: str = "fvd", generated: int = 20, rows: np.ndarray = REAL) -> NullFloor | None:
    metric = registry.load("metric", name)()
    blocks = [rows[:, 0] if metric.kind == "clips" else rows]
    chosen = conditions(num_prompts=generated, reference=metric.prepare(blocks, "r" * 64, len(rows)))
    return folder_floor(metric, chosen, features(rows), generated, Store(tmp_path / "store"))


def test_it_counts_its_videos_and_never_more_than_half(tmp_path: Path) -> None:
    for generated, count in ((20, 20), (500, 30)):
        found = floor(tmp_path, generated=generated)
        assert found is not None
        assert (found.count, found.reference_count, len(found.values)) == (count, 60 - count, 20)
        assert not found.of_prompts


def test_it_is_what_an_unchanged_distribution_scores(tmp_path: Path) -> None:
    """Over sets of real videos: a fresh draw of as many, against as many, is about the floor's mean."""
    draw, metric = np.random.default_rng(1), registry.load("metric", "fvd")()
    floors, fresh = [], []
    for place in range(12):
        rows = draw.normal(size=(40, 1, 3)).astype(np.float32)
        found = floor(tmp_path / str(place), generated=20, rows=rows)
        assert found is not None
        floors.append(found.mean)
        chosen = conditions(reference=metric.prepare([draw.normal(size=(20, 3))], "r" * 64, 20))
        fresh.append(metric.measure(chosen)(draw.normal(size=(20, 3))))
    assert np.mean(floors) == pytest.approx(np.mean(fresh), rel=0.25)


@pytest.mark.parametrize("name", ["kid", "recall", "frame_fid_infinite"])
def test_every_metric_against_real_videos_has_one(name: str, tmp_path: Path) -> None:
    found = floor(tmp_path, name)
    assert found is not None
    assert np.isfinite(found.values).all()
    assert abs(found.mean - (100.0 if name == "recall" else 0.0)) < (60 if name == "recall" else 0.5)


def test_it_is_kept_and_few_videos_give_none(tmp_path: Path) -> None:
    first, again = floor(tmp_path), floor(tmp_path)
    assert first is not None
    assert again is not None
    assert np.array_equal(first.values, again.values)
    assert len(list(Store(tmp_path / "store").ids())) == 1
    assert floor(tmp_path, "recall", rows=REAL[:5]) is None


@pytest.mark.parametrize(("name", "about"), [("precision", 80.0), ("density", 1.0), ("authenticity", 50.0)])
def test_means_against_real_videos_have_what_real_ones_score(name: str, about: float) -> None:
    """Of 60 videos of one distribution: most lie in a ball, in one on the average, half are nearer than its own."""
    metric = registry.load("metric", name)()
    chosen = conditions(num_prompts=20, reference=metric.prepare([REAL], "r" * 64, len(REAL)))
    value = real_value(metric, chosen, features(), 20)
    assert value == pytest.approx(about, rel=0.3)
    assert value == real_value(metric, chosen, features(), 20)
    assert real_value(metric, chosen, features(REAL[:1]), 20) is None


def test_authenticity_names_the_training_video_that_a_copy_is_of(tmp_path: Path) -> None:
    draw = np.random.default_rng(4)
    # Brightness sets the videos apart: all of the training set is in the dark half, what is new in the bright one.
    train = [
        np.full((4, 24, 40, 3), 8 * n, np.uint8) + draw.integers(0, 8, (4, 24, 40, 3), np.uint8) for n in range(12)
    ]
    train.append(np.full((6, 24, 40, 3), 120, np.uint8))
    train[0] = train[0][[0, 1, 2, 3, 0, 1]]  # longer ones come to the metric after the others
    write_videos(tmp_path / "ref", train)
    copy, new = train[5].copy(), np.full((6, 24, 40, 3), 250, np.uint8)
    copy[0, 0, 0] ^= 1
    write_videos(tmp_path / "gen", [new, copy, train[12]])
    asked = ["score", "--generated", str(tmp_path / "gen"), "--reference", str(tmp_path / "ref")]
    asked += ["--metrics", "authenticity", "--out", str(tmp_path / "o"), "--store", str(tmp_path / "s")]
    asked += ["--extractor", "frame-probe", "--floor-draws", "0"]
    assert main(asked) == 0
    score = read_results(tmp_path / "o" / "results.json").cells[0].scores[0]
    assert (score.units, score.by_prompt) == (["000.npy", "001.npy", "002.npy"], [[100.0, 0.0, 0.0]])
    assert [one.file for one in score.nearest[1:]] == ["005.npy", "012.npy"]
    assert score.nearest[0].distance > score.nearest[0].spacing
    assert score.nearest[1].distance < 0.1 * score.nearest[1].spacing
    assert score.nearest[2].distance == pytest.approx(0.0, abs=1e-6)
    (note,) = [note for note in score.notes if note.startswith("closest to a real video")]
    assert "002.npy to 012.npy (0" in note
    assert "001.npy to 005.npy (" in note
    assert "000.npy" not in note
    assert "1 generated videos are the same file as one of the reference" in score.notes


def authenticity(generated: np.ndarray, real: np.ndarray) -> MeanEvidence:
    metric = Authenticity()
    chosen = conditions(num_prompts=len(generated), reference=metric.prepare([real], "r" * 64, len(real)))
    return metric.gather([Batch(0, np.arange(len(generated)), generated)], chosen)


def test_a_copy_of_a_training_video_that_stands_twice_is_named_too() -> None:
    twice = np.concatenate([REAL, REAL[:1]])
    names = [f"real {place}" for place in range(61)]
    near, far = REAL[:1] + np.float32(1e-4), REAL[1:2] + np.float32(50)
    found, usual = nearest_videos(authenticity(np.concatenate([near, far]), twice), names)
    assert (found[0].file, found[0].spacing) == ("real 0", 0.0)
    assert found[0].distance > 0.0  # so authenticity, as it is defined, takes it for new
    named, missed = closest_in_words(["near", "far"], found, usual)
    assert named.startswith("closest to a real video")
    assert "near to real 0 (0.000" in named
    assert "far" not in named
    assert missed.startswith("1 of the videos is nearest to a real video that stands twice")
    all_twice, none = nearest_videos(authenticity(near, np.concatenate([REAL, REAL])), names * 2)
    assert none == 0.0
    assert len(closest_in_words(["near"], all_twice, none)) == 1  # none is usual: it is counted, and not named
    once, usual = nearest_videos(authenticity(far, REAL), names)
    assert closest_in_words(["far"], once, usual) == []


def test_a_measure_of_time_has_that_of_the_reference(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    steps = np.arange(6, dtype=np.uint8)[:, None, None, None]
    for side, size in (("gen", 3), ("ref", 5)):
        write_videos(tmp_path / side, [np.broadcast_to(steps * size, (6, 24, 40, 3)).copy()] * 3)
    asked = ["score", "--generated", str(tmp_path / "gen"), "--reference", str(tmp_path / "ref")]
    asked += ["--metrics", "flicker", "--out", str(tmp_path / "o"), "--store", str(tmp_path / "s")]
    assert main(asked) == 0
    score = read_results(tmp_path / "o" / "results.json").cells[0].scores[0]
    assert (score.value, score.context["ground_truth"]) == (3.0, 5.0)
    assert main(["report", str(tmp_path / "o"), "--no-open"]) == 0
    assert "real videos" in (tmp_path / "o" / "report.html").read_text(encoding="utf-8")
    write_images(tmp_path / "images", [np.zeros((24, 40, 3), np.uint8)] * 2)
    against_images = [str(tmp_path / "images") if word == str(tmp_path / "ref") else word for word in asked]
    assert main(against_images) == 0
    capsys.readouterr()
    assert main([*against_images[:1], "--generated", str(tmp_path / "images"), *against_images[5:]]) == 2
    assert "images has the 2 frames of a clip: 2 are too short" in capsys.readouterr().err
    assert main([*asked, "--floor-draws", "0"]) == 0
    assert "ground_truth" not in read_results(tmp_path / "o" / "results.json").cells[0].scores[0].context


def test_the_command_prints_it_beside_the_value(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    draw = np.random.default_rng(0)
    for side in ("gen", "ref"):
        write_videos(tmp_path / side, list(draw.integers(0, 256, (6, 4, 24, 40, 3), dtype=np.uint8)))
    asked = ["score", "--generated", str(tmp_path / "gen"), "--reference", str(tmp_path / "ref"), "--metrics", "fvd"]
    asked += ["--extractor", "video-probe", "--out", str(tmp_path / "o"), "--store", str(tmp_path / "s")]
    assert main(asked) == 0
    shown = capsys.readouterr().out
    assert "real videos" in shown
    assert "drawn with 3 clips against 3, this value with 6 against 6" in " ".join(shown.split())
    assert main([*asked, "--floor-draws", "0"]) == 0
    assert "drawn with" not in capsys.readouterr().out
