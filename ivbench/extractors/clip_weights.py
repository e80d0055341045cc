"""CLIP models by open_clip's names, or as folders in its form; the QuickGELU trap is guarded."""

from __future__ import annotations

from pathlib import Path

from ivbench.config import ImageText, digest, file_digest
from ivbench.errors import ConfigError, MissingDependencyError, MissingFileError
from ivbench.extractors.base import ImageTextExtractor

__all__ = ["load_clip"]

_CONFIG = "open_clip_config.json"
_WEIGHTS = "open_clip_model.safetensors"


def load_clip(choice: ImageText, folder: Path | None, device: str = "cpu") -> ImageTextExtractor:
    """The CLIP model of a profile.

    Args:
        choice: model, tag and resize of the profile.
        folder: an open_clip folder (open_clip_config.json, open_clip_model.safetensors) in the place of the tag's
            weights; None: what open_clip's download left in the hub's cache.
        device: where it runs.

    Raises:
        ConfigError: open_clip has no such model or tag, or they disagree on QuickGELU.
        MissingFileError: the folder lacks a file, or the tag's weights are not on this machine.
        MissingDependencyError: open_clip is not installed.
    """
    found = folder if folder is not None else _hub_folder(choice)
    for needed in (_CONFIG, _WEIGHTS):
        if not (found / needed).is_file():
            raise MissingFileError(f"{found / needed} is not there. An open_clip folder has {_CONFIG} and {_WEIGHTS}.")
    identity = digest([file_digest(found / _CONFIG), file_digest(found / _WEIGHTS)])
    from ivbench.extractors.torch_clip import ClipExtractor

    name = f"{choice.model} {choice.pretrained}" if folder is None else f"CLIP of {found.resolve().name}"
    return ClipExtractor(found, name=f"{name}, unverified weights", digest=identity, device=device, steps=choice.resize)


def _hub_folder(choice: ImageText) -> Path:
    """Where the hub's cache keeps the tag's folder."""
    try:
        import open_clip
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import LocalEntryNotFoundError
    except ModuleNotFoundError as error:
        raise MissingDependencyError(str(error.name), "clip") from None
    settings = open_clip.get_model_config(choice.model)
    tag = open_clip.get_pretrained_cfg(choice.model, choice.pretrained)
    if settings is None or not tag:
        raise ConfigError(f'open_clip has no "{choice.model}" with the weights "{choice.pretrained}".')
    if bool(tag.get("quick_gelu", False)) != bool(settings.get("quick_gelu", False)):
        raise ConfigError(
            f'the weights "{choice.pretrained}" were trained with{"" if tag.get("quick_gelu") else "out"} QuickGELU, '
            f'"{choice.model}" computes the other way: its features would be wrong in silence. Name the other variant.'
        )
    hub = str(tag.get("hf_hub", "")).rstrip("/")
    if not hub:
        raise ConfigError(f'"{choice.pretrained}" is not on the hub. Give a folder: --weights clip=FOLDER.')
    try:
        return Path(snapshot_download(hub, local_files_only=True))
    except (LocalEntryNotFoundError, OSError):
        raise MissingFileError(
            f"the weights of {choice.model} {choice.pretrained} are not on this machine. Run: huggingface-cli download "
            f"{hub}, or name an open_clip folder with --weights clip=FOLDER."
        ) from None
