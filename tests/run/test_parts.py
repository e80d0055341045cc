"""Parts of a cascade and stages of another one, through the command, on a zoo of random weights."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("open_clip")

from ivbench.cli.main import main
from ivbench.config import parse_suite
from ivbench.data.shapes import prompts
from ivbench.plan import build_plan, cascade_source, estimate
from ivbench.plan.real import real_features
from ivbench.results.files import read_results
from ivbench.results.schema import Results
from ivbench.results.store import Store
from ivbench.run.sampling import VIDEO
from ivbench.zoo import read_card
from tests.run.processes import suite_file
from tests.run.tiny_zoo import CASCADE, SUITE, write_cascade

FID = [{"name": "frame_fid", "extractor": "frame-probe"}]


@pytest.fixture
def folder(shipped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with the zoo and the store beside the suite."""
    monkeypatch.setenv("IVBENCH_ZOO", str(shipped))
    monkeypatch.setenv("IVBENCH_STORE", str(tmp_path / "store"))
    monkeypatch.chdir(tmp_path)
    suite_file(tmp_path, metrics=FID)
    return tmp_path


def score(folder: Path, *options: str, suite: str = "suite.yaml") -> Results:
    assert main(["score", "--suite", suite, "--no-timing", "--out", "out", *options]) == 0
    return read_results(folder / "out" / "results.json")


def entries(folder: Path) -> set[str]:
    return set(Store(folder / "store").ids())


