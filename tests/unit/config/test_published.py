"""Published values: from a suite's YAML to the cells of a plan, and the mistakes that are caught."""

from __future__ import annotations

import re
from typing import Any

import pytest

from ivbench.config import parse_suite
from ivbench.errors import ConfigError
from ivbench.plan import build_plan, cascade_source
from ivbench.results.schema import Published
from ivbench.zoo import read_card

SUITE: dict[str, Any] = {
    "name": "rows",
    "prompts": {"texts": ["a cat", "a dog"]},
    "metrics": [{"name": "clip_score", "extractor": "clip-probe"}],
    "published": {"source": "A paper, Table 1", "ground_truth": {"clip_score": 24.27}},
    "defaults": {"sampler": "ddim", "guidance": 6, "augmentation_snr": 5, "gamma": 0.3, "thresholding": "dynamic"},
    "grid": {"steps": [4, 8]},
    "cells": [
        {"label": "long", "steps": 256, "published": {"clip_score": {"value": 25.19, "stderr": 0.03}, "seconds": 618}},
        {"label": "eight", "steps": 8, "published": {"clip_score": 25.03}},
    ],
}


def suite(**changes: Any) -> dict[str, Any]:
    return {**SUITE, **changes}


def test_values_reach_their_cells_and_a_grid_point_that_is_the_same_cell() -> None:
    plan = build_plan(parse_suite(SUITE), cascade_source(read_card("imagen-video")))
    source = "A paper, Table 1"
    assert {cell.label: cell.published for cell in plan.cells} == {
        "w=6 ddim 4": (),
        "eight": (Published(metric="clip_score", value=25.03, source=source),),
        "long": (
            Published(metric="clip_score", value=25.19, stderr=0.03, source=source),
            Published(metric="seconds", value=618, source=source),
        ),
    }


def test_published_values_decide_no_id() -> None:
    bare = suite(published=None, cells=[{k: v for k, v in cell.items() if k != "published"} for cell in SUITE["cells"]])
    plans = [build_plan(parse_suite(data), cascade_source(read_card("imagen-video"))) for data in (SUITE, bare)]
    assert plans[0].digest == plans[1].digest
    assert plans[0].suite_digest == plans[1].suite_digest


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"published": None}, "add published: {source"),
        ({"published": {"source": "s", "ground_truth": {"clip_scor": 1}}}, 'Did you mean "clip_score"'),
        ({"cells": [{"published": {"fvd": 1}}]}, '"fvd" is no metric of this suite'),
        ({"cells": [{"published": {"clip_score": "25.19 +- .03"}}]}, "clip_score"),
        ({"cells": [{"published": {"clip_score": {"value": 1, "stderr": -1}}}]}, "stderr"),
        ({"cells": [{"published": {"clip_score": float("inf")}}]}, "finite number"),
        ({"published": {"source": ""}}, "published.source"),
    ],
)
def test_a_mistake_is_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        parse_suite(suite(**changes))
