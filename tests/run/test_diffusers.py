"""Pipelines of diffusers, built tiny, saved and loaded back: through grid, metrics and report, and the contract."""

from __future__ import annotations

import importlib.util
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("diffusers")

from ivbench.adapters import Request, loaded, open_door
from ivbench.adapters.diffusers_folder import PipelineFolder
from ivbench.adapters.diffusers_pipeline import DiffusersGenerator
from ivbench.cli.main import main
from ivbench.errors import ConfigError, IvbenchError
from ivbench.results.files import read_results
from ivbench.testing import check_adapter
from tests.run.processes import environment, suite_file
from tests.run.tiny_pipelines import save_cogvideox, save_sd, save_wan

# diffusers warns of its own parts that it will drop.
pytestmark = [
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

VIDEO = {"text-to-video-sd": (2, 8, 8), "cogvideox": (9, 16, 16), "wan": (5, 16, 16)}
SAVED: dict[str, Callable[[Path], Path]] = {"text-to-video-sd": save_sd, "cogvideox": save_cogvideox, "wan": save_wan}
FAMILIES = [
    "text-to-video-sd",
    "cogvideox",
    pytest.param(
        "wan",
        marks=pytest.mark.skipif(importlib.util.find_spec("accelerate") is None, reason="Wan is loaded by accelerate"),
    ),
]


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A family's folder, built once."""
    root = tmp_path_factory.mktemp("pipelines")
    return lambda family: root / family if (root / family).is_dir() else SAVED[family](root / family)


def small(generator: Any, family: str) -> Any:
    frames, height, width = VIDEO[family]
    generator.spec = generator.spec.sized({"frames": frames, "height": height, "width": width})
    return generator


@pytest.mark.parametrize("family", FAMILIES)
def test_the_contract_is_kept(saved: Callable[[str], Path], family: str) -> None:
    check_adapter(small(DiffusersGenerator(str(saved(family))), family))


@pytest.mark.parametrize("family", FAMILIES)
def test_through_grid_metrics_and_report(
    saved: Callable[[str], Path], family: str, shipped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment(shipped, tmp_path).items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    frames, height, width = VIDEO[family]
    suite_file(
        tmp_path,
        prompts={"source": "shapes:test", "count": 2},
        runs=1,
        defaults={"steps": 2},
        grid={"guidance": [0, 6.5], "negative_prompt": ["", "grey"]},
        video={"frames": frames, "height": height, "width": width, "fps": 4},
    )
    arguments = [
        "run",
        f"diffusers:{saved(family)}",
        "--suite",
        "suite.yaml",
        "--no-timing",
        "--no-open",
        "--out",
        "out",
    ]
    assert main(arguments) == 0
    results = read_results(tmp_path / "out" / "results.json")
    assert [(cell.guidance_w, cell.scale_g) for cell in results.cells] == [(0, 1), (0, 1), (6.5, 7.5), (6.5, 7.5)]
    assert all(cell.complete and len(cell.scores) == 4 for cell in results.cells)
    assert results.cells[0].costs[0].flops is None
    (stage,) = results.cascade.stages
    assert (stage.frames, stage.height, stage.width, stage.fps) == (frames, height, width, 4)
    assert results.environments[0].libraries["diffusers"] != "not installed"
    assert (tmp_path / "out" / "report.html").is_file()


def test_a_video_is_what_the_pipeline_itself_makes(saved: Callable[[str], Path]) -> None:
    """The same seed, steps and scale, given to the pipeline by hand."""
    import torch
    from diffusers import DiffusionPipeline

    folder = saved("text-to-video-sd")
    pipeline = DiffusionPipeline.from_pretrained(folder, use_safetensors=True)
    pipeline.set_progress_bar_config(disable=True)
    theirs = pipeline(
        "a red circle",
        num_frames=2,
        height=8,
        width=8,
        num_inference_steps=3,
        guidance_scale=4.0,
        negative_prompt="grey",
        generator=torch.Generator().manual_seed(5),
        output_type="np",
    ).frames[0]
    settings = {"steps": 3, "guidance": 3.0, "negative_prompt": "grey"}
    request = Request(("a red circle",), (5,), settings, 2, 8, 8, 8.0)
    (ours,) = loaded(DiffusersGenerator(str(folder))).generate(request)
    assert np.array_equal(ours, np.rint(255 * theirs).astype(np.uint8))


def test_what_a_call_takes_can_be_swept(saved: Callable[[str], Path]) -> None:
    sd = open_door(f"diffusers:{saved('text-to-video-sd')}").spec
    assert sd.settings == {"steps": 50, "guidance": 8.0, "negative_prompt": None, "eta": 0.0}
    assert (sd.frames, sd.height, sd.width) == (16, 8, 8)
    cog = open_door(f"diffusers:{saved('cogvideox')}").spec
    assert cog.settings["use_dynamic_cfg"] is False
    assert (cog.frames, cog.height, cog.width) == (5, 16, 16)


def altered(folder: Path, to: Path, file: str, **changes: Any) -> Path:
    shutil.copytree(folder, to)
    config = json.loads((to / file).read_text())
    (to / file).write_text(json.dumps({**config, **changes}))
    return to


@pytest.mark.parametrize(
    ("family", "file", "changes", "left"),
    [
        ("text-to-video-sd", "unet/config.json", {"time_cond_proj_dim": 8}, ["steps", "eta"]),
        ("text-to-video-sd", "model_index.json", {"is_distilled": True}, ["steps", "eta"]),
        ("cogvideox", "transformer/config.json", {"guidance_embeds": True}, ["steps", "guidance_scale"]),
    ],
)
def test_guidance_on_a_guidance_distilled_model_is_an_error(
    saved: Callable[[str], Path],
    tmp_path: Path,
    family: str,
    file: str,
    changes: dict[str, Any],
    left: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = altered(saved(family), tmp_path / "distilled", file, **changes)
    settings = DiffusersGenerator(str(folder)).spec.settings
    assert set(left) <= set(settings)
    assert "guidance" not in settings
    suite_file(tmp_path, defaults={}, grid={"guidance": [0, 2]}, metrics=[])
    assert main(["plan", f"diffusers:{folder}", "--suite", "suite.yaml"]) == 2
    told = capsys.readouterr().err
    assert "guidance on top would count twice" in told
    assert ("options.guidance_scale" in told) == ("guidance_scale" in left)


def test_a_distilled_network_that_is_not_told_a_scale_is_sampled_without_guidance(
    saved: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = altered(saved("text-to-video-sd"), tmp_path / "distilled", "model_index.json", is_distilled=True)
    generator = loaded(DiffusersGenerator(str(folder)))
    plain = loaded(DiffusersGenerator(str(saved("text-to-video-sd"))))
    request = Request(("a red circle",), (5,), {"steps": 2}, 2, 8, 8, 8.0)
    off = Request(("a red circle",), (5,), {"steps": 2, "guidance": 0.0}, 2, 8, 8, 8.0)
    assert np.array_equal(generator.generate(request)[0], plain.generate(off)[0])


def test_other_weights_are_another_generator(saved: Callable[[str], Path], tmp_path: Path) -> None:
    folder = saved("text-to-video-sd")
    copied = tmp_path / "renamed"
    shutil.copytree(folder, copied)
    (copied / "README.md").write_text("words")
    assert PipelineFolder(str(copied)).digest == PipelineFolder(str(folder)).digest
    weights = next(copied.glob("unet/*.safetensors"))
    weights.write_bytes(weights.read_bytes()[:-1] + b"\1")
    assert PipelineFolder(str(copied)).digest != PipelineFolder(str(folder)).digest


def test_a_hub_id_is_its_folder_in_the_hubs_cache(
    saved: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the hub's client lays it out; there is no network here."""
    from huggingface_hub import constants

    kept = tmp_path / "models--own--tiny"
    shutil.copytree(saved("text-to-video-sd"), kept / "snapshots" / ("0" * 40))
    (kept / "refs").mkdir()
    (kept / "refs" / "main").write_text("0" * 40)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    found = DiffusersGenerator("own/tiny")
    assert found.weights == DiffusersGenerator(str(saved("text-to-video-sd"))).weights
    settings = {**found.spec.settings, "steps": 2, "guidance": 3.0}
    (video,) = loaded(found).generate(Request(("a red circle",), (5,), settings, 2, 8, 8, 8.0))
    assert video.shape == (2, 8, 8, 3)
    with pytest.raises(IvbenchError, match=r"own/absent is no folder, and cannot be fetched from the hub"):
        DiffusersGenerator("own/absent")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda folder: (folder / "model_index.json").unlink(), "model_index.json is not there"),
        (lambda folder: (folder / "model_index.json").write_text("{"), "is not JSON"),
        (lambda folder: (folder / "model_index.json").write_text('{"_class_name": ["x", "Y"]}'), "code of its own"),
        (lambda folder: (folder / "model_index.json").write_text('{"_class_name": "Absent"}'), "has no Absent"),
        (
            lambda folder: (folder / "model_index.json").write_text('{"_class_name": "StableDiffusionPipeline"}'),
            "does not make videos from prompts",
        ),
        (
            lambda folder: (folder / "model_index.json").write_text('{"_class_name": "WanImageToVideoPipeline"}'),
            "from prompts alone",
        ),
        (lambda folder: next(folder.glob("unet/*.safetensors")).unlink(), "cannot be loaded"),
        (lambda folder: next(folder.glob("vae/*.safetensors")).write_bytes(b"torn"), "cannot be loaded"),
    ],
)
def test_a_wrong_folder_is_one_line(saved: Callable[[str], Path], tmp_path: Path, change: Any, said: str) -> None:
    shutil.copytree(saved("text-to-video-sd"), tmp_path / "wrong")
    change(tmp_path / "wrong")
    with pytest.raises(IvbenchError, match=said) as caught:
        loaded(DiffusersGenerator(str(tmp_path / "wrong")))
    assert "\n" not in str(caught.value)


def test_what_a_pipeline_refuses_is_one_line(saved: Callable[[str], Path]) -> None:
    generator = loaded(DiffusersGenerator(str(saved("text-to-video-sd"))))
    with pytest.raises(ConfigError, match=r"TextToVideoSDPipeline: .*divisible by 8"):
        generator.generate(Request(("a",), (0,), {"steps": 1, "guidance": 0.0}, 2, 9, 8, 8.0))


def test_a_card_cannot_name_it(tmp_path: Path) -> None:
    from ivbench.adapters import open_cascade
    from ivbench.zoo import read_card
    from tests.unit.adapters.gaussian_cascade import write_gaussian

    with pytest.raises(ConfigError, match="is a generator"):
        open_cascade(read_card(write_gaussian(tmp_path / "gaussian", "diffusers")))
