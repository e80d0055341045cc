"""The U-Nets of an imagen-pytorch checkpoint under our samplers: step for step, in distribution, and the whole run."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("torch")

import torch

from ivbench.adapters import open_cascade, open_door
from ivbench.adapters.imagen_pytorch_folder import SCHEDULES
from ivbench.cascade import StageSettings, conditioning_video, sample_stage
from ivbench.cascade.stage import stage_schedule
from ivbench.cli.main import main
from ivbench.diffusion import Ancestral, Constant, Guided, NoiseKey, Thresholding, alpha, sigma, x_denoiser
from ivbench.diffusion.samplers.ancestral import posterior_mean
from ivbench.diffusion.samplers.base import update
from ivbench.testing import check_adapter
from ivbench.text import TextEmbeddings
from ivbench.zoo import Card
from tests.run.tiny_imagen import imported, save_imagen

pytestmark = [
    pytest.mark.skipif(find_spec("imagen_pytorch") is None, reason="imagen-pytorch is not installed: tox -e imagen"),
    pytest.mark.filterwarnings("ignore"),  # of the package, on today's libraries
]

DOOR = "imagen-pytorch-denoisers"
THREE: dict[str, Any] = {
    "image_sizes": (8, 8, 16),
    "temporal_downsample_factor": (2, 1, 1),
    "pred_objectives": ("noise", "v", "x_start"),
    "dynamic_thresholding": (True, True, False),
}
"""base 2x8x8 of eps and cosine, tsr1 4x8x8 of v and cosine, ssr1 4x16x16 of x and their linear."""
STAGES = ("base", "tsr1", "ssr1")
FRAMES, B, STEPS = 4, 2, 4


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Equal checkpoints are made anew: this code's, not what an earlier one made of them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three stages, whose averaged weights are far from the trained ones."""
    imported()
    path = save_imagen(tmp_path_factory.mktemp("imagen") / "three.pt", frames=FRAMES, **THREE)
    state = torch.load(path, weights_only=True)
    generator = torch.Generator().manual_seed(0)
    for name, value in state["ema"].items():
        if ".ema_model." in name and value.is_floating_point():
            value += 0.1 * torch.randn(value.shape, generator=generator)
    torch.save(state, path)
    return path


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    imported()
    return save_imagen(tmp_path_factory.mktemp("imagen") / "two.pt")


@pytest.fixture(scope="module")
def theirs(saved: Path) -> Any:
    """The same Imagen as the package builds it, with the averaged weights."""
    return built(saved)


def built(path: Path) -> Any:
    state = torch.load(path, weights_only=True)
    imagen = imported().ImagenConfig(**state["imagen_params"]).create()
    imagen.load_state_dict(state["model"])
    for place, unet in enumerate(imagen.unets):
        names = [name for name in state["ema"] if name.startswith(f"{place}.ema_model.")]
        unet.load_state_dict({name.split(".", 2)[2]: state["ema"][name] for name in names})
    return imagen.eval()


def card(path: Path, frames: int = FRAMES) -> Card:
    found = open_door(f"{DOOR}:{path}", size={"frames": frames})
    assert isinstance(found, Card)
    return found


def text(count: int = B) -> TextEmbeddings:
    rng = np.random.default_rng(3)
    mask = np.arange(256) < rng.integers(3, 9, (count, 1))
    tokens = rng.standard_normal((count, 256, 128)).astype(np.float32) * mask[..., None]
    return TextEmbeddings(tokens, mask, tokens.mean(1), 0)


def channels_first(video: NDArray[np.float32]) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(video.transpose(0, 4, 1, 2, 3)))


def channels_last(video: torch.Tensor) -> NDArray[np.float32]:
    found: NDArray[np.float32] = video.permute(0, 2, 3, 4, 1).numpy()
    return found


@pytest.mark.parametrize("name", ["cosine", "linear"])
def test_their_schedules_are_ours(name: str) -> None:
    ours, own = SCHEDULES[name][1], imported().imagen_pytorch.GaussianDiffusionContinuousTimes(noise_schedule=name)
    times = np.linspace(0, 1, 101)[: -1 if name == "cosine" else None]  # their cosine has no end in float64
    expected = own.log_snr(torch.from_numpy(times)).tolist()
    found = [ours.logsnr(t) for t in times.tolist()]
    upto = 91 if name == "cosine" else 101
    assert found[:upto] == pytest.approx(expected[:upto], abs=1e-6)
    for part in (alpha, sigma):
        assert [part(x) for x in found] == pytest.approx([part(x) for x in expected], abs=1e-7)
    begin, end = own.log_snr(torch.tensor([0.0, 1.0])).tolist()
    assert ours.logsnr(1.0) == pytest.approx(end, rel=1e-6)
    assert ours.logsnr(0.0) == pytest.approx(begin, abs=2e-4)  # where float32 cancels in their cos^-2 - 1


