"""Folders of videos and images to scores: the packages' frozen numbers, the cache, broken files, the command."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from ivbench.config import Profile, Subsets, profile
from ivbench.errors import ConfigError, MissingFileError, NonFiniteError, ShapeError
from ivbench.metrics.statistics_files import read_statistics
from ivbench.report.exports import export
from ivbench.results.files import read_results
from ivbench.results.store import Store
from ivbench.run import Silent
from ivbench.run.folder_extraction import Choices, Extraction
from ivbench.run.folder_features import extract_folder
from ivbench.run.folder_items import Item, buckets, clip_of, find_items, read_clip
from ivbench.run.folder_scoring import FolderRequest, folder_statistics, score_folders
from ivbench.run.package_files import package_note
from ivbench.run.pipeline import Outcome
from tests.peers.material import i3d_file, inception_file, write_images, write_videos
from tests.run.folders import PROBED, run, scored, videos

GOLDEN = Path(__file__).parents[1] / "golden"
RECORD = json.loads((GOLDEN / "peers.json").read_text(encoding="utf-8"))
VALUES: dict[str, float] = RECORD["values"]


@pytest.fixture(scope="module")
def golden(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("golden")
    with np.load(GOLDEN / "peers.npz") as arrays:
        for side in ("generated", "reference"):
            for kind, write in (("image", write_images), ("video", write_videos)):
                names = sorted(name for name in arrays.files if name.startswith(f"{side}_{kind}"))
                write(folder / f"{side}_{kind}", [arrays[name] for name in names])
            few = [arrays[name][::4] for name in names]
            write_videos(folder / f"{side}_few", few)
    inception_file(folder)
    i3d_file(folder)
    return folder


def of_golden(folder: Path, metric: str, chosen: Profile) -> float:
    kind = {"fvd": "video", "frame_fid": "image", "kid": "image"}.get(metric, "few")
    weights = {"inception": folder / "inception.pth", "i3d": folder / "i3d.pt"}
    sides = folder / f"generated_{kind}", folder / f"reference_{kind}"
    request = FolderRequest(*sides, (metric,), Choices(chosen, weights))
    found = score_folders(request, Store(folder / "store"), Silent(), folder / "out", "test")
    return found.results.cells[0].scores[0].value


def cases() -> list[object]:
    """Every frozen value; those whose profile shares all its pieces with another's are slow."""
    twins = ("frame_fid clean-fid-legacy-tensorflow", "frame_fid torchmetrics-no-antialias")
    marks = {name: [pytest.mark.slow] if name in twins else [] for name in VALUES}
    return [pytest.param(name, marks=marks[name]) for name in sorted(VALUES) if not name.startswith(("kid", "clip"))]


@pytest.mark.parametrize("name", cases())
def test_profiles_give_the_frozen_numbers_of_their_packages(name: str, golden: Path) -> None:
    metric, chosen = name.split()
    assert of_golden(golden, metric, profile(chosen)) == pytest.approx(VALUES[name], rel=1e-5)


def test_kid_gives_torch_fidelitys_frozen_number(golden: Path) -> None:
    fewer = profile("torch-fidelity").model_copy(update={"kid": Subsets(number=10, size=3, seed=2020)})
    assert of_golden(golden, "kid", fewer) == pytest.approx(VALUES["kid torch-fidelity"], rel=1e-5)


def test_a_renamed_file_is_not_computed_again_and_a_changed_one_is_noticed(tmp_path: Path) -> None:
    videos(tmp_path / "gen", 4, 0)
    videos(tmp_path / "ref", 5, 1)
    first = scored(tmp_path)
    assert first.computed == 2
    (tmp_path / "gen" / "000.npy").rename(tmp_path / "gen" / "zzz.npy")
    again = scored(tmp_path)
    assert again.computed == 0
    assert again.results.cells[0].scores[0].value == pytest.approx(first.results.cells[0].scores[0].value, rel=1e-9)
    np.save(tmp_path / "gen" / "zzz.npy", np.zeros((8, 24, 40, 3), np.uint8))
    changed = scored(tmp_path)
    assert changed.computed == 1
    assert changed.results.cells[0].scores[0].value != first.results.cells[0].scores[0].value


