"""The contract of generators: kept by the toy, and each way to break it is found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ivbench.adapters import Request, generator_source, open_door
from ivbench.errors import ConfigError
from ivbench.testing import AdapterError, check_adapter
from ivbench.zoo import Card, read_card
from tests.unit.adapters import gaussian_cascade
from tests.unit.adapters.gaussian_cascade import Gaussian, write_gaussian
from tests.unit.adapters.toy_generator import SPEC, ToyGenerator

BATCHED = SPEC.model_copy(update={"batch": 4})


def test_the_toy_keeps_the_contract() -> None:
    check_adapter("python:tests.unit.adapters.toy_generator:load")
    check_adapter(ToyGenerator(BATCHED))


def _broken(change: Any) -> ToyGenerator:
    class Broken(ToyGenerator):
        def generate(self, request: Request) -> Any:
            return change(super().generate, request)

    return Broken(BATCHED)


def _with(**changes: Any) -> Any:
    from dataclasses import replace

    def change(generate: Any, request: Request) -> Any:
        settings = {**request.settings, **{key: value for key, value in changes.items() if key in request.settings}}
        others = {key: value for key, value in changes.items() if key not in request.settings}
        fixed = {key: value(request) for key, value in others.items()}
        return generate(replace(request, settings=settings, **fixed))

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda generate, request: [video[1:] for video in generate(request)], "12, 20, 3"),
        (lambda generate, request: [np.random.default_rng().permuted(v) for v in generate(request)], "second time"),
        (lambda generate, request: [v // len(request.prompts) for v in generate(request)], "others of its batch"),
        (_with(seeds=lambda request: (0,) * len(request.seeds)), "seed changes nothing"),
        (_with(prompts=lambda request: ("a",) * len(request.prompts)), "prompt changes nothing"),
        (_with(guidance=1.0), "guidance is exposed and changes nothing"),
        (_with(negative_prompt=""), "negative_prompt is exposed and changes nothing"),
    ],
)
def test_a_broken_point_is_named(change: Any, said: str) -> None:
    with pytest.raises(AdapterError, match=said):
        check_adapter(_broken(change))


def test_a_generator_that_fails_on_everything_is_named() -> None:
    with pytest.raises(AdapterError, match="fails on plain prompts"):
        check_adapter(ToyGenerator(refuses="a"))


def test_a_function_may_return_a_cascade_that_has_a_card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_gaussian(tmp_path / "gaussian")
    monkeypatch.setattr(gaussian_cascade, "load", lambda device: Gaussian(read_card(folder), device), raising=False)
    found = open_door("python:tests.unit.adapters.gaussian_cascade:load")
    assert isinstance(found, Card)
    assert found.folder == folder


@pytest.mark.parametrize("what", ["version", "weights"])
def test_a_generator_says_what_tells_its_videos_from_others(monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    monkeypatch.setattr(ToyGenerator, what, "")
    name = "python:tests.unit.adapters.toy_generator:load"
    with pytest.raises(ConfigError, match=f"{what} is ''"):
        generator_source(open_door(name), name)