def test_the_stages_are_those_of_its_configuration(saved: Path) -> None:
    found = card(saved)
    spec, sampling = found.cascade(), found.config.sampling
    assert spec.name == "three-denoisers"
    assert [(stage.name, stage.shape, stage.fps) for stage in spec.stages] == [
        ("base", (2, 8, 8, 3), 4.0),
        ("tsr1", (4, 8, 8, 3), 8.0),
        ("ssr1", (4, 16, 16, 3), 8.0),
    ]
    assert [stage.parameterization for stage in spec.stages] == ["eps", "v", "x"]
    assert [stage.schedule for stage in spec.stages] == ["cosine", "cosine", "beta_linear"]
    assert [stage.augmentation for stage in spec.stages] == [False, True, True]
    assert (spec.text.dim, spec.text.length) == (128, 256)
    assert sampling.steps == dict.fromkeys(STAGES, 4)
    assert sampling.augmentation_snr == {"sr": pytest.approx(1 / math.expm1(1e-4 + 10 * 0.2**2))}
    assert {name: kind.label for name, kind in (sampling.thresholding or {}).items()} == {
        "base": "dynamic(95)",
        "tsr1": "dynamic(95)",
        "ssr1": "static",
    }


def test_parameters_and_flops_are_counted_as_they_are_computed(saved: Path, theirs: Any) -> None:
    from torch.utils.flop_counter import FlopCounterMode

    last, unet = card(saved).cascade().stages[-1], theirs.unets[-1]
    video = torch.zeros(1, 3, 4, 16, 16)
    more = {"lowres_cond_img": video, "lowres_noise_times": torch.zeros(1), "text_embeds": torch.zeros(1, 256, 128)}
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        unet(video, torch.zeros(1), text_mask=torch.ones(1, 256, dtype=torch.bool), **more)
    assert last.flops(256) == counter.get_total_flops() > 0
    assert last.parameters == sum(parameter.numel() for parameter in unet.parameters())


def test_the_contract_of_each_stage_is_kept(saved: Path) -> None:
    check_adapter(card(saved))


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("w", [0.0, 3.0])
@pytest.mark.parametrize("thresholding", [Thresholding("static"), Thresholding("dynamic", 95.0)])
def test_a_step_is_theirs(saved: Path, theirs: Any, place: int, w: float, thresholding: Thresholding) -> None:
    """x_hat, the mean and the variance of every step at the same U-Net, z_t and text: to 1e-5, which guidance raises
    by 1 + 2 w; the U-Net is told the log SNR, which theirs rounds to float32 at each operation."""
    name, words, allowed = STAGES[place], text(), 1e-5 * (1 + 2 * w)
    model = open_cascade(card(saved)).stage_model(name)
    schedule, rng = stage_schedule(model.stage), np.random.default_rng(place)
    low = rng.uniform(-1, 1, (B, *model.stage.shape)).astype(np.float32) if place else None
    lowres = SCHEDULES["linear"][1].logsnr(0.2) if place else None
    evaluator = model.evaluator(words, low, lowres)
    for step in Ancestral(gamma=0.0).steps(schedule, STEPS):
        z = rng.standard_normal((B, *model.stage.shape)).astype(np.float32)
        guided = Guided(evaluator.conditional, evaluator.pair)
        denoise_x = x_denoiser(guided, model.stage.parameterization, {step.index: w}, thresholding)
        x_hat = denoise_x(z, step.logsnr_t, step.index)
        (mean, variance, _), their_x = theirs.p_mean_variance(
            theirs.unets[place],
            channels_first(z),
            torch.full((B,), step.t),
            t_next=torch.full((B,), step.s),
            noise_scheduler=theirs.noise_schedulers[place],
            text_embeds=torch.from_numpy(words.tokens),
            text_mask=torch.from_numpy(words.mask),
            lowres_cond_img=None if low is None else channels_first(low),
            lowres_noise_times=None if low is None else torch.full((B,), 0.2),
            cond_scale=1 + w,
            cfg_remove_parallel_component=False,
            pred_objective=theirs.pred_objectives[place],
            dynamic_threshold=thresholding.kind == "dynamic",
        )
        np.testing.assert_allclose(x_hat, channels_last(their_x.detach()), atol=allowed)
        c = step.coefficients
        if step.last:  # ours ends at x_hat; theirs takes the posterior's mean at its log SNR of t = 0, without noise
            c = c._replace(**dict(zip("zx", posterior_mean(step.logsnr_t, step.logsnr_s), strict=True)))
        else:
            np.testing.assert_allclose(c.noise, variance.flatten()[0].sqrt(), rtol=1e-5)
        np.testing.assert_allclose(update(z, x_hat, c), channels_last(mean.detach()), atol=allowed)


