"""Sampling of a stage, behind a model that is written in NumPy: the door is free of frameworks."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ivbench.cascade import StageSettings, conditioning_video, sample_stage
from ivbench.diffusion.guidance import Constant, Oscillating
from ivbench.diffusion.noise import NoiseKey, normal
from ivbench.diffusion.samplers.ancestral import Ancestral
from ivbench.diffusion.samplers.ddim import DDIM
from ivbench.diffusion.samplers.heun import Heun
from ivbench.diffusion.samplers.stochastic import Stochastic
from ivbench.diffusion.thresholding import Thresholding
from ivbench.errors import ConfigError, NonFiniteError, ShapeError
from ivbench.spec import StageSpec, VideoUNetSpec
from ivbench.text import TextEmbeddings

Floats = NDArray[np.float32]
B = 5
UNET: dict[str, Any] = {
    "channels": 8,
    "multipliers": (1, 2),
    "blocks": (1, 1),
    "spatial_attention": (False, True),
    "temporal": ("attention", "convolution"),
    "head_dim": 4,
    "groups": 4,
    "text_dim": 3,
    "embedding_dim": 8,
}


def stage(kind: str, augmentation: bool = True) -> StageSpec:
    later = kind != "base"
    unet = VideoUNetSpec(**UNET, conditioning=later, augmentation=later and augmentation)
    size = {"frames": 2, "height": 4, "width": 6} if not later else {"frames": 4, "height": 4, "width": 6}
    return StageSpec.model_validate({"name": kind, "kind": kind, "fps": 3, "unet": unet, **size})


class GaussianModel:
    """Data ~ N(text mean + conditioning video, 0.25 I): the best prediction of x in closed form, in NumPy alone."""

    out_of_memory: tuple[type[BaseException], ...] = (MemoryError,)

    def __init__(self, own: StageSpec) -> None:
        self.stage = own.model_copy(update={"parameterization": "x"})
        self.evaluations = 0
        self.told: list[float | None] = []
        self.conditioned: list[Floats | None] = []
        self.asked: list[tuple[float, int]] = []

    def evaluator(self, text: TextEmbeddings, conditioning: Floats | None, augmentation: float | None) -> Any:
        self.told.append(augmentation)
        self.conditioned.append(conditioning)
        return _Evaluator(self, text.pooled.mean(axis=1), conditioning)

    def to_backend(self, array: Floats) -> Floats:
        return array

    def to_numpy(self, array: Floats) -> Floats:
        return array


class _Evaluator:
    def __init__(self, model: GaussianModel, means: Floats, conditioning: Floats | None) -> None:
        self._model = model
        self._means = means[:, None, None, None, None] + (0 if conditioning is None else conditioning)

    def conditional(self, z: Floats, logsnr: float) -> Floats:
        self._model.evaluations += 1
        return self._predict(z, logsnr, self._means)

    def pair(self, z: Floats, logsnr: float) -> tuple[Floats, Floats]:
        self._model.evaluations += 2
        return self._predict(z, logsnr, self._means), self._predict(z, logsnr, 0 * self._means)

    def distilled(self, z: Floats, logsnr: float, w: float, jump: int) -> Floats:
        self._model.evaluations += 1
        self._model.asked.append((w, jump))
        return self._predict(z, logsnr, (1 + w) * self._means)

    def _predict(self, z: Floats, logsnr: float, mean: Any) -> Floats:
        alpha, variance = (1 / (1 + np.exp(-logsnr))) ** 0.5, 1 / (1 + np.exp(logsnr))
        gain = 0.25 * alpha / (0.25 * alpha**2 + variance)
        return np.asarray(mean + gain * (z - alpha * mean), np.float32)


def text(count: int = B) -> TextEmbeddings:
    rng = np.random.default_rng(3)
    tokens = (0.3 * rng.standard_normal((count, 2, 3))).astype(np.float32)
    return TextEmbeddings(tokens, np.ones((count, 2), bool), tokens.mean(axis=1), 0)


def rows(embeddings: TextEmbeddings, part: slice) -> TextEmbeddings:
    return replace(
        embeddings, tokens=embeddings.tokens[part], mask=embeddings.mask[part], pooled=embeddings.pooled[part]
    )


def keys(count: int = B) -> list[NoiseKey]:
    return [NoiseKey(7, f"prompt-{i}") for i in range(count)]


def low(count: int = B) -> Floats:
    return (0.2 * np.random.default_rng(4).standard_normal((count, 2, 4, 6, 3))).astype(np.float32)


def settings_of(**changes: Any) -> StageSettings:
    return replace(StageSettings(DDIM(), 4, Constant(1.0), Thresholding("static")), **changes)


@pytest.mark.parametrize("kind", ["base", "tsr"])
@pytest.mark.parametrize("sampler", [DDIM(), Ancestral(gamma=0.3)])
@pytest.mark.parametrize("torch_model", [False, True])
def test_any_split_of_the_batch_gives_the_same_videos(kind: str, sampler: Any, torch_model: bool) -> None:
    own = stage(kind)
    model = random_torch_model(own) if torch_model else GaussianModel(own)
    how = settings_of(sampler=sampler, augmentation_snr=3.0 if kind == "tsr" else None)
    given, video = text(), low() if kind == "tsr" else None
    whole = sample_stage(model, how, given, keys(), video)
    parts = [
        sample_stage(model, how, rows(given, part), keys()[part], None if video is None else video[part])
        for part in (slice(0, 1), slice(1, 4), slice(4, 5))
    ]
    np.testing.assert_allclose(np.concatenate(parts), whole, atol=1e-5 + 2**-11)  # the rounding's step below 1
    assert (np.concatenate(parts) != whole).mean() < 0.02


def random_torch_model(own: StageSpec) -> Any:
    pytest.importorskip("torch")
    from ivbench.cascade.torch_model import TorchStageModel
    from ivbench.spec import parameters

    rng = np.random.default_rng(0)
    shapes = parameters(own.unet)
    return TorchStageModel(own, {name: 0.1 * rng.standard_normal(s).astype(np.float32) for name, s in shapes.items()})


def test_the_same_call_gives_the_same_bits() -> None:
    first, second = (sample_stage(GaussianModel(stage("base")), settings_of(), text(), keys()) for _ in range(2))
    assert first.tobytes() == second.tobytes()


def test_noise_belongs_to_the_prompt_and_not_to_its_place() -> None:
    given = text(1)
    same = replace(given, **{name: np.repeat(getattr(given, name), 3, axis=0) for name in ("tokens", "mask", "pooled")})
    a, b = NoiseKey(7, "a"), NoiseKey(7, "b")
    video = sample_stage(GaussianModel(stage("base")), settings_of(), same, [a, b, a])
    np.testing.assert_array_equal(video[0], video[2])
    assert not np.allclose(video[0], video[1])


def test_the_noise_is_that_of_the_stages_own_key() -> None:
    """With one step the sample is x_hat of the first noise, which the test predicts itself."""
    own, given = stage("base"), text(1)
    model = GaussianModel(own)
    how = settings_of(num_steps=1, guidance=Constant(0.0), thresholding=Thresholding("none"))
    video = sample_stage(model, how, given, [NoiseKey(7, "p", stage="ignored", purpose="step", step=3)])
    z = normal(NoiseKey(7, "p", stage="base", purpose="init"), own.shape)[None]
    expected = _Evaluator(model, given.pooled.mean(axis=1), None).conditional(z, own.logsnr_min)
    np.testing.assert_allclose(video, expected, atol=1e-3)


def test_samples_of_the_closed_form_have_its_mean_and_variance() -> None:
    count = 200
    given = rows(text(1), slice(0, 1))
    many = replace(given, **{n: np.repeat(getattr(given, n), count, axis=0) for n in ("tokens", "mask", "pooled")})
    how = settings_of(num_steps=32, guidance=Constant(0.0), thresholding=Thresholding("none"))
    video = sample_stage(GaussianModel(stage("base")), how, many, keys(count))
    assert abs(video.mean() - given.pooled.mean()) < 0.02
    assert abs(video.std() - 0.5) < 0.03


def test_samples_are_rounded_to_float16() -> None:
    video = sample_stage(GaussianModel(stage("base")), settings_of(), text(), keys())
    assert video.dtype == np.float32
    np.testing.assert_array_equal(video, video.astype(np.float16).astype(np.float32))


@pytest.mark.parametrize("sampler", [DDIM(), Ancestral(gamma=0.3), Stochastic(), Heun()])
@pytest.mark.parametrize("guidance", [Constant(0.0), Constant(6.0), Oscillating(stages=("base",), low=0.0)])
def test_the_model_is_evaluated_as_often_as_was_said_before(sampler: Any, guidance: Any) -> None:
    model = GaussianModel(stage("base"))
    how = settings_of(sampler=sampler, num_steps=6, guidance=guidance)
    sample_stage(model, how, text(), keys())
    assert model.evaluations == how.nfe(model.stage)


def student(**facts: Any) -> StageSpec:
    """A base stage, distilled."""
    unet = UNET | {
        "guidance_embedding": "guidance" in facts,
        "jump_embedding": len(facts.get("samplers", ())) > 1,
    }
    data = stage("base").model_dump() | {"unet": unet, "distilled": facts}
    return StageSpec.model_validate(data)


BOTH: dict[str, Any] = {"guidance": (0, 16), "samplers": ("ddim", "stochastic"), "steps": 8}


@pytest.mark.parametrize(("sampler", "jump"), [(DDIM(), 1), (Stochastic(), 2)])
def test_a_distilled_network_is_evaluated_exactly_n_times_and_told_weight_and_jump(sampler: Any, jump: int) -> None:
    model = GaussianModel(student(**BOTH))
    how = settings_of(sampler=sampler, num_steps=8, guidance=Oscillating(15.0, 1.0, stages=("base",)))
    sample_stage(model, how, text(), keys())
    assert model.evaluations == how.nfe(model.stage) == 8
    assert model.asked == [(w, jump) for w in (15, 1, 15, 1, 15, 1, 15, 1)]


def test_told_the_weight_a_network_replaces_classifier_free_guidance() -> None:
    """Guided, the closed form has the text's mean times 1 + w: a student that says so samples alike."""
    how = settings_of(num_steps=8, guidance=Constant(2.0), thresholding=Thresholding("none"))
    told = sample_stage(GaussianModel(student(**BOTH)), how, text(), keys())
    np.testing.assert_allclose(told, sample_stage(GaussianModel(stage("base")), how, text(), keys()), atol=2e-3)


