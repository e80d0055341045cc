"""Plans of generators: cells hold what the generator exposes and nothing else; ids hold all that decides a video."""

from __future__ import annotations

from typing import Any

import pytest

from ivbench.config import parse_suite
from ivbench.errors import ConfigError
from ivbench.plan import GeneratorSource, Plan, build_plan, read_plan, write_plan
from ivbench.spec import GeneratorSpec
from tests.unit.adapters.toy_generator import SPEC

EXTRACTORS = {"clip-probe": "1" * 64}


def source(spec: GeneratorSpec = SPEC, **changes: Any) -> GeneratorSource:
    return GeneratorSource(**{"spec": spec, "adapter": "toy", "version": "1", "weights_digest": "0" * 64, **changes})


def plan(of: GeneratorSource | None = None, **suite: Any) -> Plan:
    asked = {
        "name": "s",
        "prompts": {"source": "shapes:test", "count": 3},
        "runs": 2,
        "metrics": [{"name": "clip_score", "extractor": "clip-probe"}],
        **suite,
    }
    return build_plan(parse_suite(asked), of or source(), extractors=EXTRACTORS)


def test_what_is_not_set_has_the_generators_default() -> None:
    (cell,) = plan().cells
    assert cell.settings == {"steps": 4, "guidance": "w=1", "negative_prompt": "", "contrast": 0.5}
    assert cell.label == "w=1 4"


def test_a_grid_sweeps_what_is_exposed() -> None:
    found = plan(grid={"guidance": [0, 2.5], "steps": [1, 2], "options": [{"contrast": 0.25}, {"contrast": 1.0}]})
    assert len(found.cells) == 8
    assert [cell.label for cell in found.cells][:3] == [
        "w=0 1 contrast=0.25",
        "w=0 1 contrast=1",
        "w=0 2 contrast=0.25",
    ]
    assert (found.cells[-1].guidance_w, found.cells[-1].scale_g) == (2.5, 3.5)


def test_nobody_knows_evaluations_and_flops() -> None:
    found = plan()
    (cost,) = found.cells[0].costs
    assert (cost.steps, cost.nfe, cost.flops) == (4, None, None)
    assert found.flops is None


@pytest.mark.parametrize(
    ("suite", "said"),
    [
        ({"defaults": {"sampler": "ddim"}}, "sampler: generator .* has no such setting. Allowed: steps, guidance"),
        ({"grid": {"thresholding": ["dynamic"]}}, "thresholding: .* options.contrast"),
        ({"cells": [{"options": {"eta": 1}}]}, "eta: .* no such setting"),
        ({"cells": [{"options": {"steps": 1}}]}, "Write it outside of options"),
        ({"cells": [{"steps": {"base": 2, "sr": 1}}]}, "by stage"),
        ({"cells": [{"guidance": "oscillate(15,1)"}]}, "oscillates"),
        ({"cells": [{"options": {"contrast": "much"}}]}, "contrast is 'much'"),
        ({"video": {"fps": 8}}, "video.fps is 8: .* asked for: frames, height, width"),
        ({"stages": {"from_stage": "ssr1", "input": "real"}}, 'no stage "ssr1"'),
    ],
)
def test_anything_else_is_an_error_that_lists_what_is_allowed(suite: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        plan(**suite)


def test_what_a_generator_refuses_is_said_with_its_reason() -> None:
    distilled = SPEC.model_copy(update={"settings": {"steps": 4}, "refuses": {"guidance": "it is distilled."}})
    with pytest.raises(ConfigError, match=r"guidance: generator .* it is distilled. Allowed: steps\."):
        plan(source(distilled), defaults={"guidance": 2})


@pytest.mark.parametrize("axis", ["negative_prompt", "options"])
def test_a_cascade_has_no_settings_of_generators(axis: str) -> None:
    from ivbench.plan import cascade_source
    from ivbench.zoo import read_card

    value = {"negative_prompt": "blur", "options": {"eta": 1}}[axis]
    suite = {"name": "s", "prompts": {"texts": ["a"]}, "defaults": {"sampler": "ddim", "steps": 1, "guidance": 0}}
    with pytest.raises(ConfigError, match=f"{axis} is a setting of generators"):
        build_plan(parse_suite({**suite, "cells": [{axis: value}]}), cascade_source(read_card("shapes-lite")))


def test_a_size_is_asked_for_where_it_can_be() -> None:
    found = plan(video={"frames": 2, "height": 6})
    assert found.stages[-1].shape == (2, 6, 20, 3)
    assert {task.id for task in found.sample}.isdisjoint(task.id for task in plan().sample)


def test_blocks_are_the_generators() -> None:
    assert len(plan().sample) == 2 * 3
    assert len(plan(source(SPEC.model_copy(update={"batch": 2}))).sample) == 2 * 2


@pytest.mark.parametrize(
    "changed",
    [
        {"adapter": "other"},
        {"version": "2"},
        {"weights_digest": "1" * 64},
        {"spec": SPEC.model_copy(update={"width": 24})},
        {"spec": SPEC.model_copy(update={"fps": 8.0})},
        {"spec": SPEC.model_copy(update={"settings": {**SPEC.settings, "steps": 5}})},
    ],
)
def test_what_decides_a_video_is_in_its_id(changed: dict[str, Any]) -> None:
    of = source(**{"spec": SPEC, **changed})
    assert {task.id for task in plan(of).sample}.isdisjoint(task.id for task in plan().sample)
    assert plan(of).cells[0].id != plan().cells[0].id


@pytest.mark.parametrize("changed", [{"description": "x"}, {"spec": SPEC.model_copy(update={"name": "renamed"})}])
def test_words_are_in_no_id(changed: dict[str, Any]) -> None:
    assert [task.id for task in plan(source(**changed)).sample] == [task.id for task in plan().sample]


def test_a_plan_is_read_again_without_the_generator(tmp_path: Any) -> None:
    found = plan(grid={"guidance": [0, 2]}, video={"frames": 2})
    write_plan(found, tmp_path / "plan.json")
    assert read_plan(tmp_path / "plan.json") == found