def test_their_default_guidance_is_another(saved: Path, theirs: Any) -> None:
    """It drops the part of the difference that is parallel to the conditional prediction."""
    words, z = text(), np.random.default_rng(0).standard_normal((B, 2, 8, 8, 3)).astype(np.float32)
    evaluator = open_cascade(card(saved)).stage_model("base").evaluator(words, None, None)
    conditional, unconditional = evaluator.pair(z, 0.0)
    found = theirs.unets[0].forward_with_cond_scale(
        channels_first(z),
        torch.zeros(B),
        text_embeds=torch.from_numpy(words.tokens),
        text_mask=torch.from_numpy(words.mask),
        cond_scale=4.0,
        remove_parallel_component=True,
    )
    difference = (conditional - unconditional).reshape(B, -1)
    unit = conditional.reshape(B, -1) / np.linalg.norm(conditional.reshape(B, -1), axis=1, keepdims=True)
    across = difference - (difference * unit).sum(1, keepdims=True) * unit
    expected = conditional + 3 * across.reshape(z.shape)
    np.testing.assert_allclose(channels_last(found.detach()), expected, atol=1e-5)
    assert np.abs(expected - (conditional + 3 * (conditional - unconditional))).max() > 1e-4


@pytest.mark.parametrize("place", [1, 2])
def test_the_conditioning_video_is_resized_as_theirs(saved: Path, theirs: Any, place: int) -> None:
    stages = card(saved).cascade().stages
    low = np.random.default_rng(0).uniform(-1, 1, (B, *stages[place - 1].shape)).astype(np.float32)
    stage = stages[place]
    expected = theirs.resize_to((channels_first(low) + 1) / 2, stage.height, target_frames=stage.frames)
    found = conditioning_video(low, stage)
    np.testing.assert_allclose(found, channels_last(theirs.normalize_img(expected)), atol=1e-6)


MEAN, STD = 0.3, 0.25


def gaussian(unet: Any, x: Any, time: Any, lowres_cond_img: Any = None, cond_drop_prob: float = 0.0, **_: Any) -> Any:
    """eps for N(mean, STD^2), in closed form; the text's mean is .3, none's 0, and the video before adds its half."""
    sign = [time.sigmoid().sqrt(), (-time).sigmoid().sqrt()]
    a, s = (part.reshape(-1, 1, 1, 1, 1) for part in sign)
    mean = MEAN * (1 - cond_drop_prob) + (0 if lowres_cond_img is None else 0.5 * lowres_cond_img)
    x_hat = (STD**2 * a * x + s**2 * mean) / (STD**2 * a**2 + s**2)
    return (x - a * x_hat) / s


def moments(video: NDArray[np.float32]) -> NDArray[np.float64]:
    """[N, 3]: of each video the mean, the mean square and the mean product of neighbours in a row."""
    video = video.astype(np.float64)
    of_values = (video, video**2, video[..., 1:, :] * video[..., :-1, :])
    return np.stack([part.reshape(len(video), -1).mean(1) for part in of_values], axis=1)


def distances(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float64]:
    """Of the moments, in standard errors of their difference; videos are independent."""
    of_a, of_b = moments(a), moments(b)
    error = np.sqrt(of_a.var(0, ddof=1) / len(a) + of_b.var(0, ddof=1) / len(b))
    found: NDArray[np.float64] = np.abs(of_a.mean(0) - of_b.mean(0)) / error
    return found


def ours(own: Card, count: int, gamma: float) -> list[NDArray[np.float32]]:
    """The videos of both stages."""
    opened, words, low, made = open_cascade(own), text(count), None, []
    sampling = own.config.sampling
    for stage in opened.spec.stages:
        snr = (sampling.augmentation_snr or {})["sr"] if low is not None else None
        how = StageSettings(Ancestral(gamma), 8, Constant(1.0), Thresholding("dynamic", 95.0), snr)
        keys = [NoiseKey(0, "a prompt", sample) for sample in range(count)]
        low = sample_stage(opened.stage_model(stage.name), how, words, keys, low)
        made.append(low)
    return made