@pytest.mark.parametrize(
    ("facts", "changes", "message"),
    [
        (BOTH, {"num_steps": 4}, "distilled to 8 steps of ddim or 8 steps of stochastic, got 4 of ddim"),
        (BOTH, {"sampler": Ancestral(gamma=0.1)}, "got 8 of ancestral"),
        (BOTH, {"guidance": Constant(16.5)}, "knows w from 0 to 16, got w=16.5"),
        ({"samplers": ("ddim",), "steps": 8}, {}, "guidance on top of a distilled stage is not allowed, got w=1"),
    ],
)
def test_what_a_stage_was_not_distilled_for_is_refused(
    facts: dict[str, Any], changes: dict[str, Any], message: str
) -> None:
    model = GaussianModel(student(**facts))
    with pytest.raises(ConfigError, match=message):
        sample_stage(model, settings_of(**{"num_steps": 8, **changes}), text(), keys())
    assert model.evaluations == 0


def test_an_adapter_that_cannot_tell_the_weight_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    model = GaussianModel(student(**BOTH))
    plain = SimpleNamespace(conditional=None, pair=None)
    monkeypatch.setattr(model, "evaluator", lambda *_: plain)
    with pytest.raises(ConfigError, match="its adapter cannot tell the network guidance weight and jump"):
        sample_stage(model, settings_of(num_steps=8), text(), keys())


