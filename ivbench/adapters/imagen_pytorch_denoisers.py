"""The U-Nets of a checkpoint of imagen-pytorch's trainer as denoisers: samplers, guidance and thresholding are ours."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np

from ivbench.adapters.denoiser import Denoise, DenoiserCascade, Floats
from ivbench.adapters.imagen_pytorch_file import imagen_package
from ivbench.adapters.imagen_pytorch_folder import UNET, imagen_card
from ivbench.errors import ConfigError
from ivbench.text import TextEmbeddings
from ivbench.zoo import Card

__all__ = ["ImagenPytorchDenoisers"]


class ImagenPytorchDenoisers(DenoiserCascade):
    """A video Imagen's U-Nets, each with its own schedule and objective; see `DenoiserCascade`."""

    @classmethod
    def card_of(cls, source: str, size: Mapping[str, float]) -> Card:
        """See `ivbench.adapters.imagen_pytorch_folder.imagen_card`."""
        return imagen_card(source, "imagen-pytorch-denoisers", size)

    def denoiser(self, stage: str) -> Denoise:
        """A U-Net as a denoiser.

        Raises:
            ConfigError: no such device, or weights that do not fit.
            MissingDependencyError: imagen-pytorch is not installed.
        """
        import torch

        from ivbench.backends.torch_backend import available_device, from_numpy, to_numpy

        device = available_device(self.device)
        unet, drop = _unet(self.card.weights_path(stage))
        unet.to(device)

        def channels_first(video: Floats) -> Any:
            return from_numpy(video.transpose(0, 4, 1, 2, 3), device)

        @torch.inference_mode()
        def denoise(
            z: Floats,
            logsnr: float,
            text: TextEmbeddings | None,
            conditioning: Floats | None,
            augmentation: float | None,
        ) -> Any:
            if text is None and not drop:
                raise ConfigError(f'stage "{stage}" was trained without text dropout (cond_drop_prob 0): no guidance.')
            given: dict[str, Any] = {}
            if text is None:  # which text is then dropped does not matter
                given["text_embeds"] = torch.zeros(len(z), 1, self.spec.text.dim, device=device)
                given["cond_drop_prob"] = 1.0
            else:
                given["text_embeds"] = from_numpy(text.tokens, device)
                given["text_mask"] = from_numpy(text.mask, device)
            if conditioning is not None:
                given["lowres_cond_img"] = channels_first(conditioning)
                given["lowres_noise_times"] = torch.full((len(z),), augmentation, device=device)
            predicted = unet(channels_first(z), torch.full((len(z),), logsnr, device=device), **given)
            return np.ascontiguousarray(to_numpy(predicted).transpose(0, 2, 3, 4, 1))

        return denoise


def _unet(path: Path) -> tuple[Any, float]:
    """A stage's U-Net with its weights, and how often its text was dropped in training."""
    from safetensors import safe_open
    from safetensors.torch import load_file

    with safe_open(path, "pt") as opened:
        about = json.loads(opened.metadata()[UNET])
    try:
        with redirect_stdout(sys.stderr):
            unet = imagen_package().Unet3D(**about["unet"])
        unet.load_state_dict(load_file(path))
    except (AssertionError, RuntimeError, TypeError, ValueError) as error:
        raise ConfigError(f"{path} cannot be loaded: {' '.join(str(error).split())[:300]}.") from error
    return unet.eval(), float(about["cond_drop_prob"])
