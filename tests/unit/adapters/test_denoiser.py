"""Networks of other projects behind the level "denoiser", and the contract that their authors can check."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ivbench import registry
from ivbench.adapters import open_cascade
from ivbench.cascade import StageSettings, sample_stage
from ivbench.config import parse_cascade, parse_suite, read_cascade
from ivbench.diffusion.guidance import Constant
from ivbench.diffusion.noise import NoiseKey
from ivbench.diffusion.samplers.ddim import DDIM
from ivbench.diffusion.thresholding import Thresholding
from ivbench.errors import ConfigError, DigestError, IvbenchError, ShapeError
from ivbench.plan import build_plan, cascade_source
from ivbench.testing import AdapterError, check_adapter
from ivbench.zoo import read_card
from tests.unit.adapters.gaussian_cascade import STD, Gaussian, TwoWords, write_gaussian

PROMPTS = ["a", "a red circle"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_gaussian(tmp_path / "gaussian")


def sampled(folder: Path, stage: str, w: float = 0.0, steps: int = 64, copies: int = 200, low: Any = None) -> Any:
    model = open_cascade(read_card(folder)).stage_model(stage)
    text = TwoWords().encode(PROMPTS * copies)
    keys = [NoiseKey(seed, f"{prompt:064x}") for seed in range(copies) for prompt in range(len(PROMPTS))]
    settings = StageSettings(DDIM(), steps, Constant(w), Thresholding("none"))
    video = sample_stage(model, settings, text, keys, low)
    return text.pooled[:, 0], video


def test_our_samplers_draw_from_its_distribution(folder: Path) -> None:
    first, video = sampled(folder, "base")
    for prompt in range(2):
        rows = video[prompt::2]
        assert rows.mean() == pytest.approx(0.8 * first[prompt], abs=0.01)
        assert rows.std() == pytest.approx(STD, rel=0.05)


def test_guidance_is_ours_on_top(folder: Path) -> None:
    """With w, x = (1 + w) x_c - w x_u moves the mean to (1 + w) times the conditional one."""
    first, video = sampled(folder, "base", w=1.0)
    for prompt in range(2):
        assert video[prompt::2].mean() == pytest.approx(2 * 0.8 * first[prompt], abs=0.02)


def test_a_later_stage_gets_the_stage_before_at_its_size(folder: Path) -> None:
    low = np.full((4, 2, 6, 10, 3), 0.5, np.float32)
    first, video = sampled(folder, "ssr1", copies=2, low=low)
    assert video.shape == (4, 2, 12, 20, 3)
    assert video[0].mean() == pytest.approx(0.8 * first[0] + 0.25, abs=0.03)


def test_it_can_be_planned_without_its_module(folder: Path) -> None:
    code = f"""
