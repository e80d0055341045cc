"""Pipelines of diffusers as generators: a folder that `save_pretrained` wrote, or a hub id, whose output is frames.

What can be swept is what the call takes: steps, guidance, negative prompt, and under its own name every other
setting that has a plain default.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Sequence
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ivbench.adapters.diffusers_folder import FRAMES, PipelineFolder, in_a_line
from ivbench.adapters.generator import Request
from ivbench.backends.dtypes import DTYPES
from ivbench.errors import ConfigError, MissingDependencyError
from ivbench.spec import GeneratorSpec, Scalar

__all__ = ["DiffusersGenerator"]

_OLDEST = (0, 42)
_FPS = 8.0
"""Where neither the call nor the suite says: pipelines do not know the rate of their videos."""
_STEPS, _NEGATIVE = "num_inference_steps", "negative_prompt"
_SCALE = "guidance_scale"
_TRUE_SCALE = "true_cfg_scale"
"""Guidance's scale in calls where `guidance_scale` is an input of the network."""
_OURS = frozenset(
    {
        *FRAMES,
        "callback_steps",
        "frame_rate",
        "height",
        "num_images_per_prompt",
        "num_videos_per_prompt",
        "output_type",
        "return_dict",
        "width",
    }
)
"""What a call takes and a suite does not set as an option."""


class DiffusersGenerator:
    """A pipeline. Its configuration is read at once, its weights on `load`.

    Args:
        source: a folder with a model_index.json, or a hub id.
        device: a torch device's name.
        dtype: float32 or bfloat16.

    Raises:
        ConfigError, MissingFileError: as `PipelineFolder`.
        MissingDependencyError: diffusers is not installed, or is too old.
    """

    dtypes: ClassVar[tuple[str, ...]] = DTYPES
    version = "1"

    def __init__(self, source: str, device: str = "cpu", dtype: str = "float32") -> None:
        _require_diffusers()
        self._device, self._dtype = device, dtype
        self._folder = PipelineFolder(source)
        self.description = f"{self._folder.kind.__name__} of diffusers"
        self.spec = self._spec()

    @cached_property
    def weights(self) -> str:
        """The sha256 over what the pipeline is loaded from."""
        return self._folder.digest

    def load(self) -> None:
        """Load the pipeline: safetensors alone, no code of the folder's.

        Raises:
            ConfigError: no such device; or a component is missing or does not fit: says what diffusers says.
            MissingDependencyError: it needs accelerate, which is not installed.
        """
        import torch

        from ivbench.backends.torch_backend import available_device

        available_device(self._device)
        kind, path = self._folder.kind, self._folder.path
        try:
            pipeline = kind.from_pretrained(
                path, dtype=getattr(torch, self._dtype), use_safetensors=True, local_files_only=True
            )
        except (OSError, ValueError) as error:
            if "low_cpu_mem_usage" in str(error) and importlib.util.find_spec("accelerate") is None:
                raise MissingDependencyError("accelerate", "diffusers") from error
            raise ConfigError(f"{path} cannot be loaded: {in_a_line(error)}.") from error
        pipeline.set_progress_bar_config(disable=True)
        self._pipeline = pipeline.to(self._device)

    def generate(self, request: Request) -> Sequence[Any]:
        """Videos of the prompts, each from a CPU generator of its own with its seed: the same noise on every device.

        Raises:
            ConfigError: the pipeline refuses a setting or a size: says what it says.
        """
        import torch

        generators = [torch.Generator("cpu").manual_seed(seed) for seed in request.seeds]
        try:
            made = self._pipeline(
                prompt=list(request.prompts), generator=generators, output_type="np", **self._arguments(request)
            )
        except ValueError as error:
            raise ConfigError(f"{self._folder.kind.__name__}: {in_a_line(error)}.") from error
        return [_bytes(video) for video in made.frames]

    def _arguments(self, request: Request) -> dict[str, Any]:
        """Our words in the call's."""
        told: dict[str, Any] = {"height": request.height, "width": request.width, "frame_rate": request.fps}
        told |= dict.fromkeys(FRAMES, request.frames)
        told |= {_STEPS: request.settings.get("steps")} if request.settings.get("steps") else {}
        told |= {_SCALE: 1.0} if self._folder.is_distilled else {}
        told |= {self._scale: request.scale} if request.scale is not None else {}
        told |= request.settings
        if told.get(_NEGATIVE) is None:
            told.pop(_NEGATIVE, None)
        else:
            told[_NEGATIVE] = [told[_NEGATIVE]] * len(request.prompts)
        return {key: value for key, value in told.items() if key in self._folder.call}

    @property
    def _scale(self) -> str:
        """What the call names the scale of classifier-free guidance."""
        return _TRUE_SCALE if _TRUE_SCALE in self._folder.call else _SCALE

    def _spec(self) -> GeneratorSpec:
        frames, height, width = self._folder.size
        refuses = self._refuses()
        return GeneratorSpec(
            name=re.sub(r"[^A-Za-z0-9._-]+", "-", self._folder.path.name).strip("-._") or "pipeline",
            frames=frames,
            height=height,
            width=width,
            fps=float(self._folder.call.get("frame_rate") or _FPS),
            settings={name: value for name, value in self._settings().items() if name not in refuses},
            refuses=refuses,
            sizes=("frames", "height", "width", "fps"),
        )

    def _settings(self) -> dict[str, Scalar]:
        call = self._folder.call
        found: dict[str, Scalar] = {"steps": call[_STEPS]} if _STEPS in call else {}
        if self._scale in call:
            found["guidance"] = None if call[self._scale] is None else float(call[self._scale]) - 1
        if _NEGATIVE in call:
            found[_NEGATIVE] = call[_NEGATIVE]
        named = {_STEPS, _NEGATIVE, _TRUE_SCALE, *(() if self._folder.is_told_its_scale else (_SCALE,))}
        plain = {name: value for name, value in call.items() if isinstance(value, bool | int | float | str)}
        return found | {name: value for name, value in plain.items() if name not in named | _OURS}

    def _refuses(self) -> dict[str, str]:
        """Guidance on top of guidance."""
        if not self._folder.is_distilled:
            return {}
        why = "it is guidance-distilled, so that guidance on top would count twice"
        if self._folder.is_told_its_scale and _SCALE in self._folder.call:
            why += "; the scale that its network is told is options.guidance_scale"
        return dict.fromkeys(("guidance", _NEGATIVE, _TRUE_SCALE), f"{why}.")


def _require_diffusers() -> None:
    """An older one takes another word for the dtype, and passes over ours in silence."""
    try:
        found = version("diffusers")
    except PackageNotFoundError:
        raise MissingDependencyError("diffusers", "diffusers") from None
    if tuple(int(part) for part in re.findall(r"\d+", found)[:2]) < _OLDEST:
        raise MissingDependencyError(f"diffusers {'.'.join(map(str, _OLDEST))} (here: {found})", "diffusers")


def _bytes(video: Any) -> NDArray[np.uint8]:
    """[T, H, W, 3] uint8 of frames in [0, 1], or of PIL images."""
    frames = np.stack([np.asarray(frame) for frame in video])
    if frames.dtype == np.uint8:
        return frames
    return np.asarray(np.rint(255 * np.clip(frames, 0, 1)), np.uint8)
