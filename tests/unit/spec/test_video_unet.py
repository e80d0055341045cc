"""The net as data: order of blocks, names and shapes of parameters, FLOPs, and what is refused."""

from __future__ import annotations

import math
from typing import Any

import pytest
from pydantic import ValidationError

from ivbench.spec import VideoUNetSpec, count, flops, layout, parameters
from tests.unit.spec.nets import unet

FRAMES, HEIGHT, WIDTH, TOKENS = 2, 4, 4, 6
POSITIONS = FRAMES * HEIGHT * WIDTH
MINIMAL_MACS = (
    POSITIONS * (216 + 216)  # stem and head: 3 x 8 channels, 3x3
    + POSITIONS * (576 + 576)  # down: 8 -> 8 twice
    + POSITIONS * (1152 + 576 + 128)  # up: 16 -> 8, 8 -> 8, and the skip 16 -> 8
    + FRAMES * 2 * 256  # FiLM of both: 16 -> 16
    + 1024  # embedding of the log SNR
    + FRAMES * (256 + 256)  # hidden and output of the embedding
)
"""Of `unet()` on 2x4x4 video, worked out by hand."""


def spec(**changes: Any) -> VideoUNetSpec:
    return VideoUNetSpec(**unet(**changes))


def test_parameters_of_the_minimal_net_are_these() -> None:
    assert parameters(spec()) == {
        "embedding.logsnr.weight": (16, 64),
        "embedding.logsnr.bias": (16,),
        "embedding.frame.weight": (16, 64),
        "embedding.frame.bias": (16,),
        "embedding.text.weight": (16, 4),
        "embedding.text.bias": (16,),
        "embedding.hidden.weight": (16, 16),
        "embedding.hidden.bias": (16,),
        "embedding.output.weight": (16, 16),
        "embedding.output.bias": (16,),
        "stem.weight": (8, 3, 3, 3),
        "stem.bias": (8,),
        "down.0.0.norm1.weight": (8,),
        "down.0.0.norm1.bias": (8,),
        "down.0.0.conv1.weight": (8, 8, 3, 3),
        "down.0.0.conv1.bias": (8,),
        "down.0.0.film.weight": (16, 16),
        "down.0.0.film.bias": (16,),
        "down.0.0.norm2.weight": (8,),
        "down.0.0.norm2.bias": (8,),
        "down.0.0.conv2.weight": (8, 8, 3, 3),
        "down.0.0.conv2.bias": (8,),
        "up.0.0.norm1.weight": (16,),
        "up.0.0.norm1.bias": (16,),
        "up.0.0.conv1.weight": (8, 16, 3, 3),
        "up.0.0.conv1.bias": (8,),
        "up.0.0.film.weight": (16, 16),
        "up.0.0.film.bias": (16,),
        "up.0.0.norm2.weight": (8,),
        "up.0.0.norm2.bias": (8,),
        "up.0.0.conv2.weight": (8, 8, 3, 3),
        "up.0.0.conv2.bias": (8,),
        "up.0.0.skip.weight": (8, 16),
        "up.0.0.skip.bias": (8,),
        "head.norm.weight": (8,),
        "head.norm.bias": (8,),
        "head.weight": (3, 8, 3, 3),
        "head.bias": (3,),
    }


def test_count_of_the_minimal_net_is_the_sum_by_hand() -> None:
    embedding, stem, down, up, head = 2704, 224, 1472, 2200, 235
    assert count(spec()) == embedding + stem + down + up + head


