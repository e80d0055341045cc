"""Checkpoints of imagen-pytorch's trainer as generators: its own `sample()`, seeded for each video.

Its guidance is not equation 5 alone: by default it drops the part of the difference that is parallel to the conditional
prediction (`cfg_remove_parallel_component`).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ivbench import registry
from ivbench.adapters.generator import Request
from ivbench.adapters.imagen_pytorch_file import (
    FPS,
    FRAMES,
    NOISE_LEVEL,
    T5,
    TOKENS,
    averaged,
    imagen_package,
    imagen_params,
    read_imagen,
)
from ivbench.config import digest, file_digest
from ivbench.errors import ConfigError
from ivbench.spec import GeneratorSpec, Scalar

__all__ = ["ImagenPytorchCheckpoint"]


class ImagenPytorchCheckpoint:
    """A video Imagen that `ImagenTrainer.save` wrote with its configuration; EMA weights where there are such.

    Args:
        source: the file.
        device: a torch device's name.

    Raises:
        ConfigError: a file without a configuration, of another kind, or of images; or one that would run code.
        MissingFileError: there's no such file.
        MissingDependencyError: imagen-pytorch is not installed.
    """

    version = "1"

    def __init__(self, source: str, device: str = "cpu") -> None:
        self._path, self._device = Path(source).expanduser(), device
        self._params = imagen_params(read_imagen(self._path), self._path)
        self.description = "a video Imagen of imagen-pytorch, sampled by its own sample()"
        self.spec = self._spec()

    @cached_property
    def weights(self) -> str:
        """The sha256 over the file and the text encoder's name."""
        return digest([file_digest(self._path), self._text_encoder])

    def load(self) -> None:
        """Build the Imagen and load its weights, every one of them.

        Raises:
            ConfigError: no such device, or weights that do not fit.
        """
        from ivbench.backends.torch_backend import available_device

        available_device(self._device)
        loaded = read_imagen(self._path)
        try:
            imagen = imagen_package().ImagenConfig(**self._params).create()
            imagen.load_state_dict(loaded["model"])
            for place, unet in enumerate(imagen.unets):
                weights = averaged(loaded, place)
                if weights:
                    unet.load_state_dict(weights)
        except (AssertionError, KeyError, RuntimeError, TypeError, ValueError) as error:
            raise ConfigError(f"{self._path} cannot be loaded: {' '.join(str(error).split())[:300]}.") from error
        self._imagen = imagen.to(self._device).eval()
        self._encoder = registry.load("text_encoder", "t5")(self._text_encoder, max_length=TOKENS, device=self._device)

    def generate(self, request: Request) -> Sequence[Any]:
        """One video after the other: its sampler draws from torch's global generator, which is seeded for each."""
        pairs = zip(request.prompts, request.seeds, strict=True)
        return [self._sample(prompt, seed, request) for prompt, seed in pairs]

    def _sample(self, prompt: str, seed: int, request: Request) -> NDArray[np.uint8]:
        import torch

        text = self._encoder.encode([prompt])
        told = {name: value for name, value in request.settings.items() if name not in ("steps", "guidance")}
        for scheduler in self._imagen.noise_schedulers:
            scheduler.num_timesteps = request.settings["steps"]
        devices = [self._device] if self._device.startswith("cuda") else []
        with torch.random.fork_rng(devices), torch.inference_mode():
            torch.manual_seed(seed)
            video = self._imagen.sample(
                text_embeds=torch.from_numpy(text.tokens * text.mask[..., None]).to(self._device),
                text_masks=torch.from_numpy(text.mask).to(self._device),
                video_frames=request.frames,
                cond_scale=request.scale,
                use_tqdm=False,
                **told,
            )
        if self._params.get("auto_normalize_img") is False:  # then it makes values in [-1, 1], not in [0, 1]
            video = (video + 1) / 2
        return np.asarray(np.rint(255 * video[0].float().clamp(0, 1).permute(1, 2, 3, 0).cpu().numpy()), np.uint8)

    @property
    def _text_encoder(self) -> str:
        return str(self._params.get("text_encoder_name", T5))

    def _spec(self) -> GeneratorSpec:
        steps, side = self._params.get("timesteps", 1000), self._params["image_sizes"][-1]
        settings: dict[str, Scalar] = {
            "steps": steps if isinstance(steps, int) else int(steps[0]),
            "guidance": 0.0,
            "lowres_sample_noise_level": float(self._params.get("lowres_sample_noise_level", NOISE_LEVEL)),
            "cfg_remove_parallel_component": True,
            "cfg_keep_parallel_frac": 0.0,
        }
        return GeneratorSpec(
            name=self._path.stem.strip("-._") or "imagen",
            frames=FRAMES,
            height=side,
            width=side,
            fps=FPS,
            settings=settings,
            sizes=("frames", "fps"),
        )
