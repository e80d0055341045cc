"""A stage's network in JAX behind the door: what is compiled, and agreement with PyTorch over whole runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
jax = pytest.importorskip("jax")

from ivbench.cascade import StageSettings, sample_stage  # noqa: E402 - after the gates
from ivbench.cascade.jax_model import JaxStageModel  # noqa: E402
from ivbench.cascade.torch_model import TorchStageModel  # noqa: E402
from ivbench.diffusion import DDIM, Ancestral, Constant, Heun, NoiseKey, Oscillating, Stochastic  # noqa: E402
from ivbench.diffusion.thresholding import Thresholding  # noqa: E402
from ivbench.errors import ConfigError, NonFiniteError  # noqa: E402
from ivbench.spec import StageSpec, parameters  # noqa: E402
from ivbench.text import TextEmbeddings  # noqa: E402

B = 3
UNET: dict[str, Any] = {
    "channels": 8,
    "multipliers": (1,),
    "blocks": (0,),
    "middle": 1,
    "spatial_attention": (True,),
    "temporal": ("attention",),
    "head_dim": 4,
    "groups": 4,
    "text_dim": 3,
    "embedding_dim": 8,
}
BASE = {"name": "base", "kind": "base", "frames": 2, "height": 4, "width": 8, "fps": 3, "unet": UNET}
LIFTED = UNET | {"conditioning": True, "augmentation": True, "temporal": ("convolution",)}
SSR = BASE | {"name": "ssr1", "kind": "ssr", "height": 8, "width": 16, "unet": LIFTED}
TOLD = UNET | {"guidance_embedding": True, "jump_embedding": True}
DISTILLED = BASE | {"unet": TOLD, "distilled": {"guidance": (0, 6), "samplers": ("ddim", "stochastic"), "steps": 4}}


def stage(data: dict[str, Any] = BASE, **changes: Any) -> StageSpec:
    return StageSpec.model_validate(data | changes)


def weights(own: StageSpec) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    return {name: (0.2 * rng.standard_normal(shape)).astype("f4") for name, shape in parameters(own.unet).items()}


def text(zero: bool = False) -> TextEmbeddings:
    tokens = np.random.default_rng(1).standard_normal((B, 4, 3)).astype(np.float32) * (not zero)
    mask = np.arange(4)[None] < np.array([[2], [4], [1]])
    return TextEmbeddings(tokens, mask | zero, tokens.mean(axis=1), 0)


def video(seed: int, height: int = 4, width: int = 8) -> Any:
    return np.random.default_rng(seed).standard_normal((B, 2, height, width, 3)).astype(np.float32)


KEYS = [NoiseKey(7, f"prompt-{index}") for index in range(B)]
COMPILED: list[str] = []


def _record(event: str, _seconds: float, **_: Any) -> None:
    if event == "/jax/core/compile/backend_compile_duration":
        COMPILED.append(event)


jax.monitoring.register_event_duration_secs_listener(_record)


@contextmanager
def compilations() -> Iterator[list[str]]:
    """What is compiled in the block, one entry each."""
    COMPILED.clear()
    yield COMPILED


def run(model: Any, sampler: Any, num_steps: int, guidance: Any, low: Any = None, on_step: Any = None) -> Any:
    how = StageSettings(sampler, num_steps, guidance, Thresholding("dynamic"), 3.0 if low is not None else None)
    return sample_stage(model, how, text(), KEYS, low, on_step)


@pytest.mark.parametrize("sampler", [DDIM(), Ancestral(gamma=0.3), Stochastic()], ids=lambda one: type(one).__name__)
def test_one_compiled_step_serves_all_timesteps_weights_and_numbers_of_steps(sampler: Any) -> None:
    model = JaxStageModel(stage(), weights(stage()))
    with compilations() as compiled:
        run(model, sampler, 1, Constant(2.0))
        assert compiled  # the probe sees what is compiled, and one step, the last, is enough
    with compilations() as compiled:
        run(model, sampler, 9, Constant(2.0))
        run(model, sampler, 5, Oscillating(high=15.0, low=1.0))
        assert compiled == []


def test_guided_and_unguided_steps_are_two_programs() -> None:
    model = JaxStageModel(stage(), weights(stage()))
    run(model, DDIM(), 2, Constant(0.0))
    run(model, DDIM(), 2, Constant(2.0))
    with compilations() as compiled:
        run(model, DDIM(), 8, Oscillating(high=3.0, low=0.0))
        assert compiled == []


def test_a_second_model_of_the_same_shapes_compiles_nothing() -> None:
    run(JaxStageModel(stage(), weights(stage())), DDIM(), 2, Constant(2.0))
    other = {name: 2 * value for name, value in weights(stage()).items()}
    with compilations() as compiled:
        run(JaxStageModel(stage(), other), DDIM(), 3, Constant(1.0))
        assert compiled == []


def test_heuns_last_step_is_its_only_other_program() -> None:
    model = JaxStageModel(stage(), weights(stage()))
    run(model, Heun(), 2, Constant(2.0))
    with compilations() as compiled:
        run(model, Heun(), 7, Constant(2.0))
        assert compiled == []


def assert_same_run(data: dict[str, Any], sampler: Any, num_steps: int, guidance: Any, low: Any = None) -> None:
    """Both backends in float64 from the same noise: every z within 1e-6."""
    own, states = stage(data), {}
    with jax.enable_x64(True):
        for kind in (TorchStageModel, JaxStageModel):
            model, seen = kind(own, weights(own), dtype="float64"), []
            run(model, sampler, num_steps, guidance, low, lambda _, z, seen=seen: seen.append(np.asarray(z)))
            assert seen[0].dtype == np.float64
            states[kind] = np.array(seen)
    assert np.abs(states[TorchStageModel][-1]).max() > 0.5
    np.testing.assert_allclose(states[JaxStageModel], states[TorchStageModel], atol=1e-6, rtol=0)


@pytest.mark.parametrize("sampler", [Ancestral(), Heun()], ids=lambda one: type(one).__name__)
def test_a_guided_run_of_32_steps_is_that_of_torch_in_float64(sampler: Any) -> None:
    assert_same_run(BASE, sampler, 32, Constant(3.0))


def test_a_guided_run_from_a_conditioning_video_is_that_of_torch_in_float64() -> None:
    assert_same_run(SSR, DDIM(), 32, Oscillating(high=4.0, low=0.0), low=video(3).clip(-1, 1))


@pytest.mark.parametrize("sampler", [DDIM(), Stochastic()], ids=lambda one: type(one).__name__)
def test_a_distilled_stage_that_is_told_weight_and_jump_is_that_of_torch(sampler: Any) -> None:
    assert_same_run(DISTILLED, sampler, 4, Oscillating(high=5.0, low=1.0))


def test_a_distilled_stage_refuses_guidance_on_top() -> None:
    model = JaxStageModel(stage(DISTILLED), weights(stage(DISTILLED)))
    with pytest.raises(ConfigError, match="on top of it is not allowed"):
        model.evaluator(text(), None, None).pair(model.to_backend(video(2)), 0.5)


def test_a_pair_is_two_single_calls() -> None:
    own = stage(SSR)
    model, low = JaxStageModel(own, weights(own)), video(3, 8, 16)
    z = model.to_backend(video(2, 8, 16))
    with_text, without = model.evaluator(text(), low, 1.0).pair(z, 0.5)
    np.testing.assert_allclose(with_text, model.evaluator(text(), low, 1.0).conditional(z, 0.5), atol=1e-5)
    np.testing.assert_allclose(without, model.evaluator(text(zero=True), low, 1.0).conditional(z, 0.5), atol=1e-5)
    assert np.abs(with_text - without).max() > 1e-3


@pytest.mark.parametrize("kind", [TorchStageModel, JaxStageModel])
def test_in_bfloat16_the_state_is_float32_and_the_samples_are_near(kind: Any) -> None:
    own, seen = stage(), []
    narrow = run(
        kind(own, weights(own), dtype="bfloat16"), DDIM(), 4, Constant(1.0), None, lambda _, z: seen.append(z.dtype)
    )
    wide = run(kind(own, weights(own)), DDIM(), 4, Constant(1.0))
    assert {str(dtype).removeprefix("torch.") for dtype in seen} == {"float32"}
    assert 1e-4 < np.abs(narrow - wide).mean() < 0.03


def test_float64_without_x64_is_refused_and_not_rounded() -> None:
    with pytest.raises(ConfigError, match=r"only under jax\.enable_x64"):
        JaxStageModel(stage(), weights(stage()), dtype="float64")


@pytest.mark.parametrize("kind", [TorchStageModel, JaxStageModel])
def test_an_unknown_dtype_is_one_line(kind: Any) -> None:
    with pytest.raises(ConfigError, match=r'no dtype is called "float16"\. Did you mean "(b?float\d+)"'):
        kind(stage(), weights(stage()), dtype="float16")


@pytest.mark.parametrize("device", ["cuda:7", "cpu:99", "nonsense", "cpu:x"])
def test_a_device_that_is_not_here_is_one_line(device: str) -> None:
    with pytest.raises(ConfigError, match=f'device "{device}" cannot be used by JAX here'):
        JaxStageModel(stage(), weights(stage()), device)


def test_wrong_weights_are_refused() -> None:
    own = weights(stage())
    with pytest.raises(ConfigError, match=r"1 missing \(stem.bias\)"):
        JaxStageModel(stage(), {name: value for name, value in own.items() if name != "stem.bias"})
    own["head.weight"][0] = np.nan
    with pytest.raises(NonFiniteError, match=r"in its weight head\.weight"):
        JaxStageModel(stage(), own)


def test_a_sample_that_is_not_finite_names_its_stage() -> None:
    own = weights(stage())
    own["head.weight"] = np.full_like(own["head.weight"], 3e38)  # the sum of its products is beyond float32
    with pytest.raises(NonFiniteError, match='stage "base"'):
        run(JaxStageModel(stage(), own), DDIM(), 2, Constant(3.0))


def test_half_precision_weights_are_those_numbers_in_float32() -> None:
    half = {name: value.astype(np.float16) for name, value in weights(stage()).items()}
    whole = {name: value.astype(np.float32) for name, value in half.items()}
    first, second = (run(JaxStageModel(stage(), one), DDIM(), 2, Constant(1.0)) for one in (half, whole))
    assert first.tobytes() == second.tobytes()