def test_up_to_a_stage_shares_the_whole_cascades_work(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    score(folder)
    before = entries(folder)
    cut = score(folder, "--to-stage", "tsr1")
    store = Store(folder / "store")
    kinds = {about["kind"] for new in entries(folder) - before if (about := store.manifest(new)) is not None}
    assert "sample" not in kinds
    assert [stage.name for stage in cut.cascade.stages] == ["base", "tsr1"]
    assert cut.notes == ["A part of the cascade was sampled: base, tsr1."]
    fields = cut.cells[0].scores[0].fields
    assert (fields["height"], fields["width"]) == (6, 10)
    assert all(entry.frames == 4 for entry in cut.cells[0].gallery)


def test_a_super_resolution_stage_starts_from_real_clips(folder: Path) -> None:
    results = score(folder, "--from-stage", "ssr1", "--input", "real")
    assert [stage.name for stage in results.cascade.stages] == ["ssr1"]
    assert "ssr1, from real clips of the prompts at 4x6x10 (TxHxW), 6 fps" in results.notes[0]
    assert [cost.stage for cost in results.cells[0].costs] == ["ssr1"]
    store = Store(folder / "store")
    given = [new for new in store.ids() if (store.manifest(new) or {})["kind"] == "input"]
    assert len(given) == 2  # one a run: both cells share them
    arrays = store.get(given[0])
    assert arrays is not None
    assert arrays[VIDEO].shape == (3, 4, 6, 10, 3)
    assert arrays[VIDEO].std() > 0.1


def test_a_super_resolution_stage_starts_from_given_videos(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    videos = folder / "videos"
    videos.mkdir()
    texts = prompts("test")[:3]
    for number, text in enumerate(texts):
        frames = np.full((8, 12, 20, 3), 40 * number, np.uint8)
        np.savez(videos / f"{text}-0.npz", video=frames, fps=12.0)
    results = score(folder, "--from-stage", "ssr1", "--input", "videos:videos")
    assert "from given videos" in results.notes[0]
    store = Store(folder / "store")
    given = [new for new in store.ids() if (store.manifest(new) or {})["kind"] == "input"]
    arrays = store.get(given[0])
    assert arrays is not None
    for number in range(3):
        np.testing.assert_allclose(arrays[VIDEO][number].astype(float), 40 * number / 127.5 - 1, atol=1e-3)


def test_a_part_is_checked_against_the_same_part_alone(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Label, settings, size and protocol of the last stage alone are those of the whole cascade."""
    for name, level in (("dark", 0), ("light", 200)):
        (folder / name).mkdir()
        for text in prompts("test")[:3]:
            np.savez(folder / name / f"{text}-0.npz", video=np.full((8, 12, 20, 3), level, np.uint8), fps=12.0)
    suite_file(folder, metrics=[{"name": "clip_score", "extractor": "clip-probe"}], grid={"guidance": [0]})
    made: list[tuple[str, list[str]]] = [
        ("whole", []),
        ("real", ["--from-stage", "ssr1", "--input", "real"]),
        ("dark-out", ["--from-stage", "ssr1", "--input", "videos:dark"]),
        ("light-out", ["--from-stage", "ssr1", "--input", "videos:light"]),
    ]
    for name, options in made:
        assert main(["score", "--suite", "suite.yaml", "--no-timing", "--out", name, *options]) == 0
    parts = {name: read_results(folder / name / "results.json").cascade.part for name, _ in made}
    assert (parts["whole"], parts["real"]) == ("", "ssr1 from real clips")
    assert len(set(parts.values())) == 4
    (folder / "ivbench-gate.yaml").write_text("rules:\n- {metric: 'CLIP score [clip-probe]', margin: 1.0}\n")
    for old, new in (("whole", "real"), ("real", "dark-out"), ("dark-out", "light-out")):
        capsys.readouterr()
        assert main(["check", new, "--baseline", old]) == 2
        assert "other settings: part of the cascade" in capsys.readouterr().out
        assert main(["compare", old, new]) == 0
        said = capsys.readouterr().out
        assert "differs: w=0 ddim 1: other settings: part of the cascade" in said
    main(["compare", "real", "real"])
    out = capsys.readouterr().out
    assert "3 prompts, paired by prompt and noise" in out
    assert "differs" not in out


def test_a_given_video_that_is_too_short_is_one_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    videos = folder / "videos"
    videos.mkdir()
    for text in prompts("test")[:3]:
        np.save(videos / f"{text}-0.npy", np.zeros((2, 6, 10, 3), np.uint8))
    arguments = ["sample", "--suite", "suite.yaml", "--from-stage", "ssr1", "--input", "videos:videos"]
    assert main(arguments) == 2
    assert "has 2 frames, 4 are needed" in capsys.readouterr().err


def test_real_clips_of_prompts_that_are_no_captions_are_one_line(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    suite_file(folder, metrics=FID, prompts={"texts": ["a dog"]})
    assert main(["sample", "--suite", "suite.yaml", "--from-stage", "tsr1", "--input", "real"]) == 2
    assert '"a dog" is no caption of the shapes domain' in capsys.readouterr().err


def test_a_stage_of_another_cascade_gives_that_cascades_videos(
    folder: Path, shipped: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    zoo = Path(shutil.copytree(shipped, folder / "zoo"))
    monkeypatch.setenv("IVBENCH_ZOO", str(zoo))
    write_cascade(zoo / "other", seed=1)
    suite_file(folder, metrics=FID, grid={"weights": ["original", "other", {"ssr1": "other"}], "guidance": [0]})
    mixed = score(folder)
    assert [cell.settings["weights"] for cell in mixed.cells] == ["original", "other", "original/other"]
    values = [cell.scores[0].value for cell in mixed.cells]
    assert len(set(values)) == 3
    assert mixed.origins[0].startswith('Weights "other": cascade other, ')
    before = entries(folder)
    suite_file(folder, metrics=FID, grid={"guidance": [0]})
    alone = score(folder, "--cascade", "other")
    assert alone.cells[0].scores[0].value == values[1]
    store = Store(folder / "store")
    assert all((store.manifest(new) or {})["kind"] != "sample" for new in entries(folder) - before)


def test_plan_says_tasks_sharing_store_and_time(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "--suite", "suite.yaml"]) == 0
    first = capsys.readouterr().out
    assert "shared: 0 of the sample tasks serve several cells; without sharing there would be 12" in first
    assert "store: 0 of " in first
    assert "time of sampling and timing and features and real clips and scores: not known" in first
    score(folder)
    capsys.readouterr()
    assert main(["plan", "--suite", "suite.yaml"]) == 0
    done = capsys.readouterr().out
    assert "to write: videos 0 MB, features 0 MB, texts 0 MB" in done
    assert re.search(r"time: sampling 0 s, timing \d+ s, features 0 s, real clips 0 s, scores 0 s", done)
    suite = {**SUITE, "metrics": FID}
    planned = build_plan(parse_suite(suite), cascade_source(read_card(CASCADE)))
    tasks = sum(len(getattr(planned, kind)) for kind in ("encode", "sample", "extract", "score"))
    assert f"store: {tasks} of {tasks} results are there" in done


@pytest.mark.parametrize("stages", [{}, {"from_stage": "ssr1", "input": "real"}])
def test_bytes_to_write_are_those_that_are_written(folder: Path, stages: dict[str, str]) -> None:
    asked = parse_suite({**SUITE, "metrics": [*FID, {"name": "fvd", "extractor": "video-probe"}], "stages": stages})
    planned = build_plan(asked, cascade_source(read_card(CASCADE)))
    store = Store(folder / "store")
    before = estimate(planned, store)
    suite_file(folder, metrics=[*FID, {"name": "fvd", "extractor": "video-probe"}], stages=stages)
    score(folder)

    def written(*kinds: str) -> int:
        tasks = [task.id for kind in kinds for task in getattr(planned, kind)]
        found = [store.get(task) for task in tasks]
        return sum(array.nbytes for arrays in found if arrays is not None for array in arrays.values())

    assert before.video_bytes == written("input", "sample") > 0
    real = [store.get(one.id) or {} for one in real_features(planned, planned.suite.metrics)]
    assert all("features" in arrays for arrays in real)
    kinds = [(store.manifest(key) or {})["kind"] for key in store.ids()]
    assert len(real) == sum(kind in ("reference", "real") for kind in kinds)
    of_real = sum(array.nbytes for arrays in real for array in arrays.values())
    assert before.feature_bytes == written("extract") + of_real > written("extract") > 0
    assert before.text_bytes == written("encode") > 0
    assert bool(planned.input) == bool(stages)
    after = estimate(planned, store)
    assert (after.video_bytes, after.text_bytes, after.feature_bytes) == (0, 0, 0)


def test_wrong_options_are_one_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cases: list[tuple[list[str], str]] = [
        (["--from-stage", "ssr1"], "Say which with input"),
        (["--to-stage", "ssr9"], 'no stage "ssr9". Did you mean "ssr1"?'),
        (["--input", "real"], '"base" starts from noise alone'),
        (["--from-stage", "tsr1", "--input", "clips"], "allowed are real and videos:FOLDER"),
    ]
    for options, said in cases:
        assert main(["plan", "--suite", "suite.yaml", *options]) == 2
        error = capsys.readouterr().err
        assert said in error
        assert len(error.splitlines()) == 1