import sys
from pathlib import Path
from ivbench.plan import cascade_source
from ivbench.zoo import read_card
source = cascade_source(read_card(Path({str(folder)!r})))
print(source.adapter, source.spec.stages[1].flops(4), "tests" in sys.modules, "torch" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.split() == ["python:tests.unit.adapters.gaussian_cascade:Gaussian", "100", "False", "False"]


def test_costs_are_those_that_its_author_states(folder: Path) -> None:
    suite = parse_suite(
        {"name": "s", "prompts": {"texts": PROMPTS}, "defaults": {"sampler": "ddim", "steps": 4, "guidance": 2}}
    )
    plan = build_plan(suite, cascade_source(read_card(folder)), extractors={})
    assert [(cost.nfe, cost.flops) for cost in plan.cells[0].costs] == [(8, 800), (8, 800)]


def test_it_keeps_its_contract(folder: Path) -> None:
    check_adapter(folder)


def test_an_altered_file_is_refused_before_it_is_loaded(folder: Path) -> None:
    (folder / "ssr1.json").write_text("{}")
    with pytest.raises(DigestError, match=r"ssr1.json has sha256"):
        open_cascade(read_card(folder)).stage_model("base")


def test_an_entry_point_names_an_adapter(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint("mine", "tests.unit.adapters.gaussian_cascade:Gaussian", "ivbench.adapters")
    monkeypatch.setattr(registry, "entry_points", lambda group: [point] if group == "ivbench.adapters" else [])
    registry._targets.cache_clear()
    try:
        assert registry.load("adapter", "mine") is Gaussian
    finally:
        registry._targets.cache_clear()


@pytest.mark.parametrize(("value", "said"), [("nowhere:X", "No module named 'nowhere'"), ("json:X", "json")])
@pytest.mark.parametrize("kind", ["adapter", "extractor"])
def test_an_entry_point_that_cannot_be_imported_is_one_line(
    kind: str, value: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    point = EntryPoint("mine", value, f"ivbench.{kind}s")
    monkeypatch.setattr(registry, "entry_points", lambda group: [point] if group == point.group else [])
    registry._targets.cache_clear()
    try:
        with pytest.raises(
            ConfigError, match=rf'{kind} "mine" cannot be imported: .*{said}.* Its entry point is {value}'
        ):
            registry.load(kind, "mine")
    finally:
        registry._targets.cache_clear()


def test_a_cards_adapter_that_nobody_registers_is_one_line_before_anything_runs(tmp_path: Path) -> None:
    card = read_card(write_gaussian(tmp_path / "gaussian", "nativ"))
    with pytest.raises(ConfigError, match=r'no adapter is called "nativ"\. Did you mean "native"'):
        cascade_source(card)


@pytest.mark.parametrize("name", ["python:nowhere:X", "python:json:X", "python:json", "python:", "python:.x:Y"])
def test_a_name_that_cannot_be_imported_is_one_line(name: str, tmp_path: Path) -> None:
    folder = write_gaussian(tmp_path / "gaussian", name)
    with pytest.raises(ConfigError, match=r"cannot be imported: .* Write python:module:object"):
        open_cascade(read_card(folder))


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (lambda z: z[:, :1], r"returned float32 \[3, 1, 6, 10, 3\], a float array of \[3, 2, 6, 10, 3\]"),
        (lambda z: z.astype(int), r"returned int64"),
        (lambda z: None, r"returned object \[\]"),
    ],
)
def test_a_prediction_of_another_shape_is_one_line(
    returned: Any, message: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Gaussian, "denoiser", lambda self, stage: lambda z, *_: returned(z))
    model = open_cascade(read_card(folder)).stage_model("base")
    with pytest.raises(ShapeError, match=message):
        model.evaluator(TwoWords().encode(["a"] * 3), None, None).conditional(np.zeros((3, 2, 6, 10, 3)), 0.0)
    with pytest.raises(AdapterError, match=message):
        check_adapter(folder)


def test_a_class_without_a_denoiser_says_so(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Gaussian, "denoiser", lambda self, stage: None)
    with pytest.raises(ConfigError, match=r"denoiser\(\) gave NoneType, a function is needed"):
        check_adapter(folder)


def _noisy(z: Any, *_: Any) -> Any:
    return np.random.default_rng().standard_normal(z.shape)


def _writes(real: Any) -> Any:
    def denoise(z: Any, *rest: Any) -> Any:
        found = real(z, *rest)
        z *= 0.5
        return found

    return denoise


BROKEN: dict[str, Any] = {
    "the same input gives another prediction": lambda real: _noisy,
    "it writes into its inputs": _writes,
    "depends on the others of its batch": lambda real: lambda z, *rest: real(z, *rest) + z.mean(),
    "the log SNR changes nothing": lambda real: lambda z, logsnr, *rest: real(z, 0.0, *rest),
    "the text changes nothing": lambda real: lambda z, t, text, *rest: real(z, t, None, *rest),
    "the conditioning video changes nothing": lambda real: lambda z, t, text, low, level: real(z, t, text, None, level),
    "NaN or infinite at log SNR -12": lambda real: lambda z, t, *rest: real(z, t, *rest) / max(t + 12, 0.0),
}


@pytest.mark.filterwarnings("ignore:divide by zero")  # the broken adapter's own
@pytest.mark.parametrize("problem", BROKEN)
def test_a_broken_adapter_is_told_what_is_broken(problem: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Gaussian.denoiser
    monkeypatch.setattr(Gaussian, "denoiser", lambda self, stage: BROKEN[problem](real(self, stage)))
    with pytest.raises(AdapterError, match=problem) as caught:
        check_adapter(folder)
    assert all(line.startswith("stage ") for line in caught.value.problems)


def test_a_text_encoder_of_another_width_and_a_model_loaded_twice_are_told(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TwoWords, "max_length", 5)
    stage_model = Gaussian.stage_model

    def anew(self: Gaussian, name: str) -> Any:
        self._models.clear()
        return stage_model(self, name)

    monkeypatch.setattr(Gaussian, "stage_model", anew)
    with pytest.raises(AdapterError) as caught:
        check_adapter(folder)
    assert caught.value.problems == (
        "stage base: stage_model loads the network anew at each call",
        "stage ssr1: stage_model loads the network anew at each call",
        "the text encoder gives tokens [2, 5, 3], cascade.yaml says [2, 4, 3]",
    )


def test_the_native_adapter_keeps_the_contract_too() -> None:
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    check_adapter(read_card("shapes-lite"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"network": None}, 'stage "base" needs one of unet'),
        ({"unet": {}}, r"unet\.channels"),
        ({"network": {"parameters": 1, "flops": 1, "multiple_of": 4}}, "its net needs multiples of 4"),
        ({"network": {"parameters": 0, "flops": 1}}, "greater than 0"),
        ({"distilled": {"samplers": ["ddim"], "steps": 4}}, "distilled goes with unet"),
    ],
)
def test_a_network_is_checked(change: dict[str, Any], message: str, folder: Path) -> None:
    spec = read_cascade(folder / "cascade.yaml").model_dump(mode="json")
    assert parse_cascade(spec) == read_cascade(folder / "cascade.yaml")
    spec["stages"][0] |= change
    if spec["stages"][0]["network"] is None:
        del spec["stages"][0]["network"]
    with pytest.raises(ConfigError, match=message):
        parse_cascade(spec)


def test_a_network_without_an_adapter_is_one_line(tmp_path: Path) -> None:
    folder = write_gaussian(tmp_path / "gaussian", "native")
    with pytest.raises(IvbenchError, match='stage "base" has a network that no adapter brings'):
        open_cascade(read_card(folder))
