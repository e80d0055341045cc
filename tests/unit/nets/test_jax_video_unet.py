"""The Video U-Net in JAX against the one in PyTorch: the same parameters, the same predictions, the same gradients."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
jax = pytest.importorskip("jax")

from ivbench.diffusion import diffuse, target  # noqa: E402 - after the gates
from ivbench.errors import ShapeError  # noqa: E402
from ivbench.nets import torch_layers  # noqa: E402
from ivbench.nets.jax_layers import arranged  # noqa: E402
from ivbench.nets.jax_video_unet import evaluate, prepare  # noqa: E402
from ivbench.nets.torch_video_unet import TorchVideoUNet  # noqa: E402
from ivbench.spec import VideoUNetSpec, parameters  # noqa: E402

B, L, D = 2, 5, 6
ROOMY: dict[str, Any] = {
    "channels": 8,
    "multipliers": (1, 2),
    "blocks": (1, 1),
    "spatial_attention": (False, True),
    "temporal": ("convolution", "attention"),
    "head_dim": 4,
    "groups": 4,
    "text_dim": D,
    "embedding_dim": 16,
}
SPECS = {
    "plain": ROOMY,
    "no mixing at all": ROOMY | {"spatial_attention": (False, False), "temporal": ("none", "none"), "middle": 0},
    "every input": ROOMY
    | {"conditioning": True, "augmentation": True, "guidance_embedding": True, "jump_embedding": True},
    "as shipped": ROOMY
    | {"space_to_depth": 2, "coordinates": True, "clean_head": True, "head_film": True, "skip_scale": 0.7},
    "the other way round": ROOMY
    | {"spatial_attention": (True, False), "temporal": ("attention", "convolution"), "blocks": (2, 1), "middle": 2},
}


@pytest.fixture(autouse=True)
def _float64() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


def weights(own: VideoUNetSpec) -> dict[str, Any]:
    """None of them zero, so that every path counts."""
    rng = np.random.default_rng(0)
    return {name: 0.2 * rng.standard_normal(shape) for name, shape in parameters(own).items()}


def torch_net(own: VideoUNetSpec, values: dict[str, Any], dtype: Any = torch.float64) -> TorchVideoUNet:
    net = TorchVideoUNet(own).to(torch.float64)
    net.load_state_dict({name: torch.from_numpy(value) for name, value in values.items()})
    return net.to(dtype)


def inputs(own: VideoUNetSpec, frames: int, size: tuple[int, int], images: bool = False) -> dict[str, Any]:
    """What `prepare` takes, as NumPy arrays: a pack of images and a video, or two videos."""
    rng = np.random.default_rng(1)
    each = (B, frames) if images else (B,)
    return {
        "tokens": rng.standard_normal((*each, L, D)),
        "mask": np.arange(L) < rng.integers(1, L, (*each, 1)),
        "pooled": rng.standard_normal((*each, D)),
        "conditioning": rng.standard_normal((B, frames, *size, 3)) if own.conditioning else None,
        "augmentation": rng.standard_normal(B) if own.augmentation else None,
        "guidance": rng.uniform(0, 6, B) if own.guidance_embedding else None,
        "jump": np.array([1.0, 2.0]) if own.jump_embedding else None,
        "images": np.array([True, False]) if images else None,
    }


def tensors(given: dict[str, Any]) -> dict[str, Any]:
    return {name: None if value is None else torch.from_numpy(value) for name, value in given.items()}


def both(own: VideoUNetSpec, frames: int = 3, images: bool = False) -> tuple[Any, Any]:
    """One evaluation of the same net in PyTorch and in JAX."""
    size, values = (2 * own.stride, 3 * own.stride), weights(own)
    given = inputs(own, frames, size, images)
    rng = np.random.default_rng(2)
    z, logsnr = rng.standard_normal((B, frames, *size, 3)), rng.uniform(-5, 5, B)
    net = torch_net(own, values)
    with torch.inference_mode():
        context = net.prepare(**tensors(given), frames=frames, size=size)
        first = net(torch.from_numpy(z), torch.from_numpy(logsnr), context).numpy()

    @jax.jit
    def run(values: Any, z: Any, logsnr: Any, given: Any) -> Any:
        p = arranged(values)
        return evaluate(own, p, z, logsnr, prepare(own, p, **given, frames=frames, size=size))

    return first, np.asarray(run(values, z, logsnr, given))


@pytest.mark.parametrize("name", SPECS)
def test_one_evaluation_is_that_of_torch(name: str) -> None:
    first, second = both(VideoUNetSpec(**SPECS[name]))
    assert second.dtype == np.float64
    assert np.abs(first).max() > 0.1
    np.testing.assert_allclose(second, first, atol=1e-9, rtol=0)


def test_a_pack_of_images_beside_a_video_is_that_of_torch() -> None:
    first, second = both(VideoUNetSpec(**SPECS["plain"]), images=True)
    np.testing.assert_allclose(second, first, atol=1e-9, rtol=0)


def test_long_videos_are_those_of_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """More frames than temporal attention tells apart, and torch's fused kernel."""
    monkeypatch.setattr(torch_layers, "_SHORT", 0)
    first, second = both(VideoUNetSpec(**SPECS["the other way round"]), frames=12)
    np.testing.assert_allclose(second, first, atol=1e-9, rtol=0)


