"""The one registry: names to lazily imported objects, by kind.

Built-in entries live in the table below; other packages add theirs by entry points of the group `ivbench.<kind>` (or
its plural, such as `ivbench.adapters`). `python:module:object` names an object without an entry. An entry is a target
`module:object`, imported only when it is asked for, so that looking up names is free.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from functools import cache
from importlib.metadata import entry_points
from typing import Any

from ivbench.errors import ConfigError, did_you_mean

__all__ = ["added", "is_foreign", "load", "made", "names", "target"]

_BUILTIN: dict[str, dict[str, str]] = {
    "schedule": {
        "beta_linear": "ivbench.diffusion.schedule:BetaLinearSchedule",
        "cosine": "ivbench.diffusion.schedule:CosineSchedule",
        "linear": "ivbench.diffusion.schedule:LinearSchedule",
        "sigmoid": "ivbench.diffusion.schedule:SigmoidSchedule",
    },
    "adapter": {
        "diffusers": "ivbench.adapters.diffusers_pipeline:DiffusersGenerator",
        "imagen-pytorch": "ivbench.adapters.imagen_pytorch_checkpoint:ImagenPytorchCheckpoint",
        "imagen-pytorch-denoisers": "ivbench.adapters.imagen_pytorch_denoisers:ImagenPytorchDenoisers",
        "native": "ivbench.adapters.native:NativeCascade",
        "videos": "ivbench.adapters.videos:VideosFolder",
    },
    "executor": {
        "inline": "ivbench.run.executors.inline:InlineExecutor",
        "ray": "ivbench.run.executors.ray_executor:RayExecutor",
    },
    "checkpoint": {
        "flax": "ivbench.adapters.formats.flax_msgpack:FlaxFormat",
        "npz": "ivbench.adapters.formats.npz:NpzFormat",
        "orbax": "ivbench.adapters.formats.orbax_folder:OrbaxFolder",
        "safetensors": "ivbench.adapters.formats.safetensors_file:SafetensorsFormat",
        "torch": "ivbench.adapters.formats.torch_file:TorchFormat",
    },
    "extractor": {
        "block-motion": "ivbench.extractors.block_motion:BlockMotion",
        "clip": "ivbench.extractors.torch_clip:ClipExtractor",
        "geometric-judge": "ivbench.extractors.geometric_judge:GeometricJudge",
        "frame-probe": "ivbench.extractors.torch_frame_probe:FrameProbe",
        "video-probe": "ivbench.extractors.torch_video_probe:VideoProbe",
    },
    "sampler": {
        "ddim": "ivbench.diffusion.samplers.ddim:DDIM",
        "ancestral": "ivbench.diffusion.samplers.ancestral:Ancestral",
        "stochastic": "ivbench.diffusion.samplers.stochastic:Stochastic",
        "heun": "ivbench.diffusion.samplers.heun:Heun",
    },
    "export": {
        "csv": "ivbench.report.exports.tidy:to_csv",
        "latex": "ivbench.report.exports.latex:to_latex",
        "markdown": "ivbench.report.exports.markdown:to_markdown",
        "lm-eval": "ivbench.report.exports.lm_eval:to_lm_eval",
        "parquet": "ivbench.report.exports.tidy:to_parquet",
        "torch-fidelity": "ivbench.report.exports.torch_fidelity:to_torch_fidelity",
        "vbench": "ivbench.report.exports.vbench:to_vbench",
    },
    "logger": {
        "mlflow": "ivbench.report.loggers.mlflow:MLFLOW",
        "tensorboard": "ivbench.report.loggers.tensorboard:TENSORBOARD",
        "wandb": "ivbench.report.loggers.wandb:WANDB",
    },
    "metric": {
        "authenticity": "ivbench.metrics.manifold_means:Authenticity",
        "background_accuracy": "ivbench.metrics.attribute_accuracy:BackgroundAccuracy",
        "background_consistency": "ivbench.metrics.consistency:BackgroundConsistency",
        "clip_score": "ivbench.metrics.clip_score:CLIPScore",
        "cmmd": "ivbench.metrics.cmmd:CMMD",
        "colour_accuracy": "ivbench.metrics.attribute_accuracy:ColourAccuracy",
        "coverage": "ivbench.metrics.manifold_shares:Coverage",
        "density": "ivbench.metrics.manifold_means:Density",
        "colour_shift": "ivbench.metrics.temporal:ColourShift",
        "dynamic_degree": "ivbench.metrics.temporal:DynamicDegree",
        "flicker": "ivbench.metrics.temporal:Flicker",
        "frame_fid": "ivbench.metrics.frame_fid:FrameFID",
        "frame_fid_infinite": "ivbench.metrics.frechet_infinite:FrameFIDInfinite",
        "frame_fid_first_frame": "ivbench.metrics.frame_fid_first_frame:FrameFIDFirstFrame",
        "frame_fid_video_average": "ivbench.metrics.frame_fid_video_average:FrameFIDVideoAverage",
        "fvd": "ivbench.metrics.fvd:FVD",
        "fvd_infinite": "ivbench.metrics.frechet_infinite:FVDInfinite",
        "kid": "ivbench.metrics.kid:KID",
        "motion_accuracy": "ivbench.metrics.attribute_accuracy:MotionAccuracy",
        "precision": "ivbench.metrics.manifold_means:Precision",
        "r_precision": "ivbench.metrics.r_precision:RPrecision",
        "recall": "ivbench.metrics.manifold_shares:Recall",
        "shape_accuracy": "ivbench.metrics.attribute_accuracy:ShapeAccuracy",
        "style_accuracy": "ivbench.metrics.attribute_accuracy:StyleAccuracy",
        "subject_consistency": "ivbench.metrics.consistency:SubjectConsistency",
        "temporal_flickering": "ivbench.metrics.temporal:TemporalFlickering",
        "warping_error": "ivbench.metrics.temporal:WarpingError",
    },
    "network": {
        "dino": "ivbench.extractors.torch_dino:DINOExtractor",
        "dinov2": "ivbench.extractors.torch_dinov2:DINOv2Extractor",
        "inception": "ivbench.extractors.torch_inception:InceptionExtractor",
        "i3d": "ivbench.extractors.torch_i3d:I3DExtractor",
        "i3d-tfhub": "ivbench.extractors.torch_i3d_tfhub:I3DTFHub",
        "i3d-torchscript": "ivbench.extractors.torch_i3d_torchscript:I3DTorchScript",
    },
    "text_encoder": {
        "t5": "ivbench.text.torch_t5:T5TextEncoder",
    },
}

_PYTHON = "python:"


def added(kind: str) -> list[str]:
    """The names that other packages register under a kind, sorted."""
    return sorted(_targets(kind).keys() - _BUILTIN.get(kind, {}).keys())


def is_foreign(kind: str, name: str) -> bool:
    """Whether a name is another package's: one that it registers, or python:module:object."""
    return name.startswith(_PYTHON) or name in added(kind)


