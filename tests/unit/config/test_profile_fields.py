from __future__ import annotations

from typing import Any

import pytest

from ivbench.config import (
    ClipScoreChoice,
    Network,
    Profile,
    Subsets,
    differing_choices,
    profile,
    profile_between,
    profile_names,
)
from ivbench.config.profile_fields import CHOICES
from ivbench.errors import ConfigError

ALL = [(a, b) for a in profile_names() for b in profile_names()]


def test_every_field_of_a_profile_and_of_its_parts_is_a_choice_or_words() -> None:
    names = set()
    words = {"name", "version", "summary", "source", "verified", "package_files"}
    for name, info in Profile.model_fields.items():
        if name in words:
            continue
        kinds = [kind for kind in getattr(info.annotation, "__args__", ()) if hasattr(kind, "model_fields")]
        names |= {f"{name}.{field}" for field in kinds[0].model_fields} if kinds else {name}
    assert names == set(CHOICES)
    assert not words & profile("pytorch-fid").payload().keys() - {"name", "version"}
    assert len(set(CHOICES)) == len(CHOICES)


def test_a_change_of_one_choice_changes_that_alone() -> None:
    a, b = profile("clean-fid"), profile("torchmetrics")
    assert list(differing_choices(a, b)) == ["frames.resize"]
    c = profile("clean-fid-legacy-pytorch")
    assert list(differing_choices(a, c)) == ["frames.resize", "frames.scale"]
    middle = profile_between(a, c, ["frames.scale"])
    assert middle.frames is not None
    assert a.frames is not None
    assert middle.frames == a.frames.model_copy(update={"scale": "symmetric"})
    assert differing_choices(middle, c).keys() == {"frames.resize"}


@pytest.mark.parametrize(("old", "new"), ALL)
def test_all_differing_choices_together_lead_to_the_other_profile(old: str, new: str) -> None:
    a, b = profile(old), profile(new)
    reached = profile_between(a, b, differing_choices(a, b))
    assert differing_choices(reached, b) == {}
    assert {**reached.payload(), "name": b.name, "version": b.version} == b.payload()


def test_a_profile_between_is_called_by_its_own_digest() -> None:
    a = profile("ivbench")
    b = a.model_copy(update={"name": "other", "ddof": 0, "candidates": 20})
    names = [profile_between(a, b, taken).name for taken in ([], ["ddof"], ["candidates"], ["ddof", "candidates"])]
    assert len(set(names)) == 4
    assert all(name.startswith("between-") and name not in profile_names() for name in names)
    assert profile_between(b, a, ["candidates"]).name == names[1]


@pytest.mark.parametrize(
    ("names", "part"),
    [(["kid.number"], "kid"), (["kid.number", "kid.seed"], "kid"), (["frames.scale", "frames.name"], "frames")],
)
def test_a_part_that_lacks_what_it_needs_is_refused_either_way(names: list[str], part: str) -> None:
    frames = Network(name="inception", tap="2048", scale="tf")
    a = profile("ivbench")
    b = a.model_copy(update={"name": "other", "kid": Subsets(number=10, size=5, seed=0), "frames": frames})
    for old, new in ((a, b), (b, a)):
        with pytest.raises(ConfigError, match=f"between .*{part}"):
            profile_between(old, new, names)


def test_a_part_with_defaults_is_reached_choice_by_choice() -> None:
    a: Any = profile("ivbench")
    b = a.model_copy(update={"name": "other", "clip_score": ClipScoreChoice(weight=2.5, clamp="frame")})
    assert differing_choices(a, b) == {"clip_score.weight": (100.0, 2.5), "clip_score.clamp": ("none", "frame")}
    assert profile_between(a, b, ["clip_score.clamp"]).clip_score == ClipScoreChoice(clamp="frame")
    assert profile_between(b, a, ["clip_score.clamp"]).clip_score == ClipScoreChoice(weight=2.5)
