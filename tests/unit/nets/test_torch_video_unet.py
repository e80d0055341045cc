"""The Video U-Net in PyTorch: what it is made of, what may reach what, and which inputs it refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from ivbench.errors import ShapeError  # noqa: E402 - after the gate
from ivbench.nets import torch_layers  # noqa: E402
from ivbench.nets.torch_video_unet import TorchVideoUNet  # noqa: E402
from ivbench.spec import VideoUNetSpec, parameters  # noqa: E402
from ivbench.spec.parameters import FARTHEST  # noqa: E402

B, T, H, W, L, D = 3, 4, 8, 12, 5, 6
SMALL: dict[str, Any] = {
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
FULL: dict[str, Any] = SMALL | {
    "conditioning": True,
    "augmentation": True,
    "guidance_embedding": True,
    "jump_embedding": True,
    "coordinates": True,
    "head_film": True,
}


def spec(**changes: Any) -> VideoUNetSpec:
    return VideoUNetSpec(**(SMALL | changes))


def net_of(own: VideoUNetSpec, seed: int = 0) -> TorchVideoUNet:
    """A net none of whose parameters is zero, so that every path counts."""
    generator = torch.Generator().manual_seed(seed)
    net = TorchVideoUNet(own).to(memory_format=torch.channels_last).eval().requires_grad_(False)
    for value in net.parameters():
        value.add_(torch.randn(value.shape, generator=generator) * 0.15)
    return net


def normal(*shape: int, seed: int = 1) -> Any:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def inputs(own: VideoUNetSpec, batch: int = B, frames: int = T, size: tuple[int, int] = (H, W)) -> dict[str, Any]:
    """What `prepare` takes."""
    lengths = torch.arange(batch)[:, None] % 3 + 2
    return {
        "tokens": normal(batch, L, D),
        "mask": torch.arange(L)[None] < lengths,
        "pooled": normal(batch, D, seed=2),
        "frames": frames,
        "size": size,
        "conditioning": normal(batch, frames, *size, 3, seed=3) if own.conditioning else None,
        "augmentation": normal(batch, seed=4) if own.augmentation else None,
        "guidance": normal(batch, seed=5) if own.guidance_embedding else None,
        "jump": normal(batch, seed=6) if own.jump_embedding else None,
    }


def run(net: TorchVideoUNet, z: Any, given_inputs: dict[str, Any], logsnr: float = 0.3) -> Any:
    return net(z, torch.full((len(z),), logsnr), net.prepare(**given_inputs))


@st.composite
def specs(draw: st.DrawFn) -> VideoUNetSpec:
    levels = draw(st.integers(1, 3))

    def per_level(values: st.SearchStrategy[Any]) -> tuple[Any, ...]:
        return tuple(draw(st.lists(values, min_size=levels, max_size=levels)))

    conditioning = draw(st.booleans())
    return spec(
        multipliers=(1, *per_level(st.integers(1, 3))[1:]),
        blocks=per_level(st.integers(0, 2)),
        spatial_attention=per_level(st.booleans()),
        temporal=per_level(st.sampled_from(["attention", "convolution", "none"])),
        space_to_depth=draw(st.sampled_from([1, 2, 4])),
        conditioning=conditioning,
        augmentation=conditioning and draw(st.booleans()),
        guidance_embedding=draw(st.booleans()),
        jump_embedding=draw(st.booleans()),
        coordinates=draw(st.booleans()),
        clean_head=draw(st.booleans()),
        head_film=draw(st.booleans()),
        middle=draw(st.integers(0, 2)),
    )


@settings(max_examples=20)
@given(specs())
def test_the_state_dict_has_the_names_and_shapes_of_the_spec(own: VideoUNetSpec) -> None:
    built = {name: tuple(value.shape) for name, value in TorchVideoUNet(own).state_dict().items()}
    assert built == parameters(own)


@settings(max_examples=8)
@given(specs())
def test_every_valid_spec_runs_and_keeps_the_shape_of_the_video(own: VideoUNetSpec) -> None:
    size = (2 * own.stride, own.stride)
    z = normal(1, T, *size, 3)
    assert run(net_of(own), z, inputs(own, 1, T, size)).shape == z.shape


def test_a_fresh_net_predicts_zero() -> None:
    own = VideoUNetSpec(**FULL)
    assert not run(TorchVideoUNet(own), normal(B, T, H, W, 3), inputs(own)).any()


def influence(own: VideoUNetSpec, images: Any) -> list[bool]:
    """By frame of the first row: whether its output changes with frame 1 of z_t (and of the conditioning video)."""
    net, values, z = net_of(own), inputs(own), normal(B, T, H, W, 3)
    before = run(net, z, values | {"images": images})
    z = z.clone()
    z[:, 1] += 1
    if values["conditioning"] is not None:
        values["conditioning"] = values["conditioning"].clone()
        values["conditioning"][:, 1] -= 1
    after = run(net, z, values | {"images": images})
    return [not torch.equal(before[0, frame], after[0, frame]) for frame in range(T)]


@pytest.mark.parametrize("temporal", [("attention", "attention"), ("convolution", "convolution")])
@pytest.mark.parametrize("conditioning", [False, True])
def test_nothing_crosses_frames_in_a_pack_of_images(temporal: tuple[str, str], conditioning: bool) -> None:
    own = spec(temporal=temporal, conditioning=conditioning)
    assert influence(own, torch.tensor([True, False, True])) == [False, True, False, False]


@pytest.mark.parametrize("temporal", [("attention", "attention"), ("convolution", "convolution")])
def test_frames_of_a_video_reach_one_another_beside_a_pack_of_images(temporal: tuple[str, str]) -> None:
    own = spec(temporal=temporal)
    assert influence(own, torch.tensor([False, True, True]))[:3] == [True, True, True]


def test_without_temporal_mixing_frames_are_independent() -> None:
    assert influence(spec(temporal=("none", "none")), None) == [False, True, False, False]


def test_an_image_does_not_depend_on_its_place_in_the_pack() -> None:
    own = spec()
    net, values, z = net_of(own), inputs(own), normal(B, T, H, W, 3)
    images = torch.ones(B, dtype=torch.bool)
    forward, backward = (run(net, x, values | {"images": images}) for x in (z, z.flip(1)))
    torch.testing.assert_close(forward, backward.flip(1), atol=1e-5, rtol=0)


def test_each_image_of_a_pack_has_a_caption_of_its_own() -> None:
    own = spec()
    net, values, z = net_of(own), inputs(own), normal(B, T, H, W, 3)
    values |= {"images": torch.ones(B, dtype=torch.bool), "mask": torch.ones(B, T, L, dtype=torch.bool)}
    values |= {"tokens": normal(B, T, L, D), "pooled": normal(B, T, D)}
    before = run(net, z, values)
    values["tokens"] = values["tokens"].clone()
    values["tokens"][0, 2] += 1
    changed = (run(net, z, values) != before).flatten(2).any(-1)
    assert changed.nonzero().tolist() == [[0, 2]]


def test_no_pack_of_images_is_the_same_as_none_given() -> None:
    own = spec()
    net, values, z = net_of(own), inputs(own), normal(B, T, H, W, 3)
    flagged = run(net, z, values | {"images": torch.zeros(B, dtype=torch.bool)})
    torch.testing.assert_close(flagged, run(net, z, values), atol=1e-6, rtol=0)


def test_short_temporal_attention_is_the_fused_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    own = spec(temporal=("attention", "attention"))
    net, values, z = net_of(own), inputs(own), normal(B, T, H, W, 3)
    values["images"] = torch.tensor([True, False, True])
    plain = run(net, z, values)
    monkeypatch.setattr(torch_layers, "_SHORT", 0)
    torch.testing.assert_close(run(net, z, values), plain, atol=1e-5, rtol=0)


def test_temporal_attention_knows_which_frame_came_first() -> None:
    own = spec(temporal=("attention", "attention"))
    net, x = net_of(own).get_submodule("middle.0.temporal"), normal(T, 16, 2, 3)
    backwards = net(x.flip(0), T, None).flip(0)
    assert (net(x, T, None) - backwards).abs().amax() > 1e-3
    with torch.no_grad():
        net.distance.fill_(0.7)
    torch.testing.assert_close(net(x, T, None), net(x.flip(0), T, None).flip(0), atol=1e-5, rtol=0)


def test_frames_that_are_far_apart_share_one_bias() -> None:
    attention = net_of(spec(temporal=("none", "attention"))).get_submodule("middle.0.temporal")
    frames = FARTHEST + 4
    x = normal(frames, 16, 2, 3).requires_grad_()
    attention.distance.data[:, -1] = -torch.inf  # nobody sees a frame that comes so much later
    (seen,) = torch.autograd.grad(attention(x, frames, None)[0].square().sum(), x)
    assert seen[:FARTHEST].abs().amax(dim=(1, 2, 3)).min() > 0
    assert not seen[FARTHEST:].any()


@pytest.mark.parametrize("name", ["tokens", "pooled", "conditioning", "augmentation", "guidance"])
def test_every_input_reaches_the_output(name: str) -> None:
    own = VideoUNetSpec(**FULL)
    net, values, z = net_of(own), inputs(own), normal(B, T, H, W, 3)
    changed = run(net, z, values | {name: values[name] + 0.5})
    assert (changed - run(net, z, values)).abs().amax() > 1e-3


def test_padding_tokens_have_no_influence() -> None:
    own = spec()
    net, values, z = net_of(own), inputs(own), normal(B, T, H, W, 3)
    noisy = torch.where(values["mask"][..., None], values["tokens"], values["tokens"] + 100)
    assert torch.equal(run(net, z, values), run(net, z, values | {"tokens": noisy}))


def test_longer_padding_changes_nothing() -> None:
    own = spec()
    net, values, z = net_of(own), inputs(own), normal(B, T, H, W, 3)
    tokens = torch.cat([values["tokens"], normal(B, 7, D, seed=9)], dim=1)
    mask = torch.cat([values["mask"], torch.zeros(B, 7, dtype=torch.bool)], dim=1)
    longer = run(net, z, values | {"tokens": tokens, "mask": mask})
    torch.testing.assert_close(longer, run(net, z, values), atol=1e-5, rtol=0)


def test_one_context_serves_every_step() -> None:
    own = VideoUNetSpec(**FULL)
    net, values, z = net_of(own), inputs(own), normal(B, T, H, W, 3)
    context = net.prepare(**values)
    for logsnr in (-3.0, 0.0, 4.0):
        z = z * 0.9
        assert torch.equal(net(z, torch.full((B,), logsnr), context), run(net, z, values, logsnr))


def test_the_split_stem_is_one_convolution_over_all_inputs() -> None:
    own = VideoUNetSpec(**FULL, space_to_depth=2)
    stem, frames, low = net_of(own).stem, normal(T, H, W, 3), normal(T, H, W, 3, seed=3)
    rows, columns = torch.linspace(-1, 1, H), torch.linspace(-1, 1, W)
    place = torch.stack([rows[:, None].expand(H, W), columns[None].expand(H, W)], dim=-1).expand(T, H, W, 2)
    folded = torch.cat([torch_layers.space_to_depth(x, 2) for x in (frames, low, place)], dim=-1).permute(0, 3, 1, 2)
    weight = torch.cat([stem.weight, stem.conditioning, stem.coordinates], dim=1)
    whole = torch.nn.functional.conv2d(folded, weight, stem.bias, padding=1)
    split = stem(frames, stem.shared(low[None], T, (H, W)))
    torch.testing.assert_close(split, whole, atol=1e-5, rtol=0)


def test_a_video_does_not_depend_on_its_batch() -> None:
    own = VideoUNetSpec(**FULL)
    net, values, z = net_of(own), inputs(own), normal(B, T, H, W, 3)
    alone = [
        run(net, z[i : i + 1], {k: v[i : i + 1] if torch.is_tensor(v) else v for k, v in values.items()})
        for i in range(B)
    ]
    torch.testing.assert_close(torch.cat(alone), run(net, z, values), atol=1e-5, rtol=0)


def test_the_output_is_channels_last() -> None:
    own = spec()
    assert run(net_of(own), normal(B, T, H, W, 3), inputs(own)).is_contiguous()


def test_inside_frames_stay_channels_last() -> None:
    own, seen = spec(space_to_depth=2), []
    net = net_of(own)
    for module in net.modules():
        if isinstance(module, torch_layers.ResidualBlock):
            module.register_forward_hook(lambda _m, _i, out: seen.append(out))
    run(net, normal(B, T, H, W, 3), inputs(own))
    assert seen
    assert all(x.is_contiguous(memory_format=torch.channels_last) for x in seen)


@given(st.integers(1, 3), st.integers(1, 3), st.integers(1, 4), st.integers(1, 5))
def test_space_to_depth_round_trip(height: int, width: int, fold: int, channels: int) -> None:
    x = torch.arange(2 * height * fold * width * fold * channels).reshape(2, height * fold, width * fold, channels)
    folded = torch_layers.space_to_depth(x, fold)
    assert folded.shape == (2, height, width, fold * fold * channels)
    assert torch.equal(torch_layers.space_to_depth(folded, fold, inverse=True), x)


def test_space_to_depth_keeps_a_cell_together() -> None:
    x = torch.arange(16).reshape(1, 4, 4, 1)
    assert torch_layers.space_to_depth(x, 2)[0, 0, 0].tolist() == [0, 1, 4, 5]


def fixed_statistics(net: TorchVideoUNet) -> None:
    """Group norms that scale and shift only: what is left of a fully convolutional net is local."""
    for module in net.modules():
        if isinstance(module, torch.nn.GroupNorm):
            weight, bias = module.weight[:, None, None], module.bias[:, None, None]
            module.forward = lambda x, w=weight, b=bias: x * w + b  # type: ignore[method-assign]


def test_but_for_the_norms_statistics_a_fully_convolutional_net_is_local() -> None:
    own = spec(spatial_attention=(False, False), temporal=("convolution", "convolution"), conditioning=True)
    assert own.fully_convolutional
    net, values, z = net_of(own), inputs(own, 1, T, (64, 8)), normal(1, T, 64, 8, 3)
    fixed_statistics(net)
    whole = run(net, z, values)
    part = values | {"size": (56, 8), "conditioning": values["conditioning"][:, :, :56]}
    crop = run(net, z[:, :, :56], part)
    assert not torch.equal(crop[:, :, -1], whole[:, :, 55])
    torch.testing.assert_close(crop[:, :, :20], whole[:, :, :20], atol=1e-5, rtol=0)


def test_spatial_attention_is_not_local() -> None:
    own = spec(spatial_attention=(False, True))
    net, values, z = net_of(own), inputs(own, 1, T, (64, 8)), normal(1, T, 64, 8, 3)
    fixed_statistics(net)
    crop = run(net, z[:, :, :56], values | {"size": (56, 8)})
    assert (crop[:, :, :20] - run(net, z, values)[:, :, :20]).abs().amax() > 1e-4


def test_a_clean_head_returns_v_of_the_video_that_it_makes() -> None:
    own, z = spec(clean_head=True), normal(B, T, H, W, 3)
    net, values, logsnr = net_of(own), inputs(own), 1.5
    v = run(net, z, values, logsnr)
    plain = net_of(spec())
    plain.load_state_dict(net.state_dict())
    x = run(plain, z, values, logsnr)
    alpha, sigma = ((1 / (1 + np.exp(-sign * logsnr))) ** 0.5 for sign in (1, -1))
    torch.testing.assert_close(alpha * z - sigma * v, x, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("changes", "given_inputs", "message"),
    [
        ({"conditioning": True}, {"conditioning": None}, r"conditioning video must be \[3, 4, 8, 12, 3\], got None"),
        ({"conditioning": True}, {"conditioning": normal(B, T, H, W, 4)}, r"got \[3, 4, 8, 12, 4\]"),
        ({"conditioning": True}, {"conditioning": normal(B, 2, H, W, 3)}, r"got \[3, 2, 8, 12, 3\]"),
        ({}, {"conditioning": normal(B, T, H, W, 3)}, "takes no conditioning video"),
        (
            {"conditioning": True, "augmentation": True},
            {"augmentation": None},
            r"embeds augmentation: give it as \[B\]",
        ),
        ({"guidance_embedding": True}, {"guidance": None}, r"embeds guidance: give it as \[B\]"),
        ({"jump_embedding": True}, {"jump": None}, r"embeds jump: give it as \[B\]"),
        ({}, {"guidance": normal(B)}, "does not embed guidance: give None"),
        ({}, {"tokens": normal(B, L, D + 1)}, "text tokens must have width 6, got 7"),
    ],
)
def test_inputs_that_do_not_fit_the_net_are_refused(
    changes: dict[str, Any], given_inputs: dict[str, Any], message: str
) -> None:
    own = spec(**changes)
    with pytest.raises(ShapeError, match=message):
        TorchVideoUNet(own).prepare(**(inputs(own) | given_inputs))
