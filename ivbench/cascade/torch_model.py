"""A stage's network in PyTorch behind the door `StageModel`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ivbench.backends.dtypes import state_dtype
from ivbench.backends.torch_backend import OUT_OF_MEMORY, available_device, from_numpy, to_numpy
from ivbench.backends.weights import require_finite, require_match
from ivbench.errors import ConfigError
from ivbench.nets.torch_video_unet import Context, TorchVideoUNet
from ivbench.spec import StageSpec, parameters
from ivbench.text import TextEmbeddings

__all__ = ["TorchEvaluator", "TorchStageModel"]


class TorchStageModel:
    """One stage's network with its weights, ready to be evaluated.

    Args:
        stage: the stage's spec.
        weights: array by flat name, of any float dtype.
        device: a torch device's name.
        dtype: what the network computes in; the state of the sampler is float32.

    Raises:
        ConfigError: names or shapes differ from the spec's, or no such device or dtype.
        NonFiniteError: NaN or infinity in the weights; names the tensor.
    """

    out_of_memory = OUT_OF_MEMORY

    def __init__(
        self,
        stage: StageSpec,
        weights: Mapping[str, NDArray[np.floating[Any]]],
        device: str = "cpu",
        dtype: str = "float32",
    ) -> None:
        require_match(stage.name, parameters(stage.unet), weights)
        require_finite(stage.name, weights)
        self.stage, self.device = stage, available_device(device)
        self._state: torch.dtype = getattr(torch, state_dtype(dtype))
        net = TorchVideoUNet(stage.unet).to(self._state)
        kind = state_dtype(dtype)  # NumPy's cast: PyTorch takes no array of bfloat16
        net.load_state_dict({name: torch.from_numpy(np.array(w, kind)) for name, w in weights.items()})
        net = net.to(self.device, getattr(torch, dtype)).to(memory_format=torch.channels_last)
        self._net: TorchVideoUNet = net.eval().requires_grad_(False)

    def evaluator(
        self, text: TextEmbeddings, conditioning: NDArray[np.float32] | None, augmentation: float | None
    ) -> TorchEvaluator:
        """Bind the stage's inputs for a batch: [B] prompts and their conditioning video [B, T, H, W, C]."""
        return TorchEvaluator(self._net, self.stage, self.device, text, conditioning, augmentation)

    def to_backend(self, array: NDArray[np.float32]) -> Tensor:
        """A NumPy array on the model's device, in the dtype of the sampler's state."""
        return from_numpy(array, self.device).to(self._state)

    def to_numpy(self, array: Tensor) -> NDArray[np.float32]:
        """Back from the model's device."""
        return to_numpy(array)


class TorchEvaluator:
    """A stage's network with its inputs: what does not depend on z_t is computed once, on first use."""

    def __init__(
        self,
        net: TorchVideoUNet,
        stage: StageSpec,
        device: torch.device,
        text: TextEmbeddings,
        conditioning: NDArray[np.float32] | None,
        augmentation: float | None,
    ) -> None:
        self._net, self._stage, self._device = net, stage, device
        self._text = tuple(from_numpy(x, device) for x in (text.tokens, text.mask, text.pooled))
        self._conditioning = None if conditioning is None else from_numpy(conditioning, device)
        self._augmentation = augmentation
        self._contexts: dict[tuple[float, int], Context] = {}

    @torch.inference_mode()
    def conditional(self, z: Tensor, logsnr: float) -> Tensor:
        """The prediction with text: one network evaluation."""
        return self._evaluate(z, logsnr, self._with_text)

    @torch.inference_mode()
    def distilled(self, z: Tensor, logsnr: float, w: float, jump: int) -> Tensor:
        """The prediction with text, told what the network takes: one network evaluation."""
        return self._evaluate(z, logsnr, self._told(w, jump))

    @torch.inference_mode()
    def pair(self, z: Tensor, logsnr: float) -> tuple[Tensor, Tensor]:
        """The predictions with and without text, as one batch of 2 B.

        Raises:
            ConfigError: the network is distilled: guidance is in it already.
        """
        if self._stage.distilled is not None:
            raise ConfigError(
                f'stage "{self._stage.name}" is distilled; classifier-free guidance on top of it is not allowed. '
                "Give it the weight as its input, or none."
            )
        both = self._evaluate(torch.cat([z, z]), logsnr, self._with_both)
        return both[: len(z)], both[len(z) :]

    def _evaluate(self, z: Tensor, logsnr: float, context: Context) -> Tensor:
        prediction: Tensor = self._net(z, torch.full((len(z),), logsnr, dtype=z.dtype, device=self._device), context)
        return prediction

    @cached_property
    def _with_text(self) -> Context:
        return self._prepare(*self._text, copies=1)

    def _told(self, w: float, jump: int) -> Context:
        """The context of a weight and a jump; a run has one, or two where guidance oscillates."""
        unet = self._stage.unet
        key = (w if unet.guidance_embedding else 0.0, jump if unet.jump_embedding else 0)
        if key not in self._contexts:
            self._contexts[key] = self._prepare(*self._text, copies=1, told=key)
        return self._contexts[key]

    @cached_property
    def _with_both(self) -> Context:
        tokens, mask, pooled = self._text
        return self._prepare(
            torch.cat([tokens, torch.zeros_like(tokens)]),
            torch.cat([mask, torch.ones_like(mask)]),
            torch.cat([pooled, torch.zeros_like(pooled)]),
            copies=2,
        )

    @torch.inference_mode()
    def _prepare(
        self, tokens: Tensor, mask: Tensor, pooled: Tensor, copies: int, told: tuple[float, int] = (0.0, 0)
    ) -> Context:
        stage, video = self._stage, self._conditioning

        def each(value: float | None) -> Tensor | None:
            if value is None:
                return None
            return torch.full((len(tokens),), float(value), dtype=torch.float64, device=self._device)

        return self._net.prepare(
            tokens,
            mask,
            pooled,
            frames=stage.frames,
            size=(stage.height, stage.width),
            conditioning=None if video is None else torch.cat([video] * copies),
            augmentation=each(self._augmentation),
            guidance=each(told[0]) if stage.unet.guidance_embedding else None,
            jump=each(told[1]) if stage.unet.jump_embedding else None,
        )
