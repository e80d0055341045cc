"""A stage so small that its training takes milliseconds, and a text encoder that is a random table."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from ivbench.spec import StageSpec
from ivbench.text import TextEmbeddings
from ivbench.train.recipe import StageRecipe

__all__ = ["RandomEncoder", "Tiny"]

UNET: dict[str, Any] = {
    "channels": 16,
    "multipliers": (1,),
    "blocks": (1,),
    "spatial_attention": (True,),
    "temporal": ("attention",),
    "head_dim": 8,
    "groups": 4,
    "text_dim": 4,
    "embedding_dim": 16,
    "space_to_depth": 2,
}
RECIPE: dict[str, Any] = {
    "cascade": "tiny",
    "stage": "base",
    "steps": 6,
    "batch": 4,
    "seed": 5,
    "learning_rate": 0.01,
    "warm_up": 2,
    "checkpoint_every": 2,
}


class RandomEncoder:
    """Two tokens a prompt, of width 4, drawn from the prompt's digest."""

    name, dim, max_length = "random", 4, 2

    def __init__(self, source: str = "random", max_length: int = 2, device: str = "cpu") -> None:
        self.digest = hashlib.sha256(source.encode()).hexdigest()

    def encode(self, prompts: list[str]) -> TextEmbeddings:
        rows = [np.frombuffer(hashlib.sha256(text.encode()).digest()[:8], np.uint8) / 128 - 1 for text in prompts]
        tokens = np.array(rows, np.float32).reshape(-1, 2, 4)
        return TextEmbeddings(tokens, np.ones(tokens.shape[:2], bool), tokens.mean(axis=1), 0)


class Tiny:
    """Recipes, stages and encoders of a tiny cascade."""

    @staticmethod
    def recipe(**changes: Any) -> StageRecipe:
        return StageRecipe(**(RECIPE | changes))

    @staticmethod
    def stage(kind: str = "base", **unet: Any) -> StageSpec:
        later = {} if kind == "base" else {"conditioning": True, "augmentation": True}
        size = {"base": (4, 6, 10, 3.0), "tsr": (8, 6, 10, 6.0), "ssr": (4, 12, 20, 3.0)}[kind]
        return StageSpec.model_validate(
            {"name": kind, "kind": kind, "unet": UNET | later | unet}
            | dict(zip(("frames", "height", "width", "fps"), size, strict=True))
        )

    encoder = RandomEncoder
