"""A stage's network in PyTorch behind the door."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from ivbench.cascade.torch_model import TorchStageModel  # noqa: E402 - after the gate
from ivbench.errors import ConfigError, NonFiniteError  # noqa: E402
from ivbench.spec import StageSpec, parameters  # noqa: E402
from ivbench.text import TextEmbeddings  # noqa: E402

STAGE = StageSpec.model_validate(
    {
        "name": "ssr1",
        "kind": "ssr",
        "frames": 2,
        "height": 4,
        "width": 8,
        "fps": 3,
        "unet": {
            "channels": 8,
            "multipliers": (1, 1),
            "blocks": (1, 1),
            "spatial_attention": (False, True),
            "temporal": ("attention", "convolution"),
            "head_dim": 4,
            "groups": 4,
            "text_dim": 3,
            "embedding_dim": 8,
            "conditioning": True,
            "augmentation": True,
        },
    }
)


def weights(dtype: Any = np.float32, stage: StageSpec = STAGE) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    return {name: (0.2 * rng.standard_normal(s)).astype(dtype) for name, s in parameters(stage.unet).items()}


def text(zero: bool = False) -> TextEmbeddings:
    tokens = np.random.default_rng(1).standard_normal((3, 4, 3)).astype(np.float32) * (not zero)
    mask = np.arange(4)[None] < np.array([[2], [4], [1]])
    return TextEmbeddings(tokens, mask | zero, tokens.mean(axis=1), 0)


def video(seed: int) -> Any:
    return np.random.default_rng(seed).standard_normal((3, 2, 4, 8, 3)).astype(np.float32)


def test_a_pair_is_two_single_calls() -> None:
    model = TorchStageModel(STAGE, weights())
    z = model.to_backend(video(2))
    with_text, without = model.evaluator(text(), video(3), 1.0).pair(z, 0.5)
    single = model.evaluator(text(), video(3), 1.0).conditional(z, 0.5)
    null = model.evaluator(text(zero=True), video(3), 1.0).conditional(z, 0.5)
    torch.testing.assert_close(with_text, single, atol=1e-5, rtol=0)
    torch.testing.assert_close(without, null, atol=1e-5, rtol=0)
    assert (with_text - without).abs().amax() > 1e-3


def test_an_evaluator_prepares_once(monkeypatch: pytest.MonkeyPatch) -> None:
    model, calls = TorchStageModel(STAGE, weights()), []
    prepare = model._net.prepare
    monkeypatch.setattr(model._net, "prepare", lambda *a, **k: calls.append(1) or prepare(*a, **k))
    evaluator, z = model.evaluator(text(), video(3), 1.0), model.to_backend(video(2))
    for logsnr in (-2.0, 0.0, 2.0):
        evaluator.pair(z, logsnr)
    assert len(calls) == 1


STUDENT = StageSpec.model_validate(
    STAGE.model_dump()
    | {
        "unet": STAGE.unet.model_dump() | {"guidance_embedding": True, "jump_embedding": True},
        "distilled": {"guidance": (0, 16), "samplers": ("ddim", "stochastic"), "steps": 8},
    }
)


def test_a_distilled_network_is_told_weight_and_jump(monkeypatch: pytest.MonkeyPatch) -> None:
    model, calls = TorchStageModel(STUDENT, weights(stage=STUDENT)), []
    prepare = model._net.prepare
    monkeypatch.setattr(model._net, "prepare", lambda *a, **k: calls.append(k) or prepare(*a, **k))
    evaluator, z = model.evaluator(text(), video(3), 1.0), model.to_backend(video(2))
    found = {(w, jump): evaluator.distilled(z, 0.5, w, jump) for w in (0.0, 6.0) for jump in (1, 2)}
    assert [(k["guidance"].tolist(), k["jump"].tolist()) for k in calls] == [([w] * 3, [j] * 3) for w, j in found]
    evaluator.distilled(z, -0.5, 6.0, 2)
    assert len(calls) == 4  # prepared once for each
    values = list(found.values())
    assert all((a - b).abs().amax() > 1e-4 for i, a in enumerate(values) for b in values[:i])


def test_guidance_on_top_of_a_distilled_network_is_refused() -> None:
    evaluator = TorchStageModel(STUDENT, weights(stage=STUDENT)).evaluator(text(), video(3), 1.0)
    with pytest.raises(ConfigError, match=r"classifier-free guidance on top of it is not allowed"):
        evaluator.pair(torch.from_numpy(video(2)), 0.5)


def test_half_precision_weights_are_computed_in_float32() -> None:
    half, whole = weights(np.float16), {name: w.astype(np.float32) for name, w in weights(np.float16).items()}
    first, second = (
        TorchStageModel(STAGE, w).evaluator(text(), video(3), 1.0).conditional(torch.from_numpy(video(2)), 0.5)
        for w in (half, whole)
    )
    assert first.dtype == torch.float32
    assert torch.equal(first, second)


def test_the_model_owns_its_weights() -> None:
    own = weights()
    for weight in own.values():
        weight.setflags(write=False)
    model = TorchStageModel(STAGE, own)
    before = model._net.state_dict()["stem.weight"].clone()
    own["stem.weight"].setflags(write=True)
    own["stem.weight"][...] = 9
    assert torch.equal(model._net.state_dict()["stem.weight"], before)


def test_weights_of_another_spec_are_refused() -> None:
    own = weights()
    own["stem.weight"] = own["stem.weight"][:4]
    with pytest.raises(ConfigError, match=r'stage "ssr1" do not fit its spec: 1 of another shape \(stem.weight'):
        TorchStageModel(STAGE, own)


def test_weights_with_nan_are_refused() -> None:
    own = weights()
    own["head.weight"][0] = np.nan
    with pytest.raises(NonFiniteError, match=r'stage "ssr1" has NaN or infinity in its weight head.weight'):
        TorchStageModel(STAGE, own)
