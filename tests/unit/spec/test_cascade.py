"""Stages and cascades as data: what fits together and what is refused, with the message."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from ivbench.spec import CascadeSpec, StageSpec, count, flops
from tests.unit.spec.nets import cascade, stage, unet

BASE = stage("base", 4, 6, 10)


def test_stages_that_fit_are_found_by_name_and_by_what_feeds_them() -> None:
    spec = CascadeSpec.model_validate(cascade(BASE, stage("tsr1", 8, 6, 10), stage("ssr1", 8, 24, 40)))
    assert spec.stage("ssr1").shape == (8, 24, 40, 3)
    assert spec.before("base") is None
    assert spec.before("ssr1") == spec.stage("tsr1")
    with pytest.raises(KeyError, match="ssr2"):
        spec.stage("ssr2")


def test_a_stage_counts_its_net_at_its_size() -> None:
    spec = StageSpec.model_validate(BASE)
    assert spec.parameters == count(spec.unet)
    assert spec.flops(5) == flops(spec.unet, 4, 6, 10, 5)


@pytest.mark.parametrize(
    ("last", "message"),
    [
        (
            stage("tsr1", 6, 6, 10),
            'stage "tsr1" expects a whole fraction of 6 frames of 6x10 (HxW), got 4x6x10 from base. '
            "Set stages.tsr1 to fit.",
        ),
        (
            stage("tsr1", 8, 12, 20),
            'stage "tsr1" expects a whole fraction of 8 frames of 12x20 (HxW), got 4x6x10 from base.',
        ),
        (
            stage("ssr1", 8, 12, 20),
            'stage "ssr1" expects 8 frames of a whole fraction of 12x20 (HxW), got 4x6x10 from base.',
        ),
        (
            stage("ssr1", 4, 9, 15),
            'stage "ssr1" expects 4 frames of a whole fraction of 9x15 (HxW), got 4x6x10 from base.',
        ),
        (
            stage("ssr1", 4, 12, 10),
            'stage "ssr1" expects 4 frames of a whole fraction of 12x10 (HxW), got 4x6x10 from base.',
        ),
        (stage("base2", 4, 6, 10), 'stage "base2" is of kind base; only the first stage may be'),
        (BASE, "stage names must differ, got base, base"),
        (
            stage("tsr1", 8, 6, 10, unet=unet(conditioning=True, text_dim=5)),
            'stage "tsr1" expects text tokens of width 5, the text encoder t5-tiny gives 4',
        ),
    ],
)
def test_a_stage_that_does_not_fit_the_one_before_is_refused(last: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        CascadeSpec.model_validate(cascade(BASE, last))
    assert message in str(caught.value)


def test_a_cascade_begins_with_a_base() -> None:
    with pytest.raises(ValidationError, match='the first stage must be of kind base, got ssr "ssr1"'):
        CascadeSpec.model_validate(cascade(stage("ssr1", 4, 6, 10)))
    with pytest.raises(ValidationError, match="at least 1 item"):
        CascadeSpec.model_validate(cascade())


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (
            stage("base", 4, 6, 9, unet=unet(space_to_depth=2)),
            r'stage "base" is 6x9 \(HxW\); its net needs multiples of 2',
        ),
        (stage("base", 4, 6, 10, unet=unet(conditioning=True)), "is base: unet.conditioning must be False"),
        (stage("ssr1", 4, 6, 10, unet=unet()), "is ssr: unet.conditioning must be True"),
        ({**BASE, "name": "Base one"}, "should match pattern"),
        (stage("base", 0, 6, 10), "greater than 0"),
        (stage("base", 4, 6, 10, parameterization="epsilon"), "'x', 'eps' or 'v'"),
        (
            stage("base", 4, 6, 10, unet=unet(clean_head=True), parameterization="eps"),
            'stage "base": unet.clean_head needs parameterization v, got eps',
        ),
        (stage("base", 4, 6, 10, scheduler="cosine"), "Extra inputs are not permitted"),
        (
            stage("base", 4, 6, 10, unet=unet(guidance_embedding=True)),
            r"unet.guidance_embedding goes with distilled.guidance, it must be False here",
        ),
        (
            stage("base", 4, 6, 10, distilled={"guidance": (0, 16)}),
            r"unet.guidance_embedding goes with distilled.guidance, it must be True here",
        ),
        (
            stage("base", 4, 6, 10, distilled={"samplers": ("ddim", "stochastic"), "steps": 8}),
            r"unet.jump_embedding goes with two distilled.samplers, it must be True here",
        ),
        (stage("base", 4, 6, 10, distilled={}), "needs guidance .least, largest w., or samplers and steps"),
        (stage("base", 4, 6, 10, distilled={"steps": 8}), "samplers and distilled.steps go together"),
        (
            stage("base", 4, 6, 10, distilled={"samplers": ("ddim", "ddim"), "steps": 8}),
            "samplers and distilled.steps go together",
        ),
        (stage("base", 4, 6, 10, distilled={"samplers": ("heun",), "steps": 8}), "'ddim' or 'stochastic'"),
        (
            stage("base", 4, 6, 10, unet=unet(guidance_embedding=True), distilled={"guidance": (3, 1)}),
            r"must be .least, largest w. from 0 up, got .3.0, 1.0.",
        ),
    ],
)
def test_a_stage_that_can_not_be_is_refused_with_the_reason(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        StageSpec.model_validate(wrong)


def test_a_network_of_another_project_may_raise_frames_and_size_at_once() -> None:
    last = stage("ssr1", 8, 12, 20, network={"parameters": 1, "flops": 1})
    del last["unet"]
    assert CascadeSpec.model_validate(cascade(BASE, last)).stages[-1].shape == (8, 12, 20, 3)
    with pytest.raises(ValidationError, match="got 4x6x10 from base"):
        CascadeSpec.model_validate(cascade(BASE, {**last, "frames": 6}))


def test_what_a_network_does_not_say_is_no_part_of_what_identifies_it() -> None:
    last = stage("base", 8, 12, 20, network={"parameters": 1, "flops": 1})
    del last["unet"]
    dumped = StageSpec.model_validate(last).model_dump(mode="json")["network"]
    assert dumped == {"parameters": 1, "flops": 1, "augmentation": False, "multiple_of": 1}
