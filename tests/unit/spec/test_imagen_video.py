"""The paper preset: seven stages at full size, counted and never allocated."""

from __future__ import annotations

import json
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from ivbench.cli.main import main
from ivbench.config import Settings, read_cascade
from ivbench.plan.cost import stage_costs
from ivbench.plan.resolve import resolve
from ivbench.spec import CascadeSpec
from ivbench.zoo import Card, read_card, verify

ROOT = Path(__file__).parents[3]
ZOO = ROOT / "zoo"
PAPER: dict[str, Any] = json.loads((ROOT / "tests/golden/imagen_video.json").read_text())
NAMES = [row["name"] for row in PAPER["stages"]]
SUITE = """\
name: two
prompts: {texts: [a red circle, a blue ring]}
runs: 1
metrics: []
grid: {guidance: [constant=6, "oscillate(15,1)"]}
"""


@pytest.fixture(scope="module")
def card() -> Card:
    return read_card("imagen-video", ZOO)


@pytest.fixture(scope="module")
def spec(card: Card) -> CascadeSpec:
    return card.cascade()


def flops_of_a_step(spec: CascadeSpec) -> tuple[int, int]:
    """FLOPs of one evaluation of the base, and of one of each stage after it that Table 1 has."""
    last = NAMES.index(PAPER["table_1"]["last_stage"])
    base, *others = (stage.flops(spec.text.length) for stage in spec.stages[: last + 1])
    return base, sum(others)


def flops_ratio(base: float, sr: float) -> float:
    """FLOPs of Table 1's first row (guided: every step evaluates twice) over those of its distilled row."""
    table = PAPER["table_1"]
    whole = 2 * (table["steps"]["base"] * base + table["steps"]["sr"] * sr)
    return float(whole / (table["distilled_steps"] * (base + sr)))


def planned_as(steps: Any) -> Settings:
    """Table 1's settings: constant=6, DDIM."""
    return Settings.model_validate({"sampler": "ddim", "guidance": "constant=6", "steps": steps})


def test_stages_are_those_of_figure_6(spec: CascadeSpec) -> None:
    found = [(s.name, s.kind, [s.frames, s.height, s.width], s.fps) for s in spec.stages]
    assert found == [(row["name"], row["kind"], row["shape"], row["fps"]) for row in PAPER["stages"]]


@pytest.mark.parametrize("row", PAPER["stages"], ids=NAMES)
def test_every_stage_has_the_papers_parameters_within_one_per_cent(spec: CascadeSpec, row: dict[str, Any]) -> None:
    assert spec.stage(row["name"]).parameters == pytest.approx(row["parameters"], rel=0.01)


def test_all_stages_together_have_the_papers_parameters_within_half_a_per_cent(spec: CascadeSpec) -> None:
    total = sum(stage.parameters for stage in spec.stages)
    assert total == pytest.approx(PAPER["total_parameters"], rel=0.005)


def test_attention_and_convolution_are_where_the_paper_has_them(spec: CascadeSpec) -> None:
    stages = {stage.name: stage.unet for stage in spec.stages}
    assert [name for name, net in stages.items() if any(net.spatial_attention)] == PAPER["spatial_attention"]
    assert [name for name, net in stages.items() if set(net.temporal) == {"attention"}] == PAPER["temporal_attention"]
    convolutional = [name for name, net in stages.items() if set(net.temporal) == {"convolution"}]
    assert convolutional == [name for name in NAMES if name not in PAPER["temporal_attention"]]
    assert all(stages[name].fully_convolutional for name in PAPER["fully_convolutional"])


def test_guidance_oscillates_in_base_and_the_first_two_stages_after_it(spec: CascadeSpec) -> None:
    assert [stage.name for stage in spec.stages if stage.oscillates] == PAPER["oscillating"]


def test_every_stage_predicts_v_and_every_stage_after_the_base_is_augmented(spec: CascadeSpec) -> None:
    assert {stage.parameterization for stage in spec.stages} == {"v"}
    assert [stage.unet.augmentation for stage in spec.stages] == [stage.kind != "base" for stage in spec.stages]


def test_the_text_encoder_is_a_name_and_its_width_is_t5_xxls(card: Card, spec: CascadeSpec) -> None:
    assert spec.text.encoder == card.config.text_encoder == "google/t5-v1_1-xxl"
    assert spec.text.dim == 4096


