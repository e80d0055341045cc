"""Whether a generator keeps its contract: `check_adapter` for the levels "generator" and "videos"."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ivbench.adapters import Generator, Request
from ivbench.adapters.generator import checked_videos
from ivbench.errors import IvbenchError
from ivbench.spec import Scalar

__all__ = ["generator_problems"]

_PROMPTS = ("a red circle moving left over a grey background", "a large blue square")
_SEEDS = (11, 12)
_STEPS = 2
_ROUNDING = 2
"""Largest difference of two values in [0, 255] that counts as rounding."""

Videos = NDArray[np.uint8]


def generator_problems(generator: Generator) -> Iterator[str]:
    """What is broken, a text each.

    Args:
        generator: opened; it is asked for a handful of videos, with 2 steps where it has steps. One of videos that were
            sampled already is asked for those of its own prompts, which no seed changes.
    """
    spec = generator.spec
    prompts = _prompts(generator)
    steps: dict[str, Scalar] = {"steps": _STEPS} if "steps" in spec.settings else {}
    seeds = _SEEDS[: len(prompts)]
    request = Request(prompts, seeds, {**spec.settings, **steps}, spec.frames, spec.height, spec.width, spec.fps)
    try:
        first = [_one(generator, request, place) for place in range(len(prompts))]
    except IvbenchError as error:
        yield str(error).rstrip(".")
        return
    if any(one is None for one in first):
        yield "it fails on prompts of its own" if _is_sampled(generator) else "it fails on plain prompts"
        return
    yield from _depends(generator, request, first)
    yield from _told(generator, request, first[0])


def _is_sampled(generator: Generator) -> bool:
    """Whether its videos were made already."""
    return generator.spec.kind == "videos"


def _prompts(generator: Generator) -> tuple[str, ...]:
    """Two prompts: of videos that were made already the first that have one, else plain ones."""
    if not _is_sampled(generator):
        return _PROMPTS
    files: Mapping[str, tuple[str, ...]] = generator.files  # type: ignore[attr-defined]
    return tuple(prompt for prompt, found in files.items() if found and found[0])[: len(_PROMPTS)]


def _depends(generator: Generator, request: Request, first: list[Any]) -> Iterator[str]:
    if not _same(_one(generator, request, 0), first[0]):
        yield "the same request gives another video the second time: it draws from another generator than its seed's"
    if generator.spec.batch > 1:
        both = checked_videos(request, generator.generate(request), generator.spec.name)
        if not all(_same(one, alone) for one, alone in zip(both, first, strict=True)):
            yield "a video depends on the others of its batch"
    seeds, prompts = request.seeds[::-1], request.prompts[::-1]
    if not _is_sampled(generator) and _equal(_one(generator, replace(request, seeds=seeds), 0), first[0]):
        yield "the seed changes nothing"
    if len(prompts) > 1 and _equal(_one(generator, replace(request, prompts=prompts), 0), first[0]):
        yield "the prompt changes nothing"


def _told(generator: Generator, request: Request, first: Any) -> Iterator[str]:
    """Steps, guidance and negative prompt, as far as they are exposed, each change something."""
    settings = request.settings
    w = settings.get("guidance")
    others: dict[str, dict[str, Scalar]] = {"steps": {"steps": _STEPS + 1}, "guidance": {"guidance": float(w or 0) + 3}}
    if "guidance" in settings:
        others["negative_prompt"] = {"guidance": 3.0, "negative_prompt": "blurred, grey"}
    guided = {**settings, "guidance": 3.0}
    for name, changed in others.items():
        if name not in settings:
            continue
        base = _one(generator, replace(request, settings=guided), 0) if name == "negative_prompt" else first
        if _equal(_one(generator, replace(request, settings={**settings, **changed}), 0), base):
            yield f"{name} is exposed and changes nothing"


def _one(generator: Generator, request: Request, place: int) -> Any:
    """The video of one prompt alone; None where it failed."""
    alone = replace(request, prompts=request.prompts[place : place + 1], seeds=request.seeds[place : place + 1])
    (found,) = checked_videos(alone, generator.generate(alone), generator.spec.name)
    return found if isinstance(found, np.ndarray) else None


def _equal(a: Any, b: Any) -> bool:
    return a is not None and b is not None and np.array_equal(a, b)


def _same(a: Any, b: Any) -> bool:
    if not isinstance(a, np.ndarray) or not isinstance(b, np.ndarray):
        return False
    return int(np.abs(a.astype(np.int16) - b.astype(np.int16)).max()) <= _ROUNDING
