"""The JSON schema of suites: an editor that goes by it takes and refuses what ivbench does."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import jsonschema
import pytest

from ivbench.config import load_yaml, parse_suite, suite_names, suite_schema
from ivbench.config.settings import AXES
from ivbench.errors import ConfigError
from ivbench.registry import names

PROMPTS = {"source": "shapes:test"}
CHECK = jsonschema.Draft202012Validator(suite_schema())

RIGHT: list[tuple[str, Any]] = [
    ("weights", "original"),
    ("weights", {"base": "shapes-lite-distilled", "default": "original"}),
    ("guidance", 0),
    ("guidance", 7.5),
    ("guidance", "constant=6"),
    ("guidance", " w ( 6. ) "),
    ("guidance", "oscillate(15,1)"),
    ("guidance", "oscillate( 1.5e1 , .5 )"),
    ("guidance", {"constant": 6}),
    ("guidance", {"constant": 6, "oscillate": None}),
    ("guidance", {"oscillate": {"high": 15, "low": 1, "phase": "high", "stages": ["ssr1"]}}),
    ("guidance", {"base": "oscillate(15,1)", "sr": 0, "tsr1": {"constant": 2}}),
    *(("sampler", name) for name in names("sampler")),
    ("sampler", {"base": "ancestral", "sr": "python:mine:Sampler"}),
    ("steps", 16),
    ("steps", {"base": 16, "sr": 6}),
    ("gamma", 0),
    ("gamma", {"base": 0.3, "sr": 1}),
    ("thresholding", "none"),
    ("thresholding", "static"),
    ("thresholding", "dynamic"),
    ("thresholding", "dynamic(99.5)"),
    ("thresholding", "dynamic(100)"),
    ("thresholding", {"kind": "dynamic", "percentile": 99}),
    ("thresholding", {"kind": "none", "percentile": None}),
    ("thresholding", {"base": "static", "sr": {"kind": "static"}}),
    ("augmentation_snr", 3.5),
    ("augmentation_snr", "none"),
    ("augmentation_snr", {"ssr1": "none", "tsr1": 5, "default": None}),
    ("negative_prompt", "blurred"),
    ("options", {"eta": 0.5, "scheduler": "euler", "tiled": True, "clip": None}),
]
WRONG: list[tuple[str, Any]] = [
    ("weights", 3),
    ("weights", {"base": 1}),
    ("guidance", -1),
    ("guidance", True),
    ("guidance", "7"),
    ("guidance", "constant=x"),
    ("guidance", "oscillate(15)"),
    ("guidance", "oscillate(15,-1)"),
    ("guidance", "osc(15,1)"),
    ("guidance", {"base": -1}),
    ("guidance", {"constant": "w=6"}),
    ("guidance", {"constant": 6, "oscillate": {"high": 15, "low": 1}}),
    ("guidance", {"oscillate": {"high": 15}}),
    ("guidance", {"oscillate": {"high": 15, "low": 1, "phase": "middle"}}),
    ("sampler", 3),
    ("sampler", ["ddim"]),
    ("steps", 0),
    ("steps", 2.5),
    ("steps", "16"),
    ("steps", {"base": 16, "sr": 0}),
    ("gamma", 1.5),
    ("gamma", {"base": -0.1}),
    ("thresholding", "dynamical"),
    ("thresholding", "dynamic(101)"),
    ("thresholding", "dynamic(99.5,1)"),
    ("thresholding", 99.5),
    ("thresholding", {"kind": "dynamic"}),
    ("thresholding", {"kind": "static", "percentile": 99}),
    ("thresholding", {"base": "clip"}),
    ("augmentation_snr", 0),
    ("augmentation_snr", "3"),
    ("augmentation_snr", {"ssr1": -2}),
    ("negative_prompt", 3),
    ("options", "eta=0.5"),
    ("options", {"eta": [0.5]}),
]
"""What `parse_suite` refuses too."""
UNKNOWN: list[tuple[str, Any]] = [("sampler", "dimm"), ("sampler", {"base": "ddim", "sr": "DDIM"})]
"""Samplers that nobody has, which only a plan refuses."""


def placed(axis: str, value: Any) -> list[dict[str, Any]]:
    """Suites with a setting in each place that takes one."""
    of_grid = {"grid": {axis: [value]}}
    places: list[dict[str, Any]] = [{"defaults": {axis: value}}, {"cells": [{axis: value}]}, of_grid]
    return [{"name": "x", "prompts": PROMPTS, **place} for place in places]


def excluding(axis: str, value: Any) -> dict[str, Any]:
    """A suite whose grid leaves a value out."""
    return {"name": "x", "prompts": PROMPTS, "grid": {axis: [value], "exclude": [{axis: value}]}}


@pytest.mark.parametrize(("axis", "value"), RIGHT)
def test_the_schema_takes_what_a_suite_may_say(axis: str, value: Any) -> None:
    for suite in placed(axis, value):
        parse_suite(suite)
        CHECK.validate(suite)
    CHECK.validate(excluding(axis, value))


@pytest.mark.parametrize(("axis", "value"), [*WRONG, *UNKNOWN])
def test_the_schema_refuses_a_wrong_value_wherever_it_stands(axis: str, value: Any) -> None:
    for suite in [*placed(axis, value), excluding(axis, value)]:
        assert not CHECK.is_valid(suite), suite


@pytest.mark.parametrize(("axis", "value"), WRONG)
def test_what_the_schema_refuses_a_suite_may_not_say(axis: str, value: Any) -> None:
    for suite in placed(axis, value):
        with pytest.raises(ConfigError):
            parse_suite(suite)


def test_every_axis_is_put_to_the_test() -> None:
    for cases in (RIGHT, WRONG):
        assert {axis for axis, _ in cases} == set(AXES)


@pytest.mark.parametrize(
    "own",
    [
        {"defaults": {"stpes": 3}},
        {"grid": {"guidence": [1]}},
        {"grid": {"steps": []}},
        {"grid": {"steps": 4}},
        {"grid": {"steps": [4, None]}},
        {"grid": {"steps": [4], "exclude": {"steps": 4}}},
        {"grid": {"steps": [4, 8], "exclude": [{"stpes": 4}]}},
        {"grid": {"steps": [4, 8], "exclude": [{}]}},
        {"grid": {"steps": [4, 8], "exclude": [{"steps": None}]}},
        {"grid": {"steps": [4, 8], "exclude": [{"steps": "4"}]}},
    ],
)
def test_the_schema_refuses_wrong_keys_and_empty_places(own: dict[str, Any]) -> None:
    suite = {"name": "x", "prompts": PROMPTS, **own}
    assert not CHECK.is_valid(suite)
    with pytest.raises(ConfigError):
        parse_suite(suite)


@pytest.mark.parametrize("name", suite_names())
def test_the_schema_takes_the_packaged_suites_as_written(name: str) -> None:
    text = files("ivbench.config").joinpath("suites", f"{name}.yaml").read_text(encoding="utf-8")
    CHECK.validate(load_yaml(text, name))


def test_the_schema_is_one() -> None:
    CHECK.check_schema(CHECK.schema)
