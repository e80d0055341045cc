"""The level "denoiser": a network of somebody's own for each stage; samplers, guidance and thresholding are ours."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ivbench.adapters.text import open_text_encoder
from ivbench.backends.memory import kinds_out_of_memory
from ivbench.cascade import StageModel
from ivbench.errors import ConfigError, ShapeError
from ivbench.spec import CascadeSpec, StageSpec
from ivbench.text import TextEmbeddings, TextEncoder
from ivbench.zoo import Card, verify

__all__ = ["Denoise", "DenoiserCascade"]

Floats = NDArray[np.float32]

Denoise = Callable[[Floats, float, TextEmbeddings | None, Floats | None, float | None], Any]
"""(z, logsnr, text, conditioning, augmentation) -> prediction.

z: [B, T, H, W, C] float32, the noisy videos; logsnr: nats; text: of the B prompts, None = without text (the
unconditional prediction); conditioning: [B, T, H, W, C] float32 in about [-1, 1], the video of the stage before at this
stage's size, None in a base; augmentation: its log SNR in nats, None where the network is not told. The prediction is
[B, T, H, W, C], of the stage's parameterization: x, eps or v. Each video's depends on that video alone.
"""


class DenoiserCascade:
    """Base of a cascade whose stages are somebody's own networks: override `denoiser`, and `text_encoder` if need be.

    The card names the class, `adapter: python:mymodels.cascade:MyCascade` or by an entry point of the group
    `ivbench.adapters`, and lists the weights' files with their digests, which are verified before a network is loaded.

    Args:
        card: of the cascade.
        device: where networks run: a torch device's name, or what the author makes of it.
        zoo: where the text encoder is looked up.
    """

    def __init__(self, card: Card, device: str = "cpu", zoo: Path | None = None) -> None:
        self.card, self.device, self.zoo = card, device, zoo
        self.spec: CascadeSpec = card.cascade()
        self._models: dict[str, StageModel] = {}

    @classmethod
    def card_of(cls, source: str, size: Mapping[str, float]) -> Card:
        """The card of the cascade that a file holds: a class that has this is a door, ADAPTER:SOURCE.

        Args:
            source: what stands after the colon.
            size: `frames`, `height`, `width` and `fps` of the videos, as far as the suite asks for them.
        """
        raise ConfigError(
            f"{cls.__name__} is the class of a cascade that a card describes. Give the card's folder, or a function "
            "that returns the cascade."
        )

    def denoiser(self, stage: str) -> Denoise:
        """A stage's network, loaded; see `Denoise`. Called once a stage.

        Args:
            stage: its name; `self.card.weights_path(stage)` is its weights' file, `self.spec.stage(stage)` its spec.
        """
        raise NotImplementedError(f"{type(self).__name__} has no method denoiser(stage)")

    def text_encoder(self) -> TextEncoder:
        """The frozen text encoder that cascade.yaml names: of the zoo, a folder, or the hub."""
        return self._encoder

    def stage_model(self, name: str) -> StageModel:
        """A stage's network behind the door of the sampling loop.

        Raises:
            ConfigError: no such stage, or no weights for it in the card.
            DigestError: a file is not what the card says.
        """
        if name not in self._models:
            self.card.weights_path(name)
            verify(self.card)
            self._models[name] = _DenoiserStage(self.spec.stage(name), self.denoiser(name))
        return self._models[name]

    @cached_property
    def _encoder(self) -> TextEncoder:
        return open_text_encoder(self.spec.text, self.device, self.zoo)


class _DenoiserStage:
    """A stage's model over NumPy arrays."""

    def __init__(self, stage: StageSpec, denoise: Denoise) -> None:
        if not callable(denoise):
            raise ConfigError(f'stage "{stage.name}": denoiser() gave {type(denoise).__name__}, a function is needed.')
        self.stage, self._denoise = stage, denoise
        self.out_of_memory = kinds_out_of_memory()  # torch's too, where the author's own code has loaded it

    def evaluator(self, text: TextEmbeddings, conditioning: Floats | None, augmentation: float | None) -> _Evaluator:
        """Bind text, conditioning video and its log SNR."""
        return _Evaluator(self.stage, self._denoise, text, conditioning, augmentation)

    def to_backend(self, array: Floats) -> Floats:
        """The array: the loop runs in NumPy."""
        return array

    def to_numpy(self, array: Floats) -> Floats:
        """The array as float32."""
        return np.asarray(array, np.float32)


class _Evaluator:
    """A denoiser with its inputs."""

    def __init__(
        self,
        stage: StageSpec,
        denoise: Denoise,
        text: TextEmbeddings,
        conditioning: Floats | None,
        augmentation: float | None,
    ) -> None:
        self._stage, self._denoise = stage, denoise
        self._text, self._conditioning, self._augmentation = text, conditioning, augmentation

    def conditional(self, z: Floats, logsnr: float) -> Floats:
        """The prediction with text."""
        return self._evaluate(z, logsnr, self._text)

    def pair(self, z: Floats, logsnr: float) -> tuple[Floats, Floats]:
        """The predictions with and without text, one after the other."""
        return self._evaluate(z, logsnr, self._text), self._evaluate(z, logsnr, None)

    def _evaluate(self, z: Floats, logsnr: float, text: TextEmbeddings | None) -> Floats:
        single = np.asarray(z, np.float32)
        found = np.asarray(self._denoise(single, float(logsnr), text, self._conditioning, self._augmentation))
        if found.shape != z.shape or found.dtype.kind != "f":
            raise ShapeError(
                f'stage "{self._stage.name}": the denoiser returned {found.dtype} {list(found.shape)}, '
                f"a float array of {list(z.shape)} ([B, T, H, W, C]) is needed."
            )
        return found.astype(np.float32, copy=False)
