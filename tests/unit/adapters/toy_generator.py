"""A generator in NumPy: prompts to noise whose mean the guidance and the prompt decide; one that can fail."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ivbench.adapters import Failed, Request
from ivbench.spec import GeneratorSpec

__all__ = ["ToyGenerator", "fails_on_crosses", "load"]

SPEC = GeneratorSpec(
    name="toy-generator",
    frames=4,
    height=12,
    width=20,
    fps=6.0,
    settings={"steps": 4, "guidance": 1.0, "negative_prompt": "", "contrast": 0.5},
    sizes=("frames", "height", "width"),
)


class ToyGenerator:
    """Videos of noise about a grey that depends on everything that can be set."""

    version, weights, description = "1", "0" * 64, "noise about a grey"

    def __init__(self, spec: GeneratorSpec = SPEC, refuses: str | None = None) -> None:
        self.spec, self._refuses = spec, refuses
        self.requests: list[Request] = []

    def generate(self, request: Request) -> Sequence[Any]:
        self.requests.append(request)
        return [self._one(request, place) for place in range(len(request.prompts))]

    def _one(self, request: Request, place: int) -> Any:
        prompt, told = request.prompts[place], request.settings
        if self._refuses is not None and self._refuses in prompt:
            return Failed(f'"{prompt}" is refused')
        assert request.scale is not None
        level = 80 + 5 * request.scale + sum(map(ord, prompt)) % 23
        level -= len(str(told["negative_prompt"])) + 4 * int(str(told["steps"]))
        rng = np.random.default_rng(request.seeds[place])
        noise = rng.standard_normal((request.frames, request.height, request.width, 3))
        return np.clip(level + 40 * float(str(told["contrast"])) * noise, 0, 255).astype(np.uint8)


def load(device: str) -> ToyGenerator:
    """As `python:` calls it."""
    assert device == "cpu"
    return ToyGenerator()


def fails_on_crosses(device: str) -> ToyGenerator:
    """One that makes no video of a cross."""
    return ToyGenerator(refuses="cross")
