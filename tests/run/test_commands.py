"""`ivbench run`, `sample` and `score` through real processes, on a zoo of random weights."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

pytest.importorskip("torch")
pytest.importorskip("open_clip")

from safetensors.numpy import load_file, save_file

from ivbench.report.exports.markdown import markdown_table
from ivbench.results.files import read_results
from ivbench.results.store import Store
from tests.run.processes import assert_one_line, ivbench, suite_file
from tests.run.tiny_zoo import CASCADE, STAGES, write_card, write_cascade

HEAVY = ("torch", "jax", "transformers", "open_clip", "torchvision")
Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def zoo(shipped: Path, tmp_path: Path) -> Path:
    """A copy of the zoo, to be damaged."""
    return Path(shutil.copytree(shipped, tmp_path / "zoo"))


@pytest.fixture(scope="session")
def first(shipped: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    folder = tmp_path_factory.mktemp("first")
    return folder, ivbench(shipped, folder, "run", "--suite", suite_file(folder))


RUN_AND_LIST = f"""
import sys
from ivbench.cli.main import main
code = main(sys.argv[1:])
print("LOADED", sorted(set({HEAVY!r}) & set(sys.modules)))
sys.exit(code)
"""


def test_the_first_run_scores_every_cell_and_writes_a_report(
    first: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    folder, done = first
    assert done.returncode == 0, done.stderr
    out = folder / "ivbench-out" / f"tiny-suite-{CASCADE}"
    results = read_results(out / "results.json")
    assert [len(cell.scores) for cell in results.cells] == [4, 4]
    assert len(results.ground_truth) == 4
    assert all(cost.seconds is not None for cell in results.cells for cost in cell.costs)
    assert "frame FID [frame-probe]" in {score.label for score in results.cells[0].scores}
    assert results.command == "ivbench run --suite suite.yaml"
    assert (out / "report.html").is_file()
    assert "entries of the store computed" in done.stdout


def test_the_second_run_computes_nothing_and_imports_no_framework(
    shipped: Path, first: tuple[Path, subprocess.CompletedProcess[str]]
) -> None:
    folder, _ = first
    path = folder / "ivbench-out" / f"tiny-suite-{CASCADE}" / "results.json"
    before = json.loads(path.read_text())
    # Commits beside this test would be another environment, in which time is measured again.
    second = ivbench(shipped, folder, "run", "--suite", "suite.yaml", "--no-timing", code=RUN_AND_LIST)
    assert second.returncode == 0, second.stderr
    assert "nothing was computed" in second.stdout
    assert "LOADED []" in second.stdout
    after = json.loads(path.read_text())
    assert [cell["scores"] for cell in after["cells"]] == [cell["scores"] for cell in before["cells"]]
    for key in ("ground_truth", "differences", "suite", "cascade", "ground_truth_gallery", "disclosures", "notes"):
        assert after[key] == before[key]


def test_sample_then_score_is_run(shipped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    suite = suite_file(tmp_path, metrics=[{"name": "colour_accuracy", "extractor": "geometric-judge"}])
    sampled = ivbench(shipped, tmp_path, "sample", "--suite", suite)
    assert sampled.returncode == 0, sampled.stderr
    assert "12 videos in" in sampled.stdout
    assert not (tmp_path / "ivbench-out").exists()
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    arguments = ("--suite", suite, "--no-timing", "--out", "here", "--log", "tensorboard")
    scored = ivbench(shipped, tmp_path, "score", *arguments, code=RUN_AND_LIST)
    assert scored.returncode == 0, scored.stderr
    assert "LOADED []" in scored.stdout
    results = read_results(tmp_path / "here" / "results.json")
    assert len(results.cells) == 2
    assert len({path.parent for path in (tmp_path / "runs").rglob("events.out*")}) == 2 + bool(results.ground_truth)
    assert sorted((tmp_path / "summary.md").read_text()) == sorted(markdown_table(results))  # but for settings' order


def test_a_run_whose_tracker_fails_has_its_results_and_its_report(
    shipped: Path,
    first: tuple[Path, subprocess.CompletedProcess[str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    (tmp_path / "runs").write_text("in the way")
    arguments = ("--suite", suite_file(tmp_path), "--no-timing", "--out", "here", "--store", str(first[0] / "store"))
    done = ivbench(shipped, tmp_path, "run", *arguments, "--log", "tensorboard")
    assert_one_line(done, "tensorboard", "ivbench log here/results.json --to tensorboard")
    results = read_results(tmp_path / "here" / "results.json")
    assert [len(cell.scores) for cell in results.cells] == [4, 4]
    assert (tmp_path / "here" / "report.html").is_file()
    assert all(cell.label in (tmp_path / "summary.md").read_text() for cell in results.cells)


def test_a_tracker_that_is_not_installed_is_found_before_anything_is_sampled(shipped: Path, tmp_path: Path) -> None:
    without = f"import sys\nsys.modules['wandb'] = None\n{RUN_AND_LIST}"
    done = ivbench(shipped, tmp_path, "run", "--suite", suite_file(tmp_path), "--log", "wandb", code=without)
    assert_one_line(done, 'pip install "ivbench[wandb]"')
    assert not (tmp_path / "store").exists()


def test_nan_in_weights_is_named_before_anything_is_sampled(zoo: Path, tmp_path: Path) -> None:
    file = zoo / CASCADE / "ssr1.safetensors"
    weights = load_file(file)
    name = sorted(weights)[0]
    weights[name] = np.full_like(weights[name], np.nan)
    save_file(weights, file)
    write_card(zoo / CASCADE, "cascade", weights={stage["name"]: f"{stage['name']}.safetensors" for stage in STAGES})
    assert_one_line(ivbench(zoo, tmp_path, "sample", "--suite", suite_file(tmp_path)), '"ssr1"', name)
    assert Store(tmp_path / "store").ids() == []


@pytest.mark.parametrize("kind", ["int64"])
def test_weights_of_a_type_that_cannot_be_read_are_one_line(zoo: Path, tmp_path: Path, kind: str) -> None:
    import torch
    from safetensors.torch import load_file as load_tensors
    from safetensors.torch import save_file as save_tensors

    file = zoo / CASCADE / "base.safetensors"
    save_tensors({name: value.to(getattr(torch, kind)) for name, value in load_tensors(file).items()}, file)
    write_card(zoo / CASCADE, "cascade", weights={stage["name"]: f"{stage['name']}.safetensors" for stage in STAGES})
    assert_one_line(ivbench(zoo, tmp_path, "sample", "--suite", suite_file(tmp_path)), "base.safetensors", "tensors")


def test_weights_with_another_digest_are_refused(zoo: Path, tmp_path: Path) -> None:
    file = zoo / CASCADE / "tsr1.safetensors"
    content = file.read_bytes()
    file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert_one_line(ivbench(zoo, tmp_path, "sample", "--suite", suite_file(tmp_path)), "tsr1.safetensors", "sha256")


def test_a_probe_with_another_digest_is_refused_before_anything_is_sampled(zoo: Path, tmp_path: Path) -> None:
    with (zoo / "frame-probe" / "model.safetensors").open("ab") as file:
        file.write(b"x")
    assert_one_line(ivbench(zoo, tmp_path, "run", "--suite", suite_file(tmp_path)), "frame-probe", "sha256")
    assert Store(tmp_path / "store").ids() == []


def _no_prompts(folder: Path) -> dict[str, Any]:
    (folder / "prompts.txt").write_text("\n\n")
    return {"prompts": {"source": "prompts.txt"}}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (_no_prompts, ("no prompts",)),
        (lambda folder: {"prompts": {"texts": ["a\nb"]}}, ("U+000A",)),
        (lambda folder: {"prompts": {"source": "absent.txt"}}, ("absent.txt", "not there")),
        (lambda folder: {"metricz": []}, ("metricz", 'Did you mean "metrics"?')),
        (lambda folder: {"defaults": {"sampler": "ddmi", "steps": 1}}, ("ddmi", 'Did you mean "ddim"?')),
        (lambda folder: {"cascade": "tinny"}, ("tinny", 'Did you mean "tiny"?')),
        (lambda folder: {"metrics": [{"name": "fvd", "extractor": "videoprobe"}]}, ("videoprobe",)),
        (lambda folder: {"noise": "device"}, ("noise",)),
    ],
    ids=["no prompts", "newline", "no file", "key", "sampler", "cascade", "extractor", "noise"],
)
def test_a_wrong_suite_is_one_line(
    changes: Callable[[Path], dict[str, Any]], said: tuple[str, ...], shipped: Path, tmp_path: Path
) -> None:
    done = ivbench(shipped, tmp_path, "run", "--suite", suite_file(tmp_path, **changes(tmp_path)))
    assert_one_line(done, *said)
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--suite", "absent.yaml"], ("absent.yaml",)),
        (["--suite", "quik"], ('Did you mean "quick"?',)),
        (["--suite", "suite.yaml", "--cascade", "./absent"], ("absent",)),
        (["--suite", "suite.yaml", "--out", "suite.yaml/out"], ("suite.yaml/out", "can't be made")),
        (["--suite", "suite.yaml", "--store", "suite.yaml"], ("suite.yaml", "a folder is needed")),
        (["--suite", "suite.yaml", "--device", "warp"], ("warp",)),
    ],
    ids=["no suite", "suite", "no cascade", "out", "store", "device"],
)
def test_a_wrong_option_is_one_line(arguments: list[str], said: tuple[str, ...], shipped: Path, tmp_path: Path) -> None:
    suite_file(tmp_path)
    assert_one_line(ivbench(shipped, tmp_path, "run", *arguments), *said)


def test_stages_that_do_not_fit_are_one_line(shipped: Path, tmp_path: Path) -> None:
    stages = [*STAGES[:2], {**STAGES[2], "height": 15}]
    write_cascade(tmp_path / "odd", weights=False)
    spec = yaml.safe_load((tmp_path / "odd" / "cascade.yaml").read_text())
    (tmp_path / "odd" / "cascade.yaml").write_text(json.dumps({**spec, "stages": stages}))
    write_card(tmp_path / "odd", "cascade", text_encoder="t5-mini")
    done = ivbench(shipped, tmp_path, "run", "--suite", suite_file(tmp_path), "--cascade", "./odd")
    assert_one_line(done, "ssr1", "15")


def test_a_cascade_without_weights_is_one_line(shipped: Path, tmp_path: Path) -> None:
    write_cascade(tmp_path / "bare", weights=False)
    done = ivbench(shipped, tmp_path, "run", "--suite", suite_file(tmp_path), "--cascade", "./bare")
    assert_one_line(done, "no weights for base, tsr1, ssr1")


def test_hostile_prompts_run_and_stay_inside_the_folder(shipped: Path, tmp_path: Path) -> None:
    texts = ["../../etc/passwd", "<script>alert(1)</script>", "word " * 2000]
    suite = suite_file(tmp_path, prompts={"texts": texts}, metrics=[], grid={"guidance": [0]}, gallery=3)
    done = ivbench(shipped, tmp_path, "run", "--suite", suite, "--no-timing")
    assert done.returncode == 0, done.stderr
    out = tmp_path / "ivbench-out" / f"tiny-suite-{CASCADE}"
    page = (out / "report.html").read_text()
    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)" in page
    results = read_results(out / "results.json")
    assert any("longer than the 24 tokens of t5-mini" in note for note in results.notes)
    assert {path.name for path in tmp_path.iterdir()} == {"suite.yaml", "store", "ivbench-out"}


def test_a_distilled_cascade_is_run_timed_and_counted_at_its_own_steps(zoo: Path, tmp_path: Path) -> None:
    """Both samplers of one file, the weight as an input; what it was not distilled for is one line."""
    facts = {"guidance": [0, 16], "samplers": ["ddim", "stochastic"], "steps": 2}
    told = {"guidance_embedding": True, "jump_embedding": True}
    stages = [{**stage, "distilled": facts, "unet": {**stage["unet"], **told}} for stage in STAGES]
    write_cascade(zoo / "student", stages)
    few = {"grid": {"guidance": [0, 6], "sampler": ["ddim", "stochastic"]}, "metrics": [], "runs": 1}
    suite = suite_file(tmp_path, cascade="student", defaults={"steps": 2}, **few)
    done = ivbench(zoo, tmp_path, "run", "--suite", suite)
    assert done.returncode == 0, done.stderr
    found = read_results(tmp_path / "ivbench-out" / "tiny-suite-student" / "results.json")
    assert len(found.cells) == 4
    assert all(cost.nfe == 2 and cost.seconds > 0 for cell in found.cells for cost in cell.costs)
    videos = [
        load_file(path)["video"].tobytes()
        for path in (tmp_path / "store").rglob("*.safetensors")
        if "video" in load_file(path)
    ]
    assert len(set(videos)) == len(videos) == 4 * 3
    suite = suite_file(tmp_path, cascade="student", defaults={"steps": 3}, **few)
    assert_one_line(ivbench(zoo, tmp_path, "run", "--suite", suite), "distilled to 2 steps of ddim", "got 3 of ddim")


def test_a_stage_that_another_cascade_ends_with_is_not_read_as_bytes(zoo: Path, tmp_path: Path) -> None:
    """Alone its videos are kept as uint8, which no later stage can start from: two forms, two entries."""
    write_cascade(zoo / "alone", STAGES[:1])
    suite = suite_file(tmp_path, metrics=[], runs=1)
    fresh = tmp_path / "fresh"
    fresh.mkdir()
    suite_file(fresh, metrics=[], runs=1)
    for folder, cascade in ((tmp_path, "alone"), (tmp_path, CASCADE), (tmp_path, "alone"), (fresh, CASCADE)):
        done = ivbench(zoo, folder, "sample", "--suite", suite, "--cascade", cascade)
        assert done.returncode == 0, done.stderr

    def videos(folder: Path) -> dict[str, bytes]:
        loaded = {path.stem: load_file(path) for path in (folder / "store").rglob("*.safetensors")}
        return {name: arrays["video"].tobytes() for name, arrays in loaded.items() if "video" in arrays}

    both, whole = videos(tmp_path), videos(fresh)
    assert {key: both[key] for key in whole} == whole
    assert len(both) == len(whole) + 2  # one a cell
