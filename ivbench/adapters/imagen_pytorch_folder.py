"""A checkpoint of imagen-pytorch's trainer as a cascade's folder in the user's cache: card, cascade.yaml, U-Nets."""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import yaml

from ivbench.adapters.imagen_pytorch_file import (
    FPS,
    FRAMES,
    NOISE_LEVEL,
    T5,
    TOKENS,
    imagen_package,
    imagen_params,
    read_imagen,
    weights_of,
)
from ivbench.config import digest, file_digest, parse_cascade
from ivbench.diffusion.schedule import BetaLinearSchedule, CosineSchedule, Schedule
from ivbench.errors import ConfigError, StoreError
from ivbench.results.atomic import remedy
from ivbench.zoo import Card, read_card

__all__ = ["SCHEDULES", "UNET", "imagen_card"]

UNET = "imagen-pytorch"
"""The key of a weights file's metadata that holds the U-Net's options and what it was trained with, as JSON."""

_HALF_PI_OF_FLOAT32 = 1.57079637050628662109375
SCHEDULES: dict[str, tuple[str, Schedule]] = {
    "cosine": (
        "cosine",
        CosineSchedule(
            logsnr_min=2 * math.log(abs(math.cos(_HALF_PI_OF_FLOAT32))),
            logsnr_max=-2 * math.log(math.tan(0.008 / 1.008 * math.pi / 2)),
        ),
    ),
    "linear": (
        "beta_linear",
        BetaLinearSchedule(logsnr_min=-math.log(math.expm1(10.0001)), logsnr_max=-math.log(math.expm1(1e-4))),
    ),
}
"""Its schedule's name -> ours, and the schedule. Its cosine is computed in float32, whose pi / 2 makes it end at -33.9
nats and not at minus infinity."""

_PARAMETERIZATIONS = {"noise": "eps", "x_start": "x", "v": "v"}
_OSCILLATES = ("base", "tsr1", "ssr1")
"""The paper's."""
_LAYOUT = 1
"""Of the folder: part of its place in the cache."""


def imagen_card(source: str, adapter: str, size: Mapping[str, float]) -> Card:
    """The card of the cascade that a checkpoint holds. Its folder is made once, in the user's cache folder.

    Args:
        source: the file that `ImagenTrainer.save` wrote.
        adapter: the name that the card gives the adapter.
        size: `frames` and `fps` of the videos, as far as they are asked for; 16 at 8 fps otherwise.

    Raises:
        ConfigError: as `ImagenPytorchCheckpoint`; or a configuration whose U-Nets are no denoisers of this package's
            samplers: says what of it.
        MissingDependencyError: imagen-pytorch is not installed.
        MissingFileError: there's no such file.
    """
    path = Path(source).expanduser()
    loaded = read_imagen(path)
    params = imagen_params(loaded, path)
    frames, fps = int(size.get("frames", FRAMES)), float(size.get("fps", FPS))
    name = (re.sub(r"[^A-Za-z0-9._-]+", "-", path.stem).strip("-._") or "imagen") + "-denoisers"
    place = digest([_LAYOUT, adapter, file_digest(path), frames, fps])[:16]
    folder = _cache() / "ivbench" / "imagen-pytorch" / place / name
    if not folder.is_dir():
        try:
            _make(folder, _Cascade(loaded, params, frames, fps), adapter, path)
        except (AssertionError, LookupError, RuntimeError, TypeError, ValueError) as error:
            raise ConfigError(f"{path} cannot be loaded: {' '.join(str(error).split())[:300]}.") from error
        except OSError as error:
            raise StoreError(f"{folder} can't be written: {error.strerror or error}. {remedy(error)}") from error
    return read_card(folder)