def test_equal_folders_have_distance_zero_and_mixed_sizes_and_lengths_are_fine(tmp_path: Path) -> None:
    for side in ("gen", "ref"):
        videos(tmp_path / side / "long", 3, 0, 8)
        write_images(tmp_path / side / "images", [np.full((30, 20, 3), 9, np.uint8)] * 2)
    found = scored(tmp_path, ("frame_fid", "kid"), "frame-probe").results.cells[0].scores
    assert found[0].value == pytest.approx(0, abs=1e-4)
    assert found[0].fields["frames"] is None
    assert found[0].counts.used == found[0].counts.reference == 4
    assert [score.metric for score in found] == ["frame_fid", "kid"]


def test_features_in_many_blocks_give_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    videos(tmp_path / "gen", 7, 0)
    videos(tmp_path / "ref", 9, 1)
    whole = scored(tmp_path).results.cells[0].scores[0]
    monkeypatch.setattr("ivbench.run.folder_features._BLOCK", 2)
    parts = scored(tmp_path).results.cells[0].scores[0]
    assert parts.value == pytest.approx(whole.value, rel=1e-9)
    assert parts.protocol == whole.protocol


def test_each_value_says_which_file_it_is_of(tmp_path: Path) -> None:
    videos(tmp_path / "gen", 4, 0)
    (tmp_path / "gen" / "broken.mp4").write_bytes(b"nothing")
    videos(tmp_path / "ref", 4, 1)
    outcome = scored(tmp_path, ("flicker", "frame_fid"), "frame-probe")
    flicker, fid = outcome.results.cells[0].scores
    names = sorted(path.name for path in (tmp_path / "gen").iterdir() if path.name != "broken.mp4")
    assert (flicker.units, fid.units) == (names, [])
    assert len(flicker.by_prompt[0]) == len(names)
    (_, told) = json.loads(export("vbench", [("a", outcome.results)]))[flicker.label]
    assert [one["video_path"] for one in told] == names


def test_broken_files_are_left_out_and_counted(tmp_path: Path) -> None:
    videos(tmp_path / "gen", 3, 0)
    videos(tmp_path / "ref", 3, 1)
    (tmp_path / "gen" / "broken.npy").write_bytes(b"no array")
    score = scored(tmp_path).results.cells[0].scores[0]
    assert (score.counts.generated, score.counts.failed, score.counts.used) == (4, 1, 3)
    assert any("1 generated files could not be read" in note for note in score.notes)


def test_short_videos_are_left_out_and_counted(tmp_path: Path, golden: Path) -> None:
    choices = Choices(profile("cd-fvd-i3d"), {"i3d": golden / "i3d.pt"})
    request = FolderRequest(tmp_path / "gen", tmp_path / "ref", ("fvd",), choices)
    videos(tmp_path / "gen", 2, 0, 15)
    videos(tmp_path / "ref", 2, 1, 15)
    with pytest.raises(ShapeError, match=r"no video of .*gen has the 16 frames of a clip: 2 are too short"):
        score_folders(request, Store(tmp_path / "store"), Silent(), tmp_path / "out", "test")


