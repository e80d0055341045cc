"""Snapshots of one training through `check`, as in reports/regression: other weights under one label, and no more."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("open_clip")

from ivbench.cli.main import main
from ivbench.results.files import read_results
from tests.run.processes import suite_file
from tests.run.tiny_zoo import STAGES, write_card, write_cascade

GATE = "rules:\n- {metric: 'CLIP score [clip-probe]', rule: no-change, margin: 0.000001}\n"
CHANGES = {
    "prompts": {"source": "shapes:test", "count": 20},
    "metrics": [{"name": "clip_score", "extractor": "clip-probe"}],
    "grid": None,
    "gallery": 0,
}


def write_snapshot(folder: Path, step: int) -> str:
    """A cascade's folder as a training leaves it, and the name that a suite calls it by."""
    snapshot = folder / "base" / "snapshots" / f"tiny-base-{step:06}"
    write_cascade(snapshot, seed=step)
    weights = {stage["name"]: f"{stage['name']}.safetensors" for stage in STAGES}
    write_card(snapshot, "cascade", text_encoder="t5-mini", weights=weights, training_step=step)
    return f"./{snapshot.relative_to(folder)}"


def test_a_checkpoint_at_half_its_steps_is_a_regression_and_no_other_cell(
    shipped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also where the suite is run by `check` itself."""
    monkeypatch.setenv("IVBENCH_ZOO", str(shipped))
    monkeypatch.setenv("IVBENCH_STORE", str(tmp_path / "store"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ivbench-gate.yaml").write_text(GATE)
    for name, step in (("baseline", 2000), ("half", 1000)):
        cell = {"label": "small base", "guidance": 0, "weights": write_snapshot(tmp_path, step)}
        suite_file(tmp_path, cells=[cell], **CHANGES)
        assert main(["score", "--suite", "suite.yaml", "--no-timing", "--out", name]) == 0
        (found,) = read_results(tmp_path / name / "results.json").cells
        assert found.settings["training_step"] == step
    assert main(["check", "baseline", "--baseline", "baseline"]) == 0
    capsys.readouterr()
    assert main(["check", "half", "--baseline", "baseline"]) == 1
    assert "other settings" not in capsys.readouterr().out
    assert main(["check", "tiny", "--suite", "suite.yaml", "--baseline", "baseline", "--out", "again"]) == 1
    assert main(["compare", "baseline", "half"]) == 0
    assert "20 prompts, paired by prompt and noise" in capsys.readouterr().out
