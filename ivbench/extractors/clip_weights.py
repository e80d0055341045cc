"""CLIP models by open_clip's names, or as folders in its form; the QuickGELU trap is guarded."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ivbench.config import ImageText, digest, file_digest
from ivbench.errors import ConfigError, MissingDependencyError, MissingFileError
from ivbench.extractors.base import ImageTextExtractor
from ivbench.extractors.downloads import offline
from ivbench.extractors.weights import cache_folder, weights_folder

__all__ = ["find_clip", "load_clip"]

_CONFIG = "open_clip_config.json"
_WEIGHTS = "open_clip_model.safetensors"


def load_clip(
    choice: ImageText,
    given: Path | None,
    device: str = "cpu",
    fetch: Callable[[str], None] | None = None,
) -> ImageTextExtractor:
    """The CLIP model of a profile.

    Args:
        choice: model, tag and resize of the profile.
        given: in the place of the tag's weights: an open_clip folder (open_clip_config.json,
            open_clip_model.safetensors), or a file of weights of the profile's model (safetensors, a PyTorch state
            dict, OpenAI's .pt). None: OpenAI's file in the weights folder or OpenAI's cache, or the tag's folder in the
            hub's cache.
        device: where it runs.
        fetch: told what is about to be downloaded into the hub's cache; None: nothing is.

    Raises:
        ConfigError: open_clip has no such model or tag, or they disagree on QuickGELU, or the folder's configuration
            does with the profile.
        MissingFileError: the folder lacks a file, or the tag's weights are not on this machine.
        MissingDependencyError: open_clip is not installed.
    """
    tag = _tag(choice)
    published = _openai_file(tag)
    found = given or _kept(published) or _hub_folder(choice, tag, fetch)
    parts = [found]
    if not found.is_file():
        parts = [found / name for name in (_CONFIG, _WEIGHTS)]
        _require_folder(choice, parts)
    from ivbench.extractors.torch_clip import ClipExtractor

    digests = [file_digest(part) for part in parts]
    name = f"{choice.model} {choice.pretrained}" if given is None else f"CLIP of {found.resolve().name}"
    if published is None or digests[-1] != published[1]:
        name = f"{name}, unverified weights"
    return ClipExtractor(
        found,
        name=name,
        digest=digest(digests),
        device=device,
        steps=choice.resize,
        model=choice.model if found.is_file() else "",
        long_text=choice.long_text,
        text=choice.text,
        clamp=choice.clamp,
    )


def find_clip(choice: ImageText) -> str:
    """Where a profile's CLIP model lies on this machine, and the digest of its weights, in words.

    Raises:
        IvbenchError: as `load_clip`.
    """
    tag = _tag(choice)
    found = _kept(_openai_file(tag)) or _hub_folder(choice, tag, None)
    return f"{found}, sha256 {file_digest(found if found.is_file() else found / _WEIGHTS)[:12]}"


def _tag(choice: ImageText) -> dict[str, Any]:
    """What open_clip knows of the profile's weights.

    Raises:
        ConfigError: no such model or tag, or weights that were trained with the other activation.
        MissingDependencyError: open_clip is not installed.
    """
    try:
        import open_clip
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
    return dict(tag)


def _openai_file(tag: dict[str, Any]) -> tuple[str, str] | None:
    """Name and sha256 of OpenAI's file of the tag: its address holds both; None where the tag has no such address."""
    found = re.search(r"/([0-9a-f]{64})/([^/]+\.pt)$", str(tag.get("url", "")))
    return (found[2], found[1]) if found else None


def _kept(published: tuple[str, str] | None) -> Path | None:
    """OpenAI's file on this machine, if it is what was published."""
    if published is None:
        return None
    places = (folder / published[0] for folder in (weights_folder(), cache_folder() / "clip"))
    return next((path for path in places if path.is_file() and file_digest(path) == published[1]), None)


def _hub_folder(choice: ImageText, tag: dict[str, Any], fetch: Callable[[str], None] | None) -> Path:
    """Where the hub's cache keeps the tag's folder, which is downloaded first where that is allowed."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    hub = str(tag.get("hf_hub", "")).rstrip("/")
    if not hub:
        raise ConfigError(f'"{choice.pretrained}" is not on the hub. Give a folder: --weights clip=FOLDER.')
    try:
        return Path(snapshot_download(hub, local_files_only=True, allow_patterns=[_CONFIG, _WEIGHTS]))
    except (LocalEntryNotFoundError, OSError):
        pass
    reason = " (offline)" if fetch is not None and offline() else ""
    if fetch is not None and not reason:
        fetch(f"downloading {hub} from the hub")
        try:
            return Path(snapshot_download(hub, allow_patterns=[_CONFIG, _WEIGHTS]))
        except (LocalEntryNotFoundError, HfHubHTTPError, OSError) as error:
            reason = f" ({type(error).__name__}: is there a network?)"
    raise MissingFileError(
        f"the weights of {choice.model} {choice.pretrained} are not on this machine{reason}. {_where(tag, hub)}, or "
        "name an open_clip folder or a file of weights with --weights clip=PATH."
    )


def _where(tag: dict[str, Any], hub: str) -> str:
    """Where the weights are to be had, with which digest, and where to put them."""
    published = _openai_file(tag)
    if published is None:
        return f"Get https://huggingface.co/{hub} (no digest is known) into the hub's cache: hf download {hub}"
    name, sha256 = published
    return f"Get {tag['url']} (sha256 {sha256}) and put it at {weights_folder() / name}"


def _require_folder(choice: ImageText, files: list[Path]) -> None:
    """Refuse a folder that lacks a file, or that is the profile's model but for its activation.

    Raises:
        ConfigError: the configuration is the profile's model with the other activation.
        MissingFileError: a file is not there.
    """
    for needed in files:
        if not needed.is_file():
            raise MissingFileError(f"{needed} is not there. An open_clip folder has {_CONFIG} and {_WEIGHTS}.")
    import open_clip

    try:
        own = dict(json.loads(files[0].read_text(encoding="utf-8"))["model_cfg"])
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{files[0]} is no open_clip configuration: {error}.") from None
    named = dict(open_clip.get_model_config(choice.model))
    gelus = [bool(config.pop("quick_gelu", False)) for config in (own, named)]
    if own == named and gelus[0] != gelus[1]:
        raise ConfigError(
            f"{files[0]} is {choice.model} with{'' if gelus[0] else 'out'} QuickGELU; the profile names it "
            f'with{"" if gelus[1] else "out"}. Its features would be wrong in silence: set "quick_gelu" as the weights '
            "were trained."
        )