def test_there_are_no_weights_and_the_files_are_as_the_card_says(card: Card) -> None:
    assert card.config.weights == {}
    assert verify(card) == ("cascade.yaml",)


def test_counting_allocates_nothing(card: Card) -> None:
    tracemalloc.start()
    spec = read_cascade(card.path("cascade.yaml"))
    assert sum(stage.parameters + stage.flops(spec.text.length) for stage in spec.stages) > 1e12
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * 2**20  # one convolution of the base has 21 million weights


def test_counting_imports_no_framework_and_no_numpy() -> None:
    code = (
        "import sys, ivbench.spec\nprint(*({'torch', 'jax', 'tensorflow', 'transformers', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


@pytest.mark.parametrize("share", [0.0, 0.01, 0.125, 0.5, 1.0])
def test_table_1s_flops_ratio_is_32_and_32_times_the_bases_share(share: float) -> None:
    assert flops_ratio(share, 1 - share) == pytest.approx(32 + 32 * share, rel=1e-12)


def test_planned_flops_of_table_1s_rows_have_that_ratio(spec: CascadeSpec) -> None:
    table = PAPER["table_1"]
    six = spec.model_copy(update={"stages": spec.stages[: NAMES.index(table["last_stage"]) + 1]})
    students = [
        stage.model_copy(update={"unet": stage.unet.model_copy(update={"guidance_embedding": True})})
        for stage in six.stages
    ]
    rows = (
        (six, table["steps"]),
        (six.model_copy(update={"stages": tuple(students)}), table["distilled_steps"]),
    )
    whole, distilled = (
        sum(cost.flops for cost in stage_costs(cascade.stages, samplings, cascade.text.length))
        for cascade, samplings in ((cascade, resolve([planned_as(steps)], cascade)) for cascade, steps in rows)
    )
    base, sr = flops_of_a_step(spec)
    assert whole / distilled == pytest.approx(32 + 32 * base / (base + sr), rel=1e-5)  # w's embedding costs a little


def test_the_papers_ratio_means_that_the_base_is_an_eighth_of_a_step() -> None:
    assert flops_ratio(1, 7) == PAPER["table_1"]["flops_ratio"]


def test_the_card_says_the_counts_that_the_spec_gives(card: Card, spec: CascadeSpec) -> None:
    stated = card.config.details["parameters"]
    counts = {stage.name: stage.parameters for stage in spec.stages}
    published = {row["name"]: row["parameters"] for row in PAPER["stages"]}
    counts["total"], published["total"] = sum(counts.values()), PAPER["total_parameters"]
    assert {name: stated[name]["ours"] for name in counts} == counts
    differences = {name: f"{100 * (counts[name] / published[name] - 1):+.2f} %" for name in counts}
    assert {name: stated[name]["difference"] for name in counts} == differences


def test_the_card_says_the_flops_ratio_that_the_spec_gives(card: Card, spec: CascadeSpec) -> None:
    stated = card.config.details["flops_ratio"]
    base, sr = flops_of_a_step(spec)
    assert stated["ours"] == round(flops_ratio(base, sr), 2)
    assert stated["share_of_base"] == round(base / (base + sr), 4)
    assert f"{round(sr / base):d} times the base" in stated["verdict"]


def test_show_prints_the_stages(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("IVBENCH_ZOO", str(ZOO))
    assert main(["zoo", "show", "imagen-video"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    stages = [line for line in lines if line and line[0] in NAMES]
    assert [line[2] for line in stages] == ["x".join(map(str, row["shape"])) for row in PAPER["stages"]]
    assert {line[-1] for line in stages} == {"none"}


def test_a_suite_can_be_planned_and_counted_without_weights(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("IVBENCH_ZOO", str(ZOO))
    (tmp_path / "two.yaml").write_text(SUITE)
    assert main(["plan", "--suite", str(tmp_path / "two.yaml"), "--cascade", "imagen-video"]) == 0
    lines = capsys.readouterr().out.splitlines()
    for line in lines[1:3]:  # guided in every step: 2 x 256 in the base, 2 x 128 in each of the six others
        assert line.split()[-9:-1] == ["512", *["256"] * 6, "2048"]
    assert "2 cells x 1 runs x 2 prompts = 4 videos" in lines[4]
    assert lines[5] == "tasks: 1 encode, 14 sample, 0 extract, 0 score"
    assert lines[-1] == f"no weights for {', '.join(NAMES)}: this can be planned, not sampled"