@pytest.mark.parametrize(
    ("changes", "added"),
    [
        ({"conditioning": True}, {"stem.conditioning": (8, 3, 3, 3)}),
        ({"coordinates": True}, {"stem.coordinates": (8, 2, 3, 3)}),
        (
            {"guidance_embedding": True},
            {"embedding.guidance.weight": (16, 64), "embedding.guidance.bias": (16,)},
        ),
        (
            {"jump_embedding": True},
            {"embedding.jump.weight": (16, 64), "embedding.jump.bias": (16,)},
        ),
        ({"head_film": True}, {"head.film.weight": (16, 16), "head.film.bias": (16,)}),
        (
            {"temporal": ("attention",)},
            {
                f"{block}.temporal.{name}": shape
                for block in ("down.0.0", "up.0.0")
                for name, shape in {
                    "norm.weight": (8,),
                    "norm.bias": (8,),
                    "qkv.weight": (24, 8),
                    "qkv.bias": (24,),
                    "distance": (1, 17),
                    "output.weight": (8, 8),
                    "output.bias": (8,),
                }.items()
            },
        ),
        (
            {"temporal": ("convolution",)},
            {
                f"{block}.temporal.{name}": shape
                for block in ("down.0.0", "up.0.0")
                for name, shape in {
                    "norm.weight": (8,),
                    "norm.bias": (8,),
                    "weight": (8, 8, 3, 1),
                    "bias": (8,),
                }.items()
            },
        ),
        (
            {"spatial_attention": (True,)},
            {
                f"{block}.spatial.{name}": shape
                for block in ("down.0.0", "up.0.0")
                for name, shape in {
                    "norm.weight": (8,),
                    "norm.bias": (8,),
                    "qkv.weight": (24, 8),
                    "qkv.bias": (24,),
                    "text.weight": (16, 4),
                    "text.bias": (16,),
                    "output.weight": (8, 8),
                    "output.bias": (8,),
                }.items()
            },
        ),
    ],
)
def test_an_option_adds_its_parameters_and_changes_no_other(
    changes: dict[str, Any], added: dict[str, tuple[int, ...]]
) -> None:
    before, after = parameters(spec()), parameters(spec(**changes))
    assert {name: shape for name, shape in after.items() if name not in before} == added
    assert {name: after[name] for name in before} == before


def test_space_to_depth_folds_pixels_into_the_channels_of_stem_and_head() -> None:
    shapes = parameters(spec(space_to_depth=2, conditioning=True))
    assert shapes["stem.weight"] == shapes["stem.conditioning"] == (8, 12, 3, 3)
    assert shapes["head.weight"] == (12, 8, 3, 3)


def test_layout_goes_down_through_the_middle_and_up() -> None:
    two = spec(multipliers=(1, 2), blocks=(1, 2), spatial_attention=(False, True), temporal=("none",) * 2, middle=1)
    rows = [(block.name, block.level, block.inputs, block.outputs, block.attention) for block in layout(two)]
    assert rows == [
        ("down.0.0", 0, 8, 8, False),
        ("down.1.downsample", 1, 8, 16, False),
        ("down.1.0", 1, 16, 16, True),
        ("down.1.1", 1, 16, 16, True),
        ("middle.0", 1, 16, 16, True),
        ("up.1.0", 1, 32, 16, True),
        ("up.1.1", 1, 32, 16, True),
        ("up.0.upsample", 0, 16, 8, False),
        ("up.0.0", 0, 16, 8, False),
    ]


def test_every_skip_is_loaded_once_at_its_level_with_its_width() -> None:
    three = spec(multipliers=(1, 2, 3), blocks=(2, 1, 3), spatial_attention=(False,) * 3, temporal=("none",) * 3)
    saved, width = [], three.channels
    for block in layout(three):
        if block.skip == "load":
            level, skipped = saved.pop()
            assert (level, width + skipped) == (block.level, block.inputs)
        else:
            assert block.inputs == width
        if block.skip == "save":
            saved.append((block.level, block.outputs))
        width = block.outputs
    assert saved == []


def test_parameter_names_are_the_blocks_of_the_layout() -> None:
    two = spec(multipliers=(1, 2), blocks=(1, 1), spatial_attention=(False,) * 2, temporal=("none",) * 2, middle=2)
    names = [block.name for block in layout(two)]
    assert len(set(names)) == len(names)
    others = ("embedding.", "stem.", "head.")
    assert all(name.startswith((*others, *(f"{name}." for name in names))) for name in parameters(two))


def test_flops_of_the_minimal_net_are_two_a_mac_worked_out_by_hand() -> None:
    assert MINIMAL_MACS == 113_152
    assert flops(spec(), FRAMES, HEIGHT, WIDTH, TOKENS) == 2 * MINIMAL_MACS


@pytest.mark.parametrize(
    ("changes", "macs_a_block"),
    [
        # queries, keys, values and output, then two products over 16 positions and 6 tokens
        ({"spatial_attention": (True,)}, POSITIONS * (192 + 64) + 2 * POSITIONS * (HEIGHT * WIDTH + TOKENS) * 8),
        ({"temporal": ("attention",)}, POSITIONS * (192 + 64) + 2 * POSITIONS * FRAMES * 8),
        ({"temporal": ("convolution",)}, POSITIONS * 3 * 64),
    ],
)
def test_flops_of_mixing_are_these_by_hand_in_each_of_two_blocks(changes: dict[str, Any], macs_a_block: int) -> None:
    assert flops(spec(**changes), FRAMES, HEIGHT, WIDTH, TOKENS) == 2 * (MINIMAL_MACS + 2 * macs_a_block)