@pytest.mark.parametrize(("snr", "told"), [(3.0, np.log(3.0)), (None, 20.0)])
def test_the_model_is_told_the_log_snr_of_its_conditioning_video(snr: float | None, told: float) -> None:
    model = GaussianModel(stage("tsr"))
    sample_stage(model, settings_of(augmentation_snr=snr), text(), keys(), low())
    assert model.told == [pytest.approx(told)]


def test_augmentation_noises_the_low_resolution_and_keeps_the_variance_rule() -> None:
    model, video = GaussianModel(stage("tsr")), low(1)
    sample_stage(model, settings_of(augmentation_snr=3.0), text(1), keys(1), video)
    noise = normal(NoiseKey(7, "prompt-0", stage="tsr", purpose="augment"), video.shape[1:])[None]
    expected = conditioning_video(0.75**0.5 * video + 0.5 * noise, model.stage)
    np.testing.assert_allclose(model.conditioned[0], expected, atol=1e-6)


def test_a_network_may_have_its_conditioning_video_noised_after_it_is_resized() -> None:
    network = {"parameters": 1, "flops": 1, "augmentation": True, "noise_after_resizing": True}
    size = {"frames": 4, "height": 8, "width": 12, "fps": 3}
    own = StageSpec.model_validate({"name": "ssr", "kind": "ssr", "network": network, **size})
    model, video = GaussianModel(own), low(1)
    sample_stage(model, settings_of(augmentation_snr=3.0), text(1), keys(1), video)
    noise = normal(NoiseKey(7, "prompt-0", stage="ssr", purpose="augment"), own.shape)[None]
    np.testing.assert_allclose(
        model.conditioned[0], 0.75**0.5 * conditioning_video(video, own) + 0.5 * noise, atol=1e-6
    )


