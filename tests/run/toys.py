"""A cascade and extractors in NumPy: the runner without a framework, in milliseconds."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ivbench.cascade import StageModel
from ivbench.config import parse_cascade, parse_suite
from ivbench.data.shapes.labels import attributes_of
from ivbench.errors import NonFiniteError
from ivbench.extractors.block_motion import BlockMotion
from ivbench.extractors.geometric_judge import GeometricJudge
from ivbench.plan import CascadeSource, Plan, build_plan
from ivbench.results.store import Store
from ivbench.run import Models, Outcome, Silent, score_plan
from ivbench.spec import CascadeSpec, StageSpec
from ivbench.text import TextEmbeddings

UNET = {
    "channels": 32,
    "multipliers": [1],
    "blocks": [1],
    "spatial_attention": [False],
    "temporal": ["convolution"],
    "text_dim": 4,
    "embedding_dim": 32,
}
LIFTED = {**UNET, "conditioning": True, "augmentation": True}
CASCADE = {
    "name": "toy",
    "text": {"encoder": "toy-text", "dim": 4, "length": 6},
    "stages": [
        {"name": "base", "kind": "base", "frames": 2, "height": 6, "width": 10, "fps": 3.0, "unet": UNET},
        {"name": "tsr1", "kind": "tsr", "frames": 4, "height": 6, "width": 10, "fps": 6.0, "unet": LIFTED},
        {"name": "ssr1", "kind": "ssr", "frames": 4, "height": 12, "width": 20, "fps": 6.0, "unet": LIFTED},
    ],
}
SUITE: dict[str, Any] = {
    "name": "toy",
    "prompts": {"source": "shapes:test", "count": 18},
    "runs": 2,
    "metrics": [
        {"name": "frame_fid", "extractor": "toy-frames"},
        {"name": "fvd", "extractor": "toy-clips"},
        {"name": "clip_score", "extractor": "toy-clip"},
        {"name": "r_precision", "extractor": "toy-clip"},
    ],
    "reference": {"count": 40},
    "gallery": 2,
    "defaults": {"sampler": "ddim", "guidance": 0, "steps": 2},
    "cells": [
        {"label": "a"},
        {"label": "guided", "guidance": {"base": 2, "sr": 0}},
        {"label": "short", "steps": {"ssr": 1, "default": 2}},
    ],
}
"""`short` shares base and tsr1 with `a`; 18 prompts are two blocks."""


class ToyText:
    """Token vectors that depend on a prompt's length; a prompt longer than the toy's tokens counts as truncated."""

    name, digest, dim, max_length = "toy-text", "0" * 64, 4, 6

    def encode(self, prompts: list[str]) -> TextEmbeddings:
        rows = np.array([[len(prompt) % 7, 1, 0, 0] for prompt in prompts], np.float32)
        tokens = np.repeat(rows[:, None], self.max_length, axis=1)
        cut = sum(len(prompt.split()) > 20 for prompt in prompts)
        return TextEmbeddings(tokens, np.ones(tokens.shape[:2], bool), rows, cut)


@dataclass
class ToyStage:
    """v = 0.1 z + what the text says; with text and without, NaN where `breaks` (guided steps alone)."""

    stage: StageSpec
    breaks: bool = False
    out_of_memory: tuple[type[BaseException], ...] = ()

    def evaluator(self, text: TextEmbeddings, conditioning: Any, augmentation: float | None) -> ToyStage:
        self._said = text.pooled[:, :1, None, None, None] * np.float32(0.01)
        return self

    def conditional(self, z: NDArray[np.float32], logsnr: float) -> NDArray[np.float32]:
        return np.float32(0.1) * z + self._said

    def pair(self, z: NDArray[np.float32], logsnr: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        found = self.conditional(z, logsnr)
        return found, found * np.float32(np.nan if self.breaks else 0.5)

    def to_backend(self, array: NDArray[np.float32]) -> NDArray[np.float32]:
        return array

    def to_numpy(self, array: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(array, np.float32)


@dataclass
class ToyCascade:
    """Stages made when they are asked for; `asked` says which were."""

    spec: CascadeSpec
    breaks: bool = False
    wrong_weights: str = ""
    asked: list[str] = field(default_factory=list)

    def text_encoder(self) -> ToyText:
        self.asked.append("text")
        return ToyText()

    def stage_model(self, name: str) -> StageModel:
        self.asked.append(name)
        if name == self.wrong_weights:
            raise NonFiniteError(f'stage "{name}" has NaN or infinity in its weight w.')
        return ToyStage(self.spec.stage(name), self.breaks)


class ToyFrames:
    """The mean colour of each frame."""

    name, digest, kind, dim, preprocess = "toy-frames", "1" * 64, "frames", 3, "none"

    def extract(self, videos: NDArray[np.uint8]) -> NDArray[np.float32]:
        return videos.mean(axis=(2, 3), dtype=np.float32)


class ToyClips:
    """The mean, the spread and the change in time of a clip."""

    name, digest, kind, dim, preprocess = "toy-clips", "2" * 64, "clips", 3, "none"

    def extract(self, videos: NDArray[np.uint8]) -> NDArray[np.float32]:
        x = videos.astype(np.float32)
        parts = [x.mean(axis=(1, 2, 3, 4)), x.std(axis=(1, 2, 3, 4)), abs(np.diff(x, axis=1)).mean(axis=(1, 2, 3, 4))]
        return np.stack(parts, axis=1)


class ToyClip:
    """What the geometric judge sees, and what a caption says, as unit vectors of one form."""

    name, digest, kind, dim, preprocess = "toy-clip", "3" * 64, "image_text", 49, "none"

    def extract(self, videos: NDArray[np.uint8]) -> NDArray[np.float32]:
        rows = self._vectors(GeometricJudge().extract(videos).astype(int))
        return np.repeat(rows[:, None], videos.shape[1], axis=1)

    def embed_text(self, texts: list[str]) -> NDArray[np.float32]:
        rows = [attributes_of(text) for text in texts]
        from ivbench.data.shapes.labels import VOCABULARY

        places = [[VOCABULARY[name].index(getattr(row, name)) if row else -1 for name in VOCABULARY] for row in rows]
        return self._vectors(np.array(places))

    def truncated(self, texts: list[str]) -> NDArray[np.bool_]:
        return np.array([len(text.split()) > 20 for text in texts])

    def _vectors(self, places: NDArray[np.integer[Any]]) -> NDArray[np.float32]:
        """[N, 6] places -> [N, 49]: a one of eight for each attribute, and a small constant so that none is 0."""
        rows = np.zeros((len(places), self.dim), np.float32)
        rows[:, -1] = 0.1
        for column in range(places.shape[1]):
            seen = places[:, column] >= 0
            rows[seen, 8 * column + places[seen, column]] = 1
        return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


EXTRACTORS: dict[str, Any] = {
    "toy-frames": ToyFrames,
    "toy-clips": ToyClips,
    "toy-clip": ToyClip,
    "geometric-judge": GeometricJudge,
    "block-motion": BlockMotion,
}


class ToyModels(Models):
    """The toys in place of networks; `loaded` says which extractors were asked for."""

    def __init__(self, spec: CascadeSpec, breaks: bool = False, wrong_weights: str = "") -> None:
        self.device = "cpu"
        self.toy = ToyCascade(spec, breaks, wrong_weights)
        self.loaded: list[str] = []
        self.extractor = self._load

    @property
    def cascade(self) -> ToyCascade:  # type: ignore[override] # a toy has no loader
        return self.toy

    def _load(self, name: str) -> Any:
        self.loaded.append(name)
        return EXTRACTORS[name]()


def toy_plan(**changes: Any) -> Plan:
    """The toy suite, with some of its keys changed, on the toy cascade."""
    spec = parse_cascade(CASCADE)
    source = CascadeSource(
        spec=spec, weights={stage.name: f"{i:064x}" for i, stage in enumerate(spec.stages)}, text_encoder="0" * 64
    )
    return build_plan(
        parse_suite({**SUITE, **changes}), source, extractors={name: EXTRACTORS[name].digest for name in EXTRACTORS}
    )


@dataclass
class Ran:
    """A finished run of the toys."""

    plan: Plan
    outcome: Outcome
    models: ToyModels
    lines: list[str]


def run_toy(
    plan: Plan, folder: Path, out: str = "out", timing: bool = False, breaks: bool = False, wrong_weights: str = ""
) -> Ran:
    """Score a plan with the toys; the store is `folder`/store."""
    reporter, models = Silent(), ToyModels(plan.source.spec, breaks, wrong_weights)
    store = Store(folder / "store", on_problem=reporter.say)
    outcome = score_plan(plan, store, models, reporter, folder / out, "ivbench run", timing)
    return Ran(plan, outcome, models, reporter.lines)