@cache
def _targets(kind: str) -> dict[str, str]:
    found = dict(_BUILTIN.get(kind, {}))
    for group in (f"ivbench.{kind}", f"ivbench.{kind}s"):
        for point in entry_points(group=group):
            found.setdefault(point.name, point.value)
    return found


def names(kind: str) -> list[str]:
    """The names registered under a kind, sorted."""
    return sorted(_targets(kind))


def target(kind: str, name: str, others: Iterable[str] = ()) -> str:
    """The `module:object` that a name stands for; `python:module:object` stands for itself.

    Args:
        kind: of object.
        name: of it.
        others: names from elsewhere that may have been meant; looked at where there is no such name.

    Raises:
        ConfigError: no such name; says the nearest one.
    """
    if name.startswith(_PYTHON):
        return name.removeprefix(_PYTHON)
    targets = _targets(kind)
    if name not in targets:
        raise ConfigError(f'no {kind} is called "{name}".{did_you_mean(name, {*targets, *others})}')
    return targets[name]


def load(kind: str, name: str) -> Any:
    """Import and return the object that a name stands for.

    Raises:
        ConfigError: no such name; says the nearest one. Or a `python:module:object`, or another package's entry, that
            cannot be imported.
    """
    found = target(kind, name)
    module, _, attribute = found.partition(":")
    if name in _BUILTIN.get(kind, {}):
        return getattr(importlib.import_module(module), attribute)
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        said = f'{kind} "{name}" cannot be imported: {error}.'
        if name.startswith(_PYTHON):
            raise ConfigError(f"{said} Write python:module:object, with the module on PYTHONPATH.") from error
        raise ConfigError(f"{said} Its entry point is {found}: mend or remove the package that has it.") from error


def made(kind: str, name: str) -> Any:
    """The object that a name stands for; where that is a class, or another maker without a digest, what it makes.

    Raises:
        ConfigError: as `load`.
    """
    found = load(kind, name)
    return found() if isinstance(found, type) or (callable(found) and not hasattr(found, "digest")) else found