def test_flops_of_the_heads_film_are_one_product_a_frame() -> None:
    assert flops(spec(head_film=True), FRAMES, HEIGHT, WIDTH, TOKENS) == 2 * (MINIMAL_MACS + FRAMES * 16 * 16)


def test_flops_leave_out_what_is_computed_once_a_stage() -> None:
    plain = flops(spec(), FRAMES, HEIGHT, WIDTH, TOKENS)
    assert flops(spec(conditioning=True, coordinates=True), FRAMES, HEIGHT, WIDTH, TOKENS) == plain
    attentive = spec(spatial_attention=(True,))
    wider = spec(spatial_attention=(True,), text_dim=1004)
    size = (FRAMES, HEIGHT, WIDTH, TOKENS)
    assert flops(wider, *size) == flops(attentive, *size)
    told = spec(conditioning=True, augmentation=True, guidance_embedding=True, jump_embedding=True)
    assert flops(told, *size) == plain


def test_flops_count_a_level_at_its_own_resolution() -> None:
    two = spec(multipliers=(1, 1), blocks=(1, 1), spatial_attention=(False,) * 2, temporal=("none",) * 2)
    block = POSITIONS * (576 + 576 + 1152 + 576 + 128) // 4 + FRAMES * 2 * 256
    samples = POSITIONS // 4 * 576 + POSITIONS * 576  # downsample at its output, upsample at its output
    assert flops(two, FRAMES, HEIGHT, WIDTH, TOKENS) == 2 * (MINIMAL_MACS + block + samples)


def test_flops_without_attention_grow_in_step_with_the_area() -> None:
    per_frame = 2 * (1024 + FRAMES * (2 * 256 + 512))
    small, large = (flops(spec(), FRAMES, side, side, TOKENS) - per_frame for side in (4, 12))
    assert large == 9 * small


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"blocks": (-3,)}, r"blocks must be 0 or more at each level, got \[-3\]"),
        ({"blocks": (1, 1)}, "blocks has 2 entries, multipliers has 1"),
        ({"spatial_attention": ()}, "spatial_attention has 0 entries, multipliers has 1"),
        ({"temporal": ("none", "none")}, "temporal has 2 entries, multipliers has 1"),
        ({"channels": 12}, "a level's width 12 must be a multiple of groups 8 and head_dim 8"),
        ({"head_dim": 16}, "a level's width 8 must be a multiple of groups 8 and head_dim 16"),
        ({"augmentation": True}, "augmentation needs conditioning"),
        ({"temporal": ("convolutions",)}, "'attention', 'convolution' or 'none'"),
        ({"channels": 0}, "greater than 0"),
        ({"chanels": 8}, "Extra inputs are not permitted"),
    ],
)
def test_a_net_that_can_not_be_built_is_refused_with_the_reason(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        spec(**changes)


def test_stride_is_the_fold_times_two_a_level() -> None:
    three = {"multipliers": (1, 1, 1), "blocks": (1, 1, 1), "spatial_attention": (False,) * 3}
    assert spec().stride == 1
    assert spec(**three, temporal=("none",) * 3, space_to_depth=2).stride == 8


@pytest.mark.parametrize(
    ("changes", "expected"),
    [({}, True), ({"spatial_attention": (True,)}, False), ({"coordinates": True}, False)],
)
def test_a_net_is_fully_convolutional_without_attention_and_coordinates(
    changes: dict[str, Any], expected: bool
) -> None:
    assert spec(**changes).fully_convolutional is expected


def test_a_spec_can_not_be_altered() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        spec().channels = 16  # type: ignore[misc]


def test_count_is_the_sum_over_the_shapes() -> None:
    whole = spec(spatial_attention=(True,), temporal=("attention",), conditioning=True, augmentation=True, middle=3)
    assert count(whole) == sum(math.prod(shape) for shape in parameters(whole).values())


@pytest.mark.parametrize("multipliers", [(), (2, 4), (1, 0)])
def test_multipliers_that_no_net_could_be_built_from_are_refused(multipliers: tuple[int, ...]) -> None:
    levels = len(multipliers)
    with pytest.raises(ValidationError, match="must be positive and begin with 1"):
        VideoUNetSpec(
            channels=32,
            multipliers=multipliers,
            blocks=(1,) * levels,
            spatial_attention=(False,) * levels,
            temporal=("none",) * levels,
            text_dim=8,
            embedding_dim=16,
        )
