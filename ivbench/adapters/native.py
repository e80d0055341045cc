"""The native format: a folder with card.yaml, cascade.yaml and one safetensors file a stage."""

from __future__ import annotations

import hashlib
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ivbench.adapters.formats.dtypes import is_float
from ivbench.adapters.formats.safetensors_file import arrays_from_bytes
from ivbench.adapters.text import open_text_encoder
from ivbench.cascade import StageModel
from ivbench.errors import ConfigError, DigestError
from ivbench.plan import torch_device
from ivbench.spec import CascadeSpec
from ivbench.text import TextEncoder
from ivbench.zoo import Card

__all__ = ["NativeCascade"]


class NativeCascade:
    """A cascade of the zoo's own format; one weights file serves both backends.

    Args:
        card: of the cascade.
        device: of the backend; the text encoder runs in PyTorch, on the CPU where that lacks the device.
        zoo: where the text encoder is looked up.
        backend: which framework runs the stages.
        dtype: what the stages compute in.
    """

    backends: ClassVar[tuple[str, ...]] = ("torch", "jax")

    def __init__(
        self,
        card: Card,
        device: str = "cpu",
        zoo: Path | None = None,
        backend: str = "torch",
        dtype: str = "float32",
    ) -> None:
        self._card, self._device, self._zoo, self._backend, self._dtype = card, device, zoo, backend, dtype
        self.spec: CascadeSpec = card.cascade()
        for stage in self.spec.stages:
            if stage.network is not None:
                raise ConfigError(f'stage "{stage.name}" has a network that no adapter brings. Name one in the card.')
        self._models: dict[str, StageModel] = {}

    def text_encoder(self) -> TextEncoder:
        """The frozen text encoder.

        Raises:
            DigestError: a file is not what its card says.
            MissingFileError: it is neither in the zoo, nor a folder, nor to be fetched.
        """
        return self._encoder

    def stage_model(self, name: str) -> StageModel:
        """A stage's network with its weights.

        Raises:
            ConfigError: no weights for that stage, or they do not fit its spec.
            DigestError: the file is not what the card says.
            NonFiniteError: NaN or infinity in the weights.
        """
        if name not in self._models:
            self._models[name] = self._load(name)
        return self._models[name]

    @cached_property
    def _encoder(self) -> TextEncoder:
        return open_text_encoder(self.spec.text, torch_device(self._device), self._zoo)

    def _load(self, name: str) -> StageModel:
        weights = self.weights(name)
        stage = self.spec.stage(name)
        if self._backend == "jax":
            from ivbench.cascade.jax_model import JaxStageModel

            return JaxStageModel(stage, weights, self._device, self._dtype)
        from ivbench.cascade.torch_model import TorchStageModel

        return TorchStageModel(stage, weights, self._device, self._dtype)

    def weights(self, stage: str) -> dict[str, NDArray[np.floating[Any]]]:
        """A stage's weights by flat name, as they are in the file.

        Raises:
            ConfigError: no weights for that stage, or not floating point.
            DigestError: the file is not what the card says.
        """
        path = self._card.weights_path(stage)
        expected = self._card.config.files[self._card.config.weights[stage]].sha256
        data = path.read_bytes()
        found = hashlib.sha256(data).hexdigest()
        if found != expected:
            raise DigestError(f"{path} has sha256 {found[:12]}, its card says {expected[:12]}. Fetch it again.")
        arrays = arrays_from_bytes(data, str(path))
        odd = {str(array.dtype) for array in arrays.values() if not is_float(array.dtype)}
        if odd:
            raise ConfigError(f"{path} holds {', '.join(sorted(odd))} tensors. Weights are floating point.")
        return arrays