def test_every_file_is_in_the_denominator(tmp_path: Path, golden: Path) -> None:
    """Of a folder's files: short, broken, a link to nowhere, and one that stands twice, which changes no value."""
    videos(tmp_path / "gen", 3, 0, 16)
    videos(tmp_path / "gen" / "short", 2, 2, 15)
    videos(tmp_path / "ref", 4, 1, 16)
    shutil.copy(tmp_path / "gen" / "000.npy", tmp_path / "gen" / "again.npy")
    (tmp_path / "gen" / "broken.mp4").write_bytes(b"")
    (tmp_path / "gen" / "gone.npy").symlink_to("nowhere.npy")
    arguments = ("--metrics", "fvd", "--profile", "cd-fvd-i3d", "--weights", f"i3d={golden / 'i3d.pt'}")
    done = run("--generated", "gen", "--reference", "ref", *arguments, "--out", "o", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    said = "generated videos: 8 found, 4 failed (2 too short, 2 undecodable), 4 used (1 duplicate)"
    assert said in done.stdout
    (score,) = read_results(tmp_path / "o" / "results.json").cells[0].scores
    counts = score.counts
    assert (counts.generated, counts.failed, counts.used, counts.duplicate) == (8, 4, 4, 0)
    assert (counts.too_short, counts.undecodable, counts.duplicate_used) == (2, 2, 1)
    assert any(note.startswith("1 generated videos are the same file as an earlier one") for note in score.notes)
    (row, *_) = csv.DictReader((tmp_path / "o" / "results.csv").read_text().splitlines())
    assert (row["undecodable"], row["duplicate_used"]) == ("2", "1")
    shutil.copy(tmp_path / "gen" / "001.npy", tmp_path / "gen" / "again.npy")
    other = run("--generated", "gen", "--reference", "ref", *arguments, "--out", "p", folder=tmp_path)
    assert other.returncode == 0, other.stderr
    assert read_results(tmp_path / "p" / "results.json").cells[0].scores[0].value != score.value  # it is in the number


def test_one_video_has_a_distance_of_a_covariance_of_zero(tmp_path: Path) -> None:
    videos(tmp_path / "gen", 1, 0)
    videos(tmp_path / "ref", 3, 1)
    (score,) = scored(tmp_path).results.cells[0].scores
    store, choices = Store(tmp_path / "store"), Choices(profile("ivbench"), {}, "video-probe")
    extraction = Extraction(choices, store, Silent())
    one, real = (
        np.concatenate(extraction.features("clips", tmp_path / side, is_reference=False).features)
        for side in ("gen", "ref")
    )
    expected = np.sum((one[0] - real.mean(0)) ** 2) + real.var(0, ddof=1).sum()
    assert score.value == pytest.approx(expected, rel=1e-6)
    assert (score.counts.used, score.interval, score.decisive) == (1, None, False)
    assert any("its covariance counts as 0" in note for note in score.notes)
    folder_statistics(tmp_path / "gen", "fvd", choices, store, Silent(), tmp_path / "one.npz")
    assert not read_statistics(tmp_path / "one.npz", 1).statistics.covariance(1).any()


def test_a_network_in_the_place_of_the_packages_is_said(tmp_path: Path) -> None:
    for side in ("gen", "ref"):
        videos(tmp_path / side, 2, len(side))
    request = FolderRequest(
        tmp_path / "gen", tmp_path / "ref", ("frame_fid",), Choices(profile("clean-fid"), {}, "frame-probe")
    )
    (line,) = score_folders(request, Store(tmp_path / "s"), Silent(), tmp_path / "o", "test").results.disclosures
    assert line.endswith("tested against clean-fid 0.1.35, whose network frame-probe stands in for")


def test_features_that_are_no_numbers_are_counted_and_the_first_file_is_named(tmp_path: Path) -> None:
    for number, level in enumerate((10, 250, 20, 251)):
        np.save(tmp_path / f"{number}.npy", np.full((2, 8, 8, 3), level, np.uint8))
    extractor = SimpleNamespace(
        kind="frames",
        dim=1,
        name="log",
        digest="0" * 64,
        preprocess="none",
        extract=lambda videos: np.log(240.0 - videos.mean(axis=(2, 3, 4), dtype=np.float32))[..., None],
    )
    items, store = find_items(tmp_path), Store(tmp_path / "store")
    for _ in range(2):
        with (
            np.errstate(invalid="ignore"),
            pytest.raises(NonFiniteError, match=r"of 2 of 4 videos have NaN or infinity, the first of .*1\.npy"),
        ):
            extract_folder(items, extractor, None, False, store, Silent(), "videos")


def test_what_cannot_be_scored_is_one_clear_error(tmp_path: Path) -> None:
    videos(tmp_path / "gen", 1, 0)
    videos(tmp_path / "ref", 3, 1)
    with pytest.raises(ConfigError, match=r"Of folders are scored: .*frame_fid"):
        scored(tmp_path, ("motion_accuracy",))
    with pytest.raises(ConfigError, match="--metrics names no metric"):
        scored(tmp_path, ())
    with pytest.raises(ConfigError, match="is of the kind clips, frames is needed"):
        scored(tmp_path, ("frame_fid",))
    (tmp_path / "ref" / "more").mkdir()
    for path in (tmp_path / "ref").glob("*.npy"):
        path.unlink()
    with pytest.raises(MissingFileError, match="no video and no image"):
        scored(tmp_path)


def test_videos_that_are_too_short_for_the_network_are_left_out_and_counted(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    for side, lengths in (("gen", (8, 9, 10)), ("ref", (9, 9))):
        write_videos(tmp_path / side, [draw.integers(0, 255, (n, 32, 32, 3), np.uint8) for n in lengths])
    choices = Choices(profile("common-metrics-videogpt"), {"i3d": i3d_file(tmp_path)})
    request = FolderRequest(tmp_path / "gen", tmp_path / "ref", ("fvd",), choices, floor_draws=0)

    def score() -> Outcome:
        return score_folders(request, Store(tmp_path / "store"), Silent(), tmp_path / "out", "test")

    (found,) = score().results.cells[0].scores
    assert (found.counts.used, found.counts.too_short) == (2, 1)
    for name in ("001.npy", "002.npy"):
        (tmp_path / "gen" / name).unlink()
    with pytest.raises(ShapeError, match=r"has the 9 frames of a clip: 1 are too short"):
        score()


def test_clips_start_at_the_front_or_at_a_place_of_the_files_own() -> None:
    choice = profile("stylegan-v-2048-128f-subsample8").clip
    assert choice is not None
    np.testing.assert_array_equal(clip_of(128, choice), np.arange(0, 121, 8))
    assert clip_of(127, choice) is None  # 121 would do, but their code wants 16 x 8
    spanning = choice.model_copy(update={"shortest": None})
    np.testing.assert_array_equal(clip_of(121, spanning), np.arange(0, 121, 8))
    assert clip_of(120, spanning) is None
    starts = {int(clip_of(200, choice, f"file {i}")[0]) for i in range(400)}  # type: ignore[index]
    assert (min(starts), max(starts)) == (0, 79)
    assert np.array_equal(clip_of(200, choice, "a"), clip_of(200, choice, "a"))  # type: ignore[arg-type]


def test_items_are_known_by_content_and_grouped_without_regard_to_names(tmp_path: Path) -> None:
    videos(tmp_path / "a", 3, 0)
    write_images(tmp_path / "a" / "frames", [np.full((4, 4, 3), i, np.uint8) for i in range(3)])
    before = {item.digest for item in find_items(tmp_path / "a")}
    (tmp_path / "a" / "frames").rename(tmp_path / "a" / "other")
    assert {item.digest for item in find_items(tmp_path / "a")} == before
    items = [Item(Path(str(i)), f"{i * 2654435761 % 2**32:08x}") for i in range(1000)]
    groups = buckets(items)
    assert max(map(len, groups)) < 100
    changed = buckets([Item(Path("new"), "0" * 8), *items[1:]])
    keys = [{tuple(item.digest for item in group) for group in one} for one in (groups, changed)]
    assert len(keys[1] - keys[0]) <= 2


@pytest.mark.parametrize(
    ("name", "order"), [("torch-fidelity", "text"), ("stylegan-v-2048-16f", "text"), ("pytorch-fid", "natural")]
)
def test_a_profile_takes_files_and_frames_in_its_packages_order(name: str, order: str, tmp_path: Path) -> None:
    images = [np.full((4, 4, 3), i, np.uint8) for i in range(11)]
    for place in (tmp_path / "a", tmp_path / "a" / "frames"):
        place.mkdir()
        for number, image in enumerate(images):
            Image.fromarray(image).save(place / f"{number}.png")
    assert profile(name).order == order
    items = find_items(tmp_path / "a", profile(name).order)
    sequence = [0, 1, 10, *range(2, 10)] if order == "text" else list(range(11))
    assert [item.path.stem for item in items] == [*map(str, sequence), "frames"]
    video = read_clip(items[-1], None, False)
    assert video is not None
    assert video.frames[:, 0, 0, 0].tolist() == sequence
    other = find_items(tmp_path / "a", "natural" if order == "text" else "text")
    assert other[-1].digest != items[-1].digest  # the store keeps both
    assert other[0].digest == items[0].digest


def test_files_of_kinds_that_are_not_read_are_said(tmp_path: Path) -> None:
    videos(tmp_path / "a", 3, 0)
    (tmp_path / "a" / "x.avif").write_bytes(b"")
    told = Silent()
    Extraction(PROBED, Store(tmp_path / "store"), told).find(tmp_path / "a")
    assert [line for line in told.lines if line.startswith("passed over: 1 avif of")] == told.lines


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("pytorch-fid", "takes 2 of these 6 generated files"),
        ("torch-fidelity", "takes 3 of these 6 generated files"),
        ("clean-fid", "takes 5 of these 6 generated files"),
        ("cd-fvd-i3d", ""),
        ("ivbench", ""),
    ],
)
def test_files_that_the_package_would_not_take_are_said(name: str, said: str, tmp_path: Path) -> None:
    """By `glob("*.png")`, by png, jpg and jpeg in any case, by `glob("**/*.png")` with PNG but not Png."""
    (tmp_path / "deep").mkdir()
    for file in ("a.png", "b.PNG", "c.webp", "deep/d.png", "deep/e.png", "f.Png"):
        Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(tmp_path / file)
    (tmp_path / "deep" / "notes.txt").write_text("")
    rule = profile(name)
    note = " ".join(package_note(rule, "generated", tmp_path, find_items(tmp_path)))
    assert (said in note) if said else not note
    for file in ("b.PNG", "c.webp", "f.Png"):
        (tmp_path / file).unlink()
    shutil.rmtree(tmp_path / "deep")
    assert not package_note(rule, "generated", tmp_path, find_items(tmp_path))


