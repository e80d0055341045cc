"""The level "generator": prompts to videos, by a sampler of its own. Only what it exposes can be swept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from ivbench.errors import ShapeError
from ivbench.spec import GeneratorSpec, Scalar

__all__ = ["Failed", "FailureKind", "Generator", "Request", "checked_videos", "loaded"]

FailureKind = Literal["failed", "missing", "too_short", "undecodable", "duplicate"]
Videos = NDArray[np.uint8]


@dataclass(frozen=True)
class Request:
    """What a generator is asked for.

    Attributes:
        prompts: B texts.
        seeds: one a prompt, in [0, 2^63), drawn from the run's seed, the prompt and the sample's index. Each video has
            a random generator of its own with this seed, so that it is the same in every batch.
        settings: a value for each setting that the generator's spec lists; guidance is the weight w.
        frames, height, width, fps: of the videos.
        sample: which video of each prompt, from 0, over all runs.
    """

    prompts: tuple[str, ...]
    seeds: tuple[int, ...]
    settings: Mapping[str, Scalar]
    frames: int
    height: int
    width: int
    fps: float
    sample: int = 0

    @property
    def scale(self) -> float | None:
        """Guidance as the scale g = 1 + w, as Imagen and diffusers count it; None where the settings have none."""
        w = self.settings.get("guidance")
        return None if w is None else 1.0 + float(w)


@dataclass(frozen=True)
class Failed:
    """In the place of a video that could not be made; counted, and told in one line.

    Attributes:
        why: one line.
        kind: how it is counted.
    """

    why: str
    kind: FailureKind = "failed"


class Generator(Protocol):
    """Prompts to videos. Made without loading a network: that waits for the first `generate`.

    A method `load()`, where it has one, is called once before anything is sampled, so that a wrong file is found early.

    Attributes:
        spec: name, size of the videos, and what can be set, with defaults.
        version: of its code; raise it when the same request gives other videos.
        weights: sha256 over its weights' files, or another text that differs where they do.
    """

    spec: GeneratorSpec
    version: str
    weights: str

    def generate(self, request: Request) -> Sequence[Any]:
        """Make videos.

        Args:
            request: at most `spec.batch` prompts.

        Returns:
            One a prompt: [T, H, W, 3] uint8 in [0, 255], of the request's size; or `Failed`.
        """


def loaded(generator: Generator) -> Generator:
    """The generator, after its `load`, where it has one."""
    load = getattr(generator, "load", None)
    if load is not None:
        load()
    return generator


def checked_videos(request: Request, returned: Sequence[Any], name: str) -> list[Videos | Failed]:
    """What `generate` returned, if it is what was asked for.

    Raises:
        ShapeError: another number of videos, another shape, or not uint8.
    """
    if len(returned) != len(request.prompts):
        raise ShapeError(f'generator "{name}" returned {len(returned)} videos for {len(request.prompts)} prompts.')
    wanted = (request.frames, request.height, request.width, 3)
    found: list[Videos | Failed] = []
    for one in returned:
        if not isinstance(one, Failed):
            one = np.asarray(one)
            if one.shape != wanted or one.dtype != np.uint8:
                raise ShapeError(
                    f'generator "{name}" returned a video of {one.dtype} {list(one.shape)}, uint8 {list(wanted)} '
                    "([T, H, W, 3]) is needed."
                )
        found.append(one)
    return found