class _Cascade:
    """A checkpoint as stages."""

    def __init__(self, loaded: Mapping[str, Any], params: Mapping[str, Any], frames: int, fps: float) -> None:
        self._loaded, self.params, self._frames, self._fps = loaded, params, frames, fps
        self.count = len(params["unets"])
        self.factors = self._each("temporal_downsample_factor", 1)
        self.names = self._names()
        _refuse(params, self.factors, frames)

    def _each(self, key: str, default: Any) -> list[Any]:
        """A setting by U-Net."""
        found = self.params.get(key, default)
        values = list(found) if isinstance(found, list | tuple) else [found] * self.count
        if len(values) != self.count:
            raise ConfigError(f"{key} has {len(values)} values for {self.count} U-Nets.")
        return values

    def _names(self) -> list[str]:
        """base; then tsr1, tsr2 for those that raise the number of frames alone, ssr1, ssr2 for the others."""
        names, sizes = ["base"], self.params["image_sizes"]
        for place in range(1, self.count):
            is_tsr = sizes[place] == sizes[place - 1] and self.factors[place] < self.factors[place - 1]
            kind = "tsr" if is_tsr else "ssr"
            names.append(f"{kind}{1 + sum(name.startswith(kind) for name in names)}")
        return names

    def weights(self, place: int) -> dict[str, Any]:
        """The weights of a U-Net."""
        return weights_of(self._loaded, place)

    def options(self, place: int) -> dict[str, Any]:
        """What `Unet3D` is made with: as configured, and what an Imagen sets."""
        text = self.weights(place)["text_to_cond.weight"].shape[1]
        own = {"lowres_cond": place > 0, "cond_on_text": True, "text_embed_dim": text, "channels": 3, "channels_out": 3}
        return {**self.params["unets"][place], **own}

    def spec(self, name: str) -> dict[str, Any]:
        """cascade.yaml."""
        encoder = str(self.params.get("text_encoder_name", T5))
        if Path(encoder).is_dir():
            encoder = str(Path(encoder).resolve())
        text = {"encoder": encoder, "dim": self.options(0)["text_embed_dim"], "length": TOKENS}
        return {"name": name, "text": text, "stages": [self._stage(place) for place in range(self.count)]}

    def _stage(self, place: int) -> dict[str, Any]:
        name, side = self.names[place], self.params["image_sizes"][place]
        schedule, ends = SCHEDULES[self._schedules()[place]]
        frames = self._frames // self.factors[place]
        later = {"augmentation": True, "resize": "nearest", "noise_after_resizing": True} if place else {}
        parameters, flops = _counted(self.options(place), self.weights(place), frames, side)
        return {
            "name": name,
            "kind": name.rstrip("0123456789"),
            "frames": frames,
            "height": side,
            "width": side,
            "fps": self._fps / self.factors[place],
            "parameterization": _PARAMETERIZATIONS[self._each("pred_objectives", "noise")[place]],
            "schedule": schedule,
            "logsnr_min": ends.logsnr(1.0),
            "logsnr_max": ends.logsnr(0.0),
            "oscillates": name in _OSCILLATES,
            "network": {"parameters": parameters, "flops": flops, **later},
        }

    def _schedules(self) -> list[str]:
        """Cosine for the first two U-Nets and linear for the rest, as far as none is named."""
        found = self.params.get("noise_schedules", "cosine")
        named = list(found) if isinstance(found, list | tuple) else [found]
        named += ["cosine"] * (2 - len(named))
        return [*named, *["linear"] * (self.count - len(named))]

    def sampling(self) -> dict[str, Any]:
        """The card's settings: those that its own `sample()` has."""
        percentile = 100 * self.params.get("dynamic_thresholding_percentile", 0.95)
        kinds = [f"dynamic({percentile:g})" if on else "static" for on in self._each("dynamic_thresholding", True)]
        _, lowres = SCHEDULES[self.params.get("lowres_noise_schedule", "linear")]
        level = lowres.logsnr(self.params.get("lowres_sample_noise_level", NOISE_LEVEL))
        found = {
            "sampler": "ancestral",
            "gamma": 0.0,
            "guidance": 0.0,
            "steps": dict(zip(self.names, self._each("timesteps", 1000), strict=True)),
            "thresholding": dict(zip(self.names, kinds, strict=True)),
        }
        return {**found, "augmentation_snr": {"sr": math.exp(level)}} if self.count > 1 else found


