"""The walk over sides whose number is a formula of their choices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from ivbench.check.walk import Choices, Side, Step, walk
from ivbench.config import Network, Profile, ResizeStep, Subsets, profile
from ivbench.errors import ConfigError, MissingFileError
from ivbench.metrics.protocol import Protocol
from ivbench.results.schema import Counts, Score

RESIZE = (ResizeStep(kernel="pil-bicubic", size=224, fit="crop"),)
PLAIN = profile("ivbench")


@dataclass(eq=False)
class Formula(Side):
    """A number of seeds and of the profile's choices; the network "a" has the tap "x", the network "b" the tap "y"."""

    profile: Profile
    seeds: tuple[int, ...] = (0,)
    there: tuple[int, ...] = (0, 1)
    name: str = "videos"

    @property
    def score(self) -> Score:  # type: ignore[override]  # a formula's record is what it gives
        found = self.rescored({**self.choices, "seeds": self.seeds}, everywhere=True)
        assert found is not None
        return found

    @property
    def choices(self) -> Choices:
        return {"profile": self.profile, "seeds": self.seeds, "videos": self}

    def in_words(self) -> str:
        return self.name

    def rescored(self, choices: Choices, everywhere: bool = False) -> Score | None:
        if not everywhere and not set(choices["seeds"]) <= set(self.there):
            return None
        return _score(choices["profile"], choices["seeds"])


def _score(chosen: Profile, seeds: tuple[int, ...]) -> Score:
    fields: dict[str, Any] = {"ddof": chosen.ddof, "candidates": chosen.candidates, "generated": len(seeds)}
    value = 10.0 * chosen.ddof + chosen.candidates * (1 + sum(seeds))
    if chosen.frames is not None:
        if (chosen.frames.name, chosen.frames.tap) not in (("a", "x"), ("b", "y")):
            raise ConfigError(f'{chosen.frames.name} has no output "{chosen.frames.tap}".')
        fields["preprocess"] = str(chosen.frames)
        value *= 3.0 if chosen.frames.name == "a" else 5.0
        value += sum(step.size for step in chosen.frames.resize) / 7
    made = Protocol("m", f"{chosen.name}@{chosen.version}", fields)
    return Score(
        metric="m",
        label="M",
        protocol=made.id,
        fields=dict(made.fields),
        value=value,
        runs=[],
        mean=value,
        stderr=None,
        interval=None,
        higher_is_better=True,
        counts=Counts(generated=1, failed=0, used=1),
    )


def under(**choices: Any) -> Formula:
    return Formula(PLAIN.model_copy(update={"name": "other", **choices}))


def steps(old: Formula, new: Formula) -> list[Step]:
    found = list(walk(old, new))
    assert sum(step.change for step in found) == pytest.approx(new.score.value - old.score.value, rel=1e-12)
    return found


def test_each_differing_choice_is_one_step_in_the_order_in_which_it_acts() -> None:
    old = under(frames=Network(name="a", tap="x", scale="tf"))
    new = under(frames=Network(name="a", tap="x", scale="tf", resize=RESIZE), ddof=0, candidates=20)
    found = steps(old, new)
    assert [(step.choice, step.old, step.new, step.value) for step in found] == [
        ("profile.frames.resize", "none", "pil-bicubic 224 crop", 330.0 + 32),
        ("profile.ddof", "1", "0", 300.0 + 32),
        ("profile.candidates", "100", "20", 60.0 + 32),
    ]
    assert found[1].fields["ddof"] == (1, 0)
    assert found[0].fields["profile"][1].startswith("between-")
    assert found[2].fields["profile"][1] == "other@1"


def test_choices_that_are_refused_alone_go_together_and_no_more_of_them_than_it_takes() -> None:
    old = under(frames=Network(name="a", tap="x", scale="tf", resize=RESIZE))
    new = under(frames=Network(name="b", tap="y", scale="none"), ddof=0)
    found = [(step.choice, step.old, step.new) for step in steps(old, new)]
    assert found == [
        ("profile.frames.resize", "pil-bicubic 224 crop", "none"),
        ("profile.frames.scale", "tf", "none"),
        ("profile.frames.name, profile.frames.tap", "a, x", "b, y"),
        ("profile.ddof", "1", "0"),
    ]


class NotThere(Formula):
    """The pairs of network and tap that neither side has are weights that nobody has fetched."""

    def rescored(self, choices: Choices, everywhere: bool = False) -> Score | None:
        try:
            return super().rescored(choices, everywhere)
        except ConfigError as error:
            raise MissingFileError(str(error)) from error


class Gone(NotThere):
    """It was scored once, by weights that are not there any more."""

    score = _score(PLAIN, (0,))  # type: ignore[assignment]  # a record


def test_weights_between_that_are_not_on_this_machine_are_passed_by() -> None:
    old = NotThere(under(frames=Network(name="a", tap="x", scale="tf")).profile)
    new = NotThere(under(frames=Network(name="b", tap="y", scale="tf")).profile)
    assert [step.choice for step in steps(old, new)] == ["profile.frames.name, profile.frames.tap"]


def test_a_goal_that_is_not_on_this_machine_is_an_error_and_no_step() -> None:
    old = NotThere(under(frames=Network(name="a", tap="x", scale="tf")).profile)
    gone = Gone(under(frames=Network(name="c", tap="z", scale="tf")).profile)
    with pytest.raises(MissingFileError, match='c has no output "z"'):
        list(walk(old, gone))


@pytest.mark.parametrize("backwards", [False, True])
def test_a_part_comes_and_goes_with_what_it_needs(backwards: bool) -> None:
    sides = under(), under(frames=Network(name="a", tap="x", scale="tf", resize=RESIZE), ddof=0)
    found = [step.choice for step in steps(*(reversed(sides) if backwards else sides))]
    whole = "profile.frames.scale, profile.frames.name, profile.frames.tap"
    resize = "profile.frames.resize"
    assert found == ([resize, whole] if backwards else [whole, resize]) + ["profile.ddof"]


def test_what_the_number_does_not_read_is_one_step_without_a_change() -> None:
    new = under(kid=Subsets(number=1, size=2, seed=3), replacement=True, candidates=20)
    *read, rest = steps(Formula(PLAIN), new)
    assert [step.choice for step in read] == ["profile.candidates"]
    assert rest.choice == "profile (not read: kid.number, kid.size, kid.seed, replacement)"
    assert (rest.old, rest.new, rest.change) == ("ivbench@1", "other@1", 0.0)


def test_a_profile_that_differs_by_its_name_alone_is_a_step() -> None:
    (step,) = steps(Formula(PLAIN), under())
    assert (step.choice, step.old, step.new, step.change) == ("profile", "ivbench@1", "other@1", 0.0)


def test_what_the_store_lacks_is_changed_at_the_end_together() -> None:
    old, new = Formula(PLAIN), under(ddof=0)
    new.seeds, new.there, new.name = (5,), (5,), "others"
    assert [step.choice for step in steps(old, new)] == ["profile.ddof", "seeds, videos"]