def test_the_command_scores_two_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    videos(tmp_path / "gen", 4, 0)
    videos(tmp_path / "ref", 5, 1)
    done = run(
        *("--generated", "gen", "--reference", "ref", "--metrics", "fvd", "--extractor", "video-probe", "--out", "o"),
        *("--log", "tensorboard"),
        folder=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert "FVD [video-probe]" in done.stdout
    score = read_results(tmp_path / "o" / "results.json").cells[0].scores[0]
    assert f"{score.value:.7g}" in done.stdout
    assert score.protocol in done.stdout
    assert "tensorboard: 1 run in runs/" in done.stdout
    assert len(list((tmp_path / "runs").rglob("events.out*"))) == 1
    assert "FVD" in (tmp_path / "summary.md").read_text()


def test_two_results_are_compared_and_reported(tmp_path: Path) -> None:
    videos(tmp_path / "ref", 30, 9)
    for side, seed in (("a", 0), ("b", 1)):
        videos(tmp_path / side, 24, seed)
        asked = ("--generated", side, "--reference", "ref", "--metrics", "fvd", "--extractor", "video-probe")
        assert run(*asked, "--out", f"{side}-out", folder=tmp_path).returncode == 0
    command = [sys.executable, "-m", "ivbench"]
    for arguments in (["compare", "a-out", "b-out"], ["report", "a-out", "--no-open"]):
        done = subprocess.run([*command, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert "prompts" not in done.stdout
    assert "FVD [video-probe]" in (tmp_path / "a-out" / "report.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--generated", "gen"], "frame_fid compares with real videos, got none"),
        (["--reference", "ref"], "Give --generated too"),
        (["--generated", "gen", "--metrics", "clip_score"], "clip_score needs captions"),
        (["--generated", "gen", "--reference", "none", "--extractor", "video-probe"], "none is not there"),
        (["--generated", "gen", "--reference", "ref", "--profile", "clean-fit"], 'Did you mean "clean-fid"?'),
        (["--generated", "gen", "--reference", "ref", "--weights", "x"], "NETWORK=FILE is expected"),
        (["--generated", "gen", "--reference", "ref", "--weights", "inceptoin=x"], 'Did you mean "inception"?'),
        (["--generated", "gen", "--metrics", "clip_score", "--captions", "no.csv"], "no.csv is not there"),
        (["--generated", "gen", "--reference", "ref", "--metrics", "fdv"], 'Did you mean "fvd"?'),
        (["--generated", "gen", "--reference", "ref"], 'profile "ivbench" says nothing of metrics on frames'),
        (["--generated", "gen", "--reference", "ref", "--device", "cuda:99"], 'device "cuda:99" cannot be used'),
    ],
)
def test_the_commands_mistakes_are_one_line(arguments: list[str], said: str, tmp_path: Path) -> None:
    videos(tmp_path / "gen", 2, 0)
    videos(tmp_path / "ref", 2, 1)
    extra = ["--metrics", "fvd"] if "--extractor" in arguments else []
    done = run(*arguments, *extra, folder=tmp_path)
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_the_list_names_metrics_profiles_and_networks(tmp_path: Path) -> None:
    done = run(folder=tmp_path, name="metric list")
    assert done.returncode == 0, done.stderr
    for word in ("frame_fid", "kid", "clean-fid@1", "cd-fvd 0.1.1", "unverified", "inception"):
        assert word in done.stdout
