"""`ivbench compare --explain` between the scores of folders, where network, tap, resize and weights are choices."""

from __future__ import annotations

import json
import shutil
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

from ivbench.cli.main import main
from ivbench.config import differing_choices, file_digest, profile, profile_between
from ivbench.errors import MissingFileError
from ivbench.results.files import read_results
from ivbench.results.store import Store
from ivbench.run import Silent
from ivbench.run.folder_extraction import Choices
from ivbench.run.folder_scoring import FolderRequest, folder_score
from ivbench.run.rescoring_folders import Contents, folder_choices, rescored_folders
from tests.peers.material import i3d_file, inception_file, stylegan_file, write_images, write_videos


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made, draw = tmp_path_factory.mktemp("explain"), np.random.default_rng(0)
    for side, seed_frames in (("gen", 4), ("ref", 5)):
        write_images(made / side, list(draw.integers(0, 256, (seed_frames, 40, 56, 3), dtype=np.uint8)))
        write_videos(made / f"{side}-videos", list(draw.integers(0, 256, (seed_frames, 16, 24, 24, 3), dtype=np.uint8)))
    inception_file(made)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scripting warns of its own age
        stylegan_file(made)
    i3d_file(made)
    return made


def run(folder: Path, *arguments: str) -> int:
    """The command's exit code, as a process of its own in the folder gives it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("IVBENCH_STORE", str(folder / "store"))
        patch.setattr(sys, "argv", ["ivbench", *arguments])
        return main(arguments)


def scored(folder: Path, out: str, *options: str) -> float:
    assert run(folder, "score", "--out", out, "--floor-draws", "0", *options) == 0
    return read_results(folder / out / "results.json").cells[0].scores[0].value


def steps(folder: Path, old: str, new: str) -> list[dict[str, Any]]:
    assert run(folder, "compare", old, new, "--explain", "--json", "explained.json") == 0
    (found,) = json.loads((folder / "explained.json").read_text())["metrics"]
    changes = sum(step["change"] for step in found["steps"])
    assert found["old"]["value"] + changes == pytest.approx(found["new"]["value"])
    return list(found["steps"])


IMAGES = ("--generated", "gen", "--reference", "ref", "--weights", "inception=inception.pth")
METRICS = ("frame_fid", "kid")
VIDEOS = ("--generated", "gen-videos", "--reference", "ref-videos", "--metrics", "fvd")


def test_resize_and_statistics_of_two_packages_are_steps_with_the_numbers_of_profiles_between(folder: Path) -> None:
    scored(folder, "pytorch-fid", "--profile", "pytorch-fid", *IMAGES)
    new = scored(folder, "clean-fid", "--profile", "clean-fid", *IMAGES)
    found = steps(folder, "pytorch-fid", "clean-fid")

    ends = profile("pytorch-fid"), profile("clean-fid")
    assert [step["choice"] for step in found] == [f"profile.{name}" for name in differing_choices(*ends)]
    assert found[0]["choice"] == "profile.frames.resize"
    assert "tf1-bilinear" not in found[0]["new"]
    assert "preprocess" in found[0]["fields"]
    assert abs(found[0]["change"]) > 1e-3 * new
    between = Choices(profile_between(*ends, ["frames.resize"]), {"inception": folder / "inception.pth"})
    request = FolderRequest(folder / "gen", folder / "ref", ("frame_fid",), between)
    assert found[0]["value"] == folder_score(request, Store(folder / "store"), Silent()).value
    assert found[-1]["value"] == pytest.approx(new, rel=1e-9)


def test_two_networks_their_taps_and_weights_are_walked(folder: Path) -> None:
    """Each side names the weights of its own network alone; the profile of the other finds them all the same."""
    scored(folder, "i3d", "--profile", "cd-fvd-i3d", "--weights", "i3d=i3d.pt", *VIDEOS)
    weights = ("--weights", "i3d-torchscript=i3d_torchscript.pt")
    new = scored(folder, "script", "--profile", "stylegan-v-2048-16f", *weights, *VIDEOS)
    found = steps(folder, "i3d", "script")
    networks = next(step for step in found if "clips.name" in step["choice"])
    assert networks["choice"] == "profile.clips.name, profile.clips.tap"  # no network has the other's output
    assert (networks["old"], networks["new"]) == ("i3d, logits", "i3d-torchscript, features")
    assert found.index(networks) < [step["choice"] for step in found].index("profile.clips.resize")  # I3D needs it
    assert {"extractor", "weights"} <= networks["fields"].keys()
    assert not any(step["choice"] == "weights" for step in found)
    assert not any("explained" in step["choice"] for step in found)
    assert found[-1]["value"] == pytest.approx(new, rel=1e-9)


def test_weights_reference_and_videos_are_steps_of_their_own(folder: Path) -> None:
    other = folder / "other"
    other.mkdir()
    inception_file(other, seed=2)
    for name, seed in (("gen2", 7), ("ref2", 8)):
        draw = np.random.default_rng(seed)
        write_images(folder / name, list(draw.integers(0, 256, (4, 40, 56, 3), dtype=np.uint8)))
    scored(folder, "before", "--profile", "pytorch-fid", *IMAGES)
    given = ("--generated", "gen2", "--reference", "ref2", "--weights", "inception=other/inception.pth")
    new = scored(folder, "after", "--profile", "pytorch-fid", *given)
    found = steps(folder, "before", "after")
    assert [step["choice"] for step in found] == ["weights", "reference", "videos"]
    assert found[0]["old"].startswith("inception ")
    assert found[0]["old"] != found[0]["new"]
    assert found[1]["new"].startswith("ref2, videos ")
    assert found[2]["new"].startswith("gen2, videos ")
    assert found[-1]["value"] == new


def test_equal_files_need_no_step(folder: Path) -> None:
    scored(folder, "once", "--profile", "pytorch-fid", *IMAGES)
    shutil.copytree(folder / "gen", folder / "renamed")
    scored(folder, "again", "--profile", "pytorch-fid", "--generated", "renamed", *IMAGES[2:])
    (only,) = steps(folder, "once", "again")
    assert only["choice"] == "videos"  # by another folder's name
    assert only["change"] == 0.0


def test_captions_and_the_choices_of_a_clip_score_are_walked(folder: Path) -> None:
    pytest.importorskip("open_clip")
    from tests.peers.clip_material import CAPTIONS, clip_folder

    clip_folder(folder / "clip")
    for name, captions in (("captions", CAPTIONS), ("swapped", CAPTIONS[::-1])):
        named = {f"{number:03}.png": caption for number, caption in enumerate(captions)}
        (folder / f"{name}.json").write_text(json.dumps(named))
    given = ("--generated", "gen", "--metrics", "clip_score", "--weights", "clip=clip")
    scored(folder, "lightning", "--profile", "torchmetrics-clipscore", "--captions", "captions.json", *given)
    new = scored(folder, "hessel", "--profile", "hessel-clipscore", "--captions", "swapped.json", *given)
    found = {step["choice"]: step for step in steps(folder, "lightning", "hessel")}
    assert {"profile.image_text.prefix", "profile.clip_score.weight", "captions"} <= found.keys()
    assert found["profile.image_text.prefix"]["new"] == "A photo depicts "
    assert found["captions"]["old"].startswith("captions.json ")
    assert found["captions"]["new"].startswith("swapped.json ")
    assert found["captions"]["value"] == pytest.approx(new)
    assert "reference" not in found


def test_a_folder_that_changed_since_is_said(folder: Path) -> None:
    shutil.copytree(folder / "ref", folder / "growing")
    given = ("--generated", "gen", "--reference", "growing", *IMAGES[4:])
    scored(folder, "then", "--profile", "pytorch-fid", *given)
    scored(folder, "clean", "--profile", "clean-fid", *given)
    write_images(folder / "growing" / "more", list(np.random.default_rng(3).integers(0, 256, (1, 40, 56, 3), np.uint8)))
    found = steps(folder, "then", "clean")
    assert found[0]["choice"].startswith("computed again (")
    assert "reference" in found[0]["choice"]
    assert found[-1]["choice"].startswith("not explained (")


def test_what_cannot_be_explained_is_said_in_a_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scored(folder, "one", "--profile", "pytorch-fid", *IMAGES)
    record = json.loads((folder / "one" / "results.json").read_text())
    (folder / "of-suite.json").write_text(json.dumps({**record, "command": "ivbench run --suite quick"}))
    (folder / "gone.json").write_text(json.dumps({**record, "command": record["command"].replace(" gen ", " lost ")}))
    for other, said in (
        ("of-suite.json", "plans something else now"),
        ("gone.json", "lost is not there, which the command of gone.json"),
    ):
        assert run(folder, "compare", "one", other, "--explain") == 2
        assert said in capsys.readouterr().err


def test_files_without_a_common_metric_say_which_they_have(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scored(folder, "fid", "--profile", "pytorch-fid", *IMAGES)
    scored(folder, "kid", "--profile", "pytorch-fid", "--metrics", "kid", *IMAGES)
    assert run(folder, "compare", "fid", "kid", "--explain") == 2
    assert "share no metric: old has frame_fid, new has kid." in capsys.readouterr().err


def test_other_names_of_equal_files_are_other_videos(folder: Path) -> None:
    """Captions go by names, and so does what the first videos are."""
    before = Contents().videos(folder / "gen")
    shutil.copytree(folder / "gen", folder / "swapped" / "gen")
    first, second, *_ = sorted((folder / "swapped" / "gen").iterdir())
    first.rename(first.with_name("kept.png"))
    second.rename(first)
    (first.with_name("kept.png")).rename(second)
    assert Contents().videos(folder / "swapped" / "gen") != before
    assert Contents().videos(folder / "gen") == before


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files whose digests were computed, in order."""
    found: list[Path] = []

    def counted(path: Path) -> str:
        found.append(path)
        return file_digest(path)

    for module in ("ivbench.extractors.weights", "ivbench.run.folder_items"):
        monkeypatch.setattr(f"{module}.file_digest", counted)
    return found


