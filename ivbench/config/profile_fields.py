"""The choices of a profile one by one, in the order in which they act on a number; and profiles between two others."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel

from ivbench.config.canonical import digest
from ivbench.config.parse import parse
from ivbench.config.profile import ClipChoice, ClipScoreChoice, ImageText, Network, Profile, Subsets

__all__ = ["CHOICES", "differing_choices", "profile_between", "profile_choice"]

CHOICES = (
    "order",
    *("clip.frames", "clip.every", "clip.shortest", "clip.videos", "clip.reference_start"),
    *("frames.resize", "frames.scale", "clips.resize", "clips.scale", "image_text.resize"),
    *("image_text.clamp", "image_text.prefix", "image_text.long_text", "image_text.text"),
    *("frames.name", "frames.tap", "clips.name", "clips.tap", "image_text.model", "image_text.pretrained"),
    *("ddof", "ridge", "kid.number", "kid.size", "kid.seed", "clip_score.weight", "clip_score.clamp"),
    *("candidates", "replacement", "mean"),
)
"""What is scored of a video, pre-processing, features, statistics; "part.field" of the parts of a profile."""
_PARTS: dict[str, type[BaseModel]] = {
    "clip": ClipChoice,
    "frames": Network,
    "clips": Network,
    "image_text": ImageText,
    "kid": Subsets,
    "clip_score": ClipScoreChoice,
}


def differing_choices(a: Profile, b: Profile) -> dict[str, tuple[Any, Any]]:
    """What differs between two profiles, in the order of `CHOICES`: name -> (of a, of b)."""
    pairs = {name: (profile_choice(a, name), profile_choice(b, name)) for name in CHOICES}
    return {name: (old, new) for name, (old, new) in pairs.items() if old != new}


def profile_between(a: Profile, b: Profile, names: Iterable[str]) -> Profile:
    """Profile `a` with the named choices as `b` has them. No file holds it: its name is a digest of its choices.

    Raises:
        ConfigError: there is no such profile: one of the choices needs others.
    """
    taken = set(names)
    data: dict[str, Any] = {}
    for name in CHOICES:
        part, _, field = name.rpartition(".")
        value = profile_choice(b if name in taken else a, name)
        if part:
            data.setdefault(part, {})[field] = value
        else:
            data[field] = value
    for part, kind in _PARTS.items():
        if data[part] == {field: _default(kind, field) for field in kind.model_fields}:
            del data[part]
    made = parse(Profile, {"name": "between", "version": 1, **data}, f'between profiles "{a.name}" and "{b.name}"')
    return made.model_copy(update={"name": f"between-{digest(made.payload())[:12]}"})


def profile_choice(one: Profile, name: str) -> Any:
    """A choice of a profile by its name in `CHOICES`; of a part that it does not have, its default or None."""
    part, _, field = name.rpartition(".")
    if not part:
        return getattr(one, field)
    found = getattr(one, part)
    return _default(_PARTS[part], field) if found is None else getattr(found, field)


def _default(kind: type[BaseModel], field: str) -> Any:
    info = kind.model_fields[field]
    return None if info.is_required() else info.get_default()
