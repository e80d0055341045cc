"""Checkpoints of imagen-pytorch's trainer as generators: its own `sample()`, seeded for each video.

Its guidance is not equation 5 alone: by default it drops the part of the difference that is parallel to the conditional
prediction (`cfg_remove_parallel_component`).
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping, Sequence
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ivbench import registry
from ivbench.adapters.generator import Request
from ivbench.config import digest, file_digest
from ivbench.errors import ConfigError, MissingDependencyError, MissingFileError
from ivbench.spec import GeneratorSpec, Scalar

__all__ = ["ImagenPytorchCheckpoint"]

_FRAMES, _FPS = 16, 8.0
"""A checkpoint knows neither."""
_TOKENS = 256
_T5 = "google/t5-v1_1-base"
"""Its default, as is the length."""
_NOISE_LEVEL = 0.2


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
        if find_spec("imagen_pytorch") is None:
            raise MissingDependencyError("imagen-pytorch", "imagen-pytorch")
        self._path, self._device = Path(source).expanduser(), device
        self._params = _params(self._read(), self._path)
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
        loaded = self._read()
        try:
            imagen = _package().ImagenConfig(**self._params).create()
            imagen.load_state_dict(loaded["model"])
            for place, unet in enumerate(imagen.unets):
                averaged = _of_ema(loaded.get("ema", {}), place)
                if averaged:
                    unet.load_state_dict(averaged)
        except (AssertionError, KeyError, RuntimeError, TypeError, ValueError) as error:
            raise ConfigError(f"{self._path} cannot be loaded: {' '.join(str(error).split())[:300]}.") from error
        self._imagen = imagen.to(self._device).eval()
        self._encoder = registry.load("text_encoder", "t5")(self._text_encoder, max_length=_TOKENS, device=self._device)

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
        return np.asarray(np.rint(255 * video[0].float().clamp(0, 1).permute(1, 2, 3, 0).cpu().numpy()), np.uint8)

    @property
    def _text_encoder(self) -> str:
        return str(self._params.get("text_encoder_name", _T5))

    def _read(self) -> Mapping[str, Any]:
        import torch

        if not self._path.is_file():
            raise MissingFileError(f"{self._path} is not there. Give the file that ImagenTrainer.save wrote.")
        try:
            found = torch.load(self._path, map_location="cpu", weights_only=True, mmap=True)
        except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError) as error:
            raise ConfigError(
                f"{self._path} is no checkpoint that can be read without running code. Save it again with "
                "ImagenTrainer.save."
            ) from error
        return found if isinstance(found, dict) else {}

    def _spec(self) -> GeneratorSpec:
        steps, side = self._params.get("timesteps", 1000), self._params["image_sizes"][-1]
        settings: dict[str, Scalar] = {
            "steps": steps if isinstance(steps, int) else int(steps[0]),
            "guidance": 0.0,
            "lowres_sample_noise_level": float(self._params.get("lowres_sample_noise_level", _NOISE_LEVEL)),
            "cfg_remove_parallel_component": True,
            "cfg_keep_parallel_frac": 0.0,
        }
        return GeneratorSpec(
            name=self._path.stem.strip("-._") or "imagen",
            frames=_FRAMES,
            height=side,
            width=side,
            fps=_FPS,
            settings=settings,
            sizes=("frames", "fps"),
        )


def _params(loaded: Mapping[str, Any], path: Path) -> dict[str, Any]:
    params, kind = loaded.get("imagen_params"), loaded.get("imagen_type")
    if not isinstance(params, dict):
        raise ConfigError(
            f"{path} has no configuration. Build the Imagen by ImagenConfig(...).create() and save it with its trainer."
        )
    if kind != "original" or not params.get("video") or params.get("condition_on_text") is False:
        raise ConfigError(
            f"{path} is of the type {kind!r}, video: {bool(params.get('video'))}. An Imagen of the type 'original' is "
            "needed, which makes videos from text."
        )
    return params


def _of_ema(state: Mapping[str, Any], unet: int) -> dict[str, Any]:
    """A U-Net's averaged weights; empty where there are none."""
    prefix = f"{unet}.ema_model."
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}


def _package() -> Any:
    """imagen-pytorch, which asks the hub for its default T5's configuration while it is imported."""
    try:
        import imagen_pytorch
    except OSError as error:
        raise ConfigError(
            f"imagen-pytorch cannot be imported without the configuration of {_T5}, which it asks the hub for. "
            f"Fetch it once: hf download {_T5} config.json"
        ) from error
    return imagen_pytorch