def _refuse(params: Mapping[str, Any], factors: list[int], frames: int) -> None:
    """Refuse what the sampling loop cannot give a U-Net."""
    if params.get("channels", 3) != 3:
        raise ConfigError(f"channels is {params['channels']}. Videos of 3 channels are needed.")
    if params.get("resize_mode", "nearest") != "nearest" and len(factors) > 1:
        raise ConfigError(f"resize_mode is {params['resize_mode']!r}. Allowed: nearest.")
    for place, unet in enumerate(params["unets"]):
        for key, why in (
            ("is_null", "it is a placeholder"),
            ("self_cond", "it is given its last prediction, which no sampler of ivbench's keeps"),
            ("cond_images_channels", "it needs an image beside the text"),
        ):
            if unet.get(key):
                raise ConfigError(f"unets.{place}.{key} is {unet[key]!r}: {why}. Take the door imagen-pytorch.")
    for place, factor in enumerate(factors):
        if frames % factor:
            raise ConfigError(
                f"video.frames is {frames}, U-Net {place + 1} makes one in {factor}. Give a multiple of {factor}."
            )


def _counted(options: Mapping[str, Any], weights: Mapping[str, Any], frames: int, side: int) -> tuple[int, int]:
    """Parameters, and FLOPs of one evaluation of one video, counted without computing it; every tensor must fit."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    with torch.device("meta"), torch.inference_mode(), redirect_stdout(sys.stderr):
        unet = imagen_package().Unet3D(**options).eval()
        video, level = torch.zeros(1, 3, frames, side, side), torch.zeros(1)
        lowres = {"lowres_cond_img": video, "lowres_noise_times": level} if options["lowres_cond"] else {}
        text = torch.zeros(1, TOKENS, options["text_embed_dim"])
        with FlopCounterMode(display=False) as counter:
            unet(video, level, text_embeds=text, text_mask=torch.ones(1, TOKENS, dtype=torch.bool), **lowres)
    unet.load_state_dict(weights, assign=True)
    return sum(parameter.numel() for parameter in unet.parameters()), int(counter.get_total_flops())


def _make(folder: Path, cascade: _Cascade, adapter: str, source: Path) -> None:
    """Write the folder, whole or not at all."""
    from safetensors.torch import save_file

    spec = cascade.spec(folder.name)
    parse_cascade(spec, str(source))
    partial = folder.parent.with_name(f"{folder.parent.name}.{os.getpid()}")
    made = partial / folder.name
    try:
        made.mkdir(parents=True)
        (made / "cascade.yaml").write_text(yaml.safe_dump(spec, sort_keys=False))
        for place, name in enumerate(cascade.names):
            about = {"unet": cascade.options(place), "cond_drop_prob": cascade.params.get("cond_drop_prob", 0.1)}
            tensors = {key: value.contiguous().clone() for key, value in cascade.weights(place).items()}
            save_file(tensors, made / f"{name}.safetensors", metadata={UNET: json.dumps(about, sort_keys=True)})
        (made / "card.yaml").write_text(yaml.safe_dump(_card(made, cascade, adapter, source), sort_keys=False))
        folder.parent.parent.mkdir(parents=True, exist_ok=True)
        if not folder.is_dir():
            partial.rename(folder.parent)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _card(folder: Path, cascade: _Cascade, adapter: str, source: Path) -> dict[str, Any]:
    weights = {name: f"{name}.safetensors" for name in cascade.names}
    files = ["cascade.yaml", *weights.values()]
    return {
        "name": folder.name,
        "kind": "cascade",
        "description": "the U-Nets of a video Imagen of imagen-pytorch",
        "licence": "LicenseRef-unknown",
        "adapter": adapter,
        "weights": weights,
        "files": {
            name: {"sha256": file_digest(folder / name), "bytes": (folder / name).stat().st_size} for name in files
        },
        "sampling": cascade.sampling(),
        "details": {"made_from": str(source.resolve())},
    }


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
