"""The card of a trained probe: how it was made, how good it is, and the digest of each of its files."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from ivbench import registry
from ivbench.train.probe_checks import attribute_checks, image_text_checks
from ivbench.train.probes import ProbeRecipe

__all__ = ["write_card"]

_WHAT = {
    "frame-probe": "Frames of the shapes domain to 32 features, with heads for shape, colour, background, size, style.",
    "video-probe": "Clips of the shapes domain to 32 features, with heads for six attributes, motion among them.",
    "clip-probe": "A small CLIP of the shapes domain: frames and captions to unit vectors of 32 numbers.",
}
_EXTRACTOR = {"frame-probe": "frame-probe", "video-probe": "video-probe", "clip-probe": "clip"}


def write_card(
    recipe: ProbeRecipe, recipe_file: str, out: Path, facts: dict[str, Any], progress: Callable[[str], None]
) -> Path:
    """Measure a probe as it is on disk and write its card.yaml.

    Args:
        recipe: what it was trained by.
        recipe_file: the recipe's file name.
        out: the probe's folder.
        facts: of its training: steps, seconds, and so on.
        progress: takes one line at a time.

    Returns:
        `out`.
    """
    probe = registry.load("extractor", _EXTRACTOR[recipe.kind])(out, name=recipe.name)
    if recipe.kind == "clip-probe":
        checks = image_text_checks(probe)
    else:
        checks = attribute_checks(probe, clips=recipe.kind == "video-probe")
    progress(yaml.safe_dump(checks, sort_keys=False))
    card = {
        "name": recipe.name,
        "kind": "probe",
        "description": _WHAT[recipe.kind],
        "licence": recipe.licence,
        "files": {file.name: _entry(file) for file in sorted(out.iterdir()) if file.name != "card.yaml"},
        "details": _details(recipe, recipe_file, facts, probe.preprocess, checks),
    }
    (out / "card.yaml").write_text(yaml.safe_dump(card, sort_keys=False, allow_unicode=True, width=120))
    return out


def _entry(file: Path) -> dict[str, Any]:
    return {"sha256": hashlib.sha256(file.read_bytes()).hexdigest(), "bytes": file.stat().st_size}


def _details(
    recipe: ProbeRecipe, recipe_file: str, facts: dict[str, Any], preprocess: str, checks: dict[str, Any]
) -> dict[str, Any]:
    return {
        "recipe": recipe_file,
        "data": "all 1,440 combinations in every style and phrasing, drawn as training went on; "
        f"{recipe.spoilt:.0%} spoilt (blurred, noised, half-denoised, mixed, torn, empty) with the answer none",
        "training": {"seed": recipe.seed, "batch": recipe.batch, **facts},
        "preprocess": preprocess,
        **checks,
        "limits": "Knows the shapes domain only. Stands in for a published extractor where none is at hand; "
        "its numbers carry its name.",
    }