def test_the_choices_of_all_metrics_of_both_files_read_each_file_once(folder: Path, read: list[Path]) -> None:
    weights = {"inception": folder / "inception.pth"}
    request = FolderRequest(folder / "gen", folder / "ref", METRICS, Choices(profile("pytorch-fid"), weights))
    found = Contents()
    made = [folder_choices(request, metric, request, found) for metric in METRICS for _ in ("old", "new")]
    assert all(str(one["weights"]).startswith("inception ") for one in made)
    assert sorted(read) == sorted([*(folder / "ref").iterdir(), folder / "inception.pth"])


def test_an_explanation_reads_each_video_once(folder: Path, read: list[Path]) -> None:
    metrics = ("--metrics", ",".join(METRICS))
    scored(folder, "one", "--profile", "pytorch-fid", *metrics, *IMAGES)
    scored(folder, "two", "--profile", "clean-fid", *metrics, *IMAGES)
    read.clear()
    assert run(folder, "compare", "one", "two", "--explain") == 0
    videos = [path.name for path in read if path.suffix == ".png"]
    expected = [path.name for side in ("gen", "ref") for path in (folder / side).iterdir()]
    assert sorted(videos) == sorted(expected)


def test_weights_that_a_profile_names_itself_have_words_too(folder: Path) -> None:
    def choices(**weights: Path) -> str:
        given = Choices(profile("hessel-clipscore"), weights)
        request = FolderRequest(folder / "gen", None, ("clip_score",), given, "names")
        return str(folder_choices(request, "clip_score", request, Contents())["weights"])

    assert choices() == "the profile's own"
    assert choices(clip=folder / "inception.pth").startswith("clip ")


@pytest.mark.parametrize("download", [False, True])
def test_explaining_downloads_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch, download: bool) -> None:
    """Scoring does, which shows that the test would see it."""
    pytest.importorskip("open_clip")
    import huggingface_hub

    asked = []

    def snapshot(name: str, local_files_only: bool = False, **_: Any) -> str:
        if not local_files_only:
            asked.append(name)
        raise OSError

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    monkeypatch.setattr("ivbench.extractors.clip_weights.offline", lambda: False)
    given = Choices(profile("hessel-clipscore"))
    request = FolderRequest(folder / "gen", None, ("clip_score",), given, "names")
    contents, store = Contents(), Store(folder / "store")
    choices = folder_choices(request, "clip_score", request, contents)

    def score() -> Any:
        if download:
            return folder_score(request, store, Silent())
        return rescored_folders(choices, request, "clip_score", contents, store, Silent())

    with pytest.raises(MissingFileError, match="are not on this machine"):
        score()
    assert bool(asked) == download