def test_in_distribution_their_sampler_is_our_ancestral_one(two: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a closed-form denoiser, with guidance w = 1 and 8 steps: 256 videos a side, each of 3 moments of 2 stages
    within 4 standard errors (by chance 1 in 2,600 fails). With gamma = 1 they are told apart."""
    count, words, own = 256, text(256), card(two, 2)
    monkeypatch.setattr(imported().Unet3D, "forward", gaussian)
    imagen = built(two)
    for scheduler in imagen.noise_schedulers:
        scheduler.num_timesteps = 8
    torch.manual_seed(0)
    made = imagen.sample(
        text_embeds=torch.from_numpy(words.tokens),
        text_masks=torch.from_numpy(words.mask),
        video_frames=2,
        cond_scale=2.0,
        cfg_remove_parallel_component=False,
        return_all_unet_outputs=True,
        use_tqdm=False,
    )
    their = [channels_last(2 * video - 1) for video in made]
    same, other = ours(own, count, 0.0), ours(own, count, 1.0)
    for stage in (0, 1):
        assert distances(their[stage], same[stage]).max() < 4
    assert max(distances(their[stage], other[stage]).max() for stage in (0, 1)) > 8


SUITE = """
name: both
prompts: {source: "shapes:test", count: 2}
runs: 1
video: {frames: 2}
metrics: [{name: flicker, extractor: block-motion}]
defaults: {steps: 2}
grid:
  guidance: [0, 3, "oscillate(4,1)"]
  sampler: [ddim, ancestral]
  thresholding: [static, dynamic]
"""


def test_the_whole_run(two: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("IVBENCH_STORE", "store")
    Path("suite.yaml").write_text(SUITE)
    options = ["--suite", "suite.yaml", "--out", "out", "--no-timing", "--no-open"]
    assert main(["run", f"{DOOR}:{two}", *options]) == 0
    cells = json.loads(Path("out/results.json").read_text())["cells"]
    assert len(cells) == 12
    assert all(cell["complete"] and len(cell["scores"]) == 1 for cell in cells)
    assert len({json.dumps(cell["scores"]) for cell in cells}) > 6
    assert Path("out/report.html").is_file()


def test_what_is_not_used_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = {"image_sizes": [8, 16], "video": True, "unets": [{"dim": 8}, {"dim": 8}]}
    (tmp_path / "two.yaml").write_text(SUITE)
    for params, said in (
        (None, "has no configuration"),
        ({**good, "channels": 1}, "channels is 1"),
        ({**good, "resize_mode": "trilinear"}, "resize_mode is 'trilinear'. Allowed: nearest"),
        ({**good, "unets": [{"self_cond": True}, {}]}, "unets.0.self_cond is True: .* Take the door imagen-pytorch"),
        ({**good, "unets": [{}, {"is_null": True}]}, "unets.1.is_null is True"),
        ({**good, "temporal_downsample_factor": [4, 1]}, "video.frames is 2, U-Net 1 makes one in 4"),
        ({**good, "temporal_downsample_factor": [4]}, "temporal_downsample_factor has 1 values for 2 U-Nets"),
        (good, "cannot be loaded: 'text_to_cond.weight'"),
    ):
        content = {"model": {}, "imagen_type": "original", **({} if params is None else {"imagen_params": params})}
        torch.save(content, tmp_path / "wrong.pt")
        assert main(["plan", f"{DOOR}:{tmp_path / 'wrong.pt'}", "--suite", str(tmp_path / "two.yaml")]) == 2
        error = capsys.readouterr().err
        assert len(error.strip().splitlines()) == 1
        assert re.search(said, error), error
    assert main(["plan", f"{DOOR}:{tmp_path / 'absent.pt'}"]) == 2
    assert "is not there" in capsys.readouterr().err


def test_weights_that_do_not_fit_are_found_before_anything_runs(
    two: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = torch.load(two, weights_only=True)
    state["ema"].pop(next(name for name in state["ema"] if name.startswith("1.ema_model.")))
    torch.save(state, tmp_path / "torn.pt")
    assert main(["plan", f"{DOOR}:{tmp_path / 'torn.pt'}"]) == 2
    assert "Missing key" in capsys.readouterr().err


def test_a_suite_asks_for_the_frames_and_for_no_other_size(
    two: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "suite.yaml").write_text(SUITE.replace("{frames: 2}", "{frames: 2, height: 24}"))
    assert main(["plan", f"{DOOR}:{two}", "--suite", str(tmp_path / "suite.yaml")]) == 2
    assert "video.height is 24: the videos of a cascade have the size of its last stage" in capsys.readouterr().err


def test_guidance_needs_text_dropout(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = save_imagen(tmp_path / "never.pt", steps=1, cond_drop_prob=0.0)
    evaluator = open_cascade(card(path, 2)).stage_model("base").evaluator(text(), None, None)
    z = np.zeros((B, 2, 8, 8, 3), np.float32)
    assert evaluator.conditional(z, 0.0).shape == z.shape
    with pytest.raises(Exception, match="was trained without text dropout"):
        evaluator.pair(z, 0.0)
