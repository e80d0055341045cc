"""A trained or distilled stage as a cascade of its own, with the stages before it, ready to be run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from ivbench.config import CardConfig, file_digest
from ivbench.results.atomic import write_bytes
from ivbench.spec import CascadeSpec, StageSpec
from ivbench.zoo import Card

__all__ = ["weights_before", "write_cascade_folder"]


def weights_before(origin: Card, stage: str) -> dict[str, Path]:
    """The weights files of the stages before one, by stage.

    Raises:
        ConfigError: the card has no weights for one.
        MissingFileError: a file is not there.
    """
    names = [one.name for one in origin.cascade().stages]
    return {name: origin.weights_path(name) for name in names[: names.index(stage)]}


def write_cascade_folder(
    origin: Card,
    stage: StageSpec,
    weights: bytes,
    about: dict[str, Any],
    folder: Path,
    training_step: int | None = None,
) -> Path:
    """Write a cascade's folder: cascade.yaml, the weights, and last the card, so that a card means a whole folder.

    Args:
        origin: the card of the cascade that has the stage; its stages before `stage` are copied.
        stage: its spec, which may differ from the one in `origin`.
        weights: its safetensors file.
        about: the card's details: recipe, updates, teacher.
        folder: its name is the cascade's.
        training_step: of a snapshot: after how many updates.

    Returns:
        The folder.

    Raises:
        DigestError: a file of `origin` is not what its card says.
        StoreError: the place cannot be written.
    """
    spec = origin.cascade()
    before = weights_before(origin, stage.name)
    earlier = [*before]
    files = {f"{name}.safetensors": path.read_bytes() for name, path in before.items()}
    files[f"{stage.name}.safetensors"] = weights
    files["cascade.yaml"] = _written(_cascade(spec, earlier, stage, folder.name))
    for name, data in files.items():
        write_bytes(folder / name, data)
    card = {
        "name": folder.name,
        "kind": "cascade",
        "description": f"{origin.name} up to {stage.name}, which is {_words(stage)}",
        "licence": origin.config.licence,
        "text_encoder": spec.text.encoder,
        "sampling": _sampling(origin.config, earlier, stage),
        "weights": {name: f"{name}.safetensors" for name in (*earlier, stage.name)},
        "files": {name: {"sha256": file_digest(folder / name), "bytes": len(data)} for name, data in files.items()},
        **({} if training_step is None else {"training_step": training_step}),
        "details": about,
    }
    write_bytes(folder / "card.yaml", _written(card))
    return folder


def _cascade(spec: CascadeSpec, earlier: list[str], stage: StageSpec, name: str) -> dict[str, Any]:
    stages = [*(spec.stage(one) for one in earlier), stage]
    return {
        "name": name,
        "text": spec.text.model_dump(mode="json"),
        "stages": [one.model_dump(mode="json", exclude_defaults=True) for one in stages],
    }


def _sampling(card: CardConfig, earlier: list[str], stage: StageSpec) -> dict[str, Any]:
    """The settings of `origin`, but for what the stage was distilled to; keys of stages that are left out go too."""
    data = card.sampling.model_dump(mode="json", exclude_none=True, exclude_unset=True)
    kept = {*earlier, stage.name, "base", "tsr", "ssr", "sr", "default"}
    sampling = {axis: {key: value for key, value in values.items() if key in kept} for axis, values in data.items()}
    if stage.distilled is not None and stage.distilled.steps is not None:
        sampling.setdefault("steps", {})[stage.name] = stage.distilled.steps
        sampling.setdefault("sampler", {})[stage.name] = stage.distilled.samplers[0]
    return sampling


def _words(stage: StageSpec) -> str:
    distilled = stage.distilled
    if distilled is None:
        return "trained anew"
    parts = [] if distilled.guidance is None else ["conditioned on w"]
    if distilled.steps is not None:
        parts.append(f"distilled to {distilled.steps} steps of {' and '.join(distilled.samplers)}")
    return ", ".join(parts)


def _written(data: dict[str, Any]) -> bytes:
    return yaml.safe_dump(data, sort_keys=False, width=120, allow_unicode=True).encode()