def test_without_augmentation_the_conditioning_video_is_clean() -> None:
    model, video = GaussianModel(stage("tsr", augmentation=False)), low()
    sample_stage(model, settings_of(), text(), keys(), video)
    assert model.told == [None]
    np.testing.assert_array_equal(model.conditioned[0], conditioning_video(video, model.stage))


def test_a_base_stage_refuses_a_conditioning_video() -> None:
    with pytest.raises(ConfigError, match='stage "base" is of kind base and starts from noise alone'):
        sample_stage(GaussianModel(stage("base")), settings_of(), text(), keys(), low())


@pytest.mark.parametrize("kind", ["tsr", "ssr"])
def test_a_later_stage_needs_a_conditioning_video(kind: str) -> None:
    with pytest.raises(ConfigError, match=f'stage "{kind}" is of kind {kind} and needs the output of the stage before'):
        sample_stage(GaussianModel(stage(kind)), settings_of(), text(), keys())


def test_an_augmentation_that_the_stage_does_not_know_is_refused() -> None:
    with pytest.raises(ConfigError, match='stage "tsr" was trained without augmentation'):
        sample_stage(
            GaussianModel(stage("tsr", augmentation=False)), settings_of(augmentation_snr=3.0), text(), keys(), low()
        )


def test_prompts_keys_and_videos_must_agree_in_number() -> None:
    with pytest.raises(ShapeError, match="got 5 prompts, 4 noise keys and 5 conditioning videos"):
        sample_stage(GaussianModel(stage("tsr")), settings_of(), text(), keys(4), low())


def test_a_sample_that_is_not_finite_names_the_stage() -> None:
    broken = replace(text(), pooled=np.full((B, 3), np.nan, np.float32))
    how = settings_of(thresholding=Thresholding("none"))
    with pytest.raises(NonFiniteError, match='stage "base": the sample has NaN'):
        sample_stage(GaussianModel(stage("base")), how, broken, keys())


def test_a_sample_beyond_float16_names_the_stage() -> None:
    large = replace(text(), pooled=np.full((B, 3), 1e6, np.float32))
    how = settings_of(thresholding=Thresholding("none"))
    with pytest.raises(NonFiniteError, match=r'stage "base": a value of 2e.06 is beyond float16'):
        sample_stage(GaussianModel(stage("base")), how, large, keys())


def test_the_door_loads_no_framework() -> None:
    code = "import ivbench.cascade, json, sys; print(json.dumps([n for n in ('torch', 'jax') if n in sys.modules]))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert json.loads(done.stdout) == []