def test_the_gradient_of_the_training_loss_is_that_of_torch() -> None:
    """Weighted mean squared error of the prediction, as in training, by every parameter as the file has it."""
    own, frames = VideoUNetSpec(**SPECS["as shipped"]), 3
    size, values = (2 * own.stride, 3 * own.stride), weights(own)
    given, rng = inputs(own, frames, size, images=True), np.random.default_rng(2)
    x, eps = rng.uniform(-1, 1, (B, frames, *size, 3)), rng.standard_normal((B, frames, *size, 3))
    logsnr, importance = rng.uniform(-3, 3, B), rng.uniform(0.1, 1, B)

    def loss(run: Any, x: Any, eps: Any, logsnr: Any, importance: Any) -> Any:
        error = run(diffuse(x, eps, logsnr), logsnr) - target(x, eps, logsnr, "v")
        return ((error**2).mean((1, 2, 3, 4)) * importance).mean()

    net = torch_net(own, values)
    context = net.prepare(**tensors(given), frames=frames, size=size)
    first = loss(lambda z, at: net(z, at, context), *map(torch.from_numpy, (x, eps, logsnr, importance)))
    first.backward()

    def of_parameters(values: Any) -> Any:
        p = arranged(values)
        shared = prepare(own, p, **given, frames=frames, size=size)
        numbers = map(jax.numpy.asarray, (x, eps, logsnr, importance))
        return loss(lambda z, at: evaluate(own, p, z, at, shared), *numbers)

    second, gradients = jax.jit(jax.value_and_grad(of_parameters))(values)
    np.testing.assert_allclose(float(second), first.item(), rtol=1e-11)
    for parameter, tensor in net.named_parameters():
        np.testing.assert_allclose(gradients[parameter], tensor.grad, atol=1e-9, rtol=1e-7, err_msg=parameter)
        assert tensor.grad.any(), parameter


@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_bfloat16_is_near_float32_and_gives_back_the_dtype_of_z(backend: str) -> None:
    own, frames, size = VideoUNetSpec(**SPECS["as shipped"]), 3, (8, 12)
    values = {name: 0.5 * value for name, value in weights(own).items()}
    given = {k: None if v is None else v.astype(np.float32 if v.dtype.kind == "f" else v.dtype)
             for k, v in inputs(own, frames, size).items()}  # fmt: skip
    rng = np.random.default_rng(2)
    z, logsnr = rng.standard_normal((B, frames, *size, 3)).astype(np.float32), np.array([-1, 2], np.float32)

    def run(dtype: str) -> Any:
        if backend == "torch":
            net = torch_net(own, values, getattr(torch, dtype)).eval().requires_grad_(False)
            context = net.prepare(**tensors(given), frames=frames, size=size)
            return net(torch.from_numpy(z), torch.from_numpy(logsnr), context)
        p = {name: jax.numpy.asarray(value, dtype) for name, value in arranged(values).items()}
        step = jax.jit(lambda p, z, at: evaluate(own, p, z, at, prepare(own, p, **given, frames=frames, size=size)))
        return step(p, jax.numpy.asarray(z), jax.numpy.asarray(logsnr))

    narrow, wide = run("bfloat16"), run("float32")
    assert "float32" in str(narrow.dtype)
    narrow, wide = np.asarray(narrow), np.asarray(wide)
    error = np.abs(narrow - wide).max() / np.abs(wide).max()
    assert 1e-5 < error < 0.05  # it did compute in bfloat16, whose step is 0.4 %


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("plain", {"tokens": np.zeros((B, L, D + 1))}, "width 6, got 7"),
        ("every input", {"conditioning": None}, "must be .2, 3, 4, 6, 3., got None"),
        ("every input", {"conditioning": np.zeros((B, 3, 4, 4, 3))}, "got .2, 3, 4, 4, 3."),
        ("plain", {"conditioning": np.zeros((B, 3, 4, 6, 3))}, "takes no conditioning video"),
        ("every input", {"guidance": None}, "embeds guidance: give it as .B."),
        ("plain", {"augmentation": np.zeros(B)}, "does not embed augmentation: give None"),
        ("every input", {"jump": None}, "embeds jump"),
    ],
)
def test_inputs_that_torch_refuses_are_refused_in_the_same_words(name: str, change: dict[str, Any], said: str) -> None:
    own, size = VideoUNetSpec(**SPECS[name]), (4, 6)
    values, given = weights(own), inputs(own, 3, size) | change
    net, p = torch_net(own, values), arranged({name: jax.numpy.asarray(value) for name, value in values.items()})
    with pytest.raises(ShapeError, match=said) as first:
        net.prepare(**tensors(given), frames=3, size=size)
    with pytest.raises(ShapeError, match=said) as second:
        jax.eval_shape(partial(prepare, own, frames=3, size=size), p, **given)
    assert str(first.value) == str(second.value)
