"""The walk from one number to another: choices are changed one at a time, and the number is computed again."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ivbench.config import Profile, ResizeStep, differing_choices, digest, profile_between, profile_choice
from ivbench.config.suite import ReferenceConfig
from ivbench.errors import ConfigError, MissingFileError, ProtocolError, ShapeError
from ivbench.metrics.protocol import differing_fields
from ivbench.results.schema import Score

__all__ = ["Choices", "Side", "Step", "walk"]

Choices = Mapping[str, Any]
"""Name -> value of everything that decides a number, in the order in which it is changed."""
_SAME = 1e-9
_PROFILE, _OF_PROFILE = "profile", "profile."
_WEIGHTS = "weights"
_ANEW = ("recorded", "computed again")


@dataclass(frozen=True)
class Step:
    """One step on the way.

    Attributes:
        choice: what was changed; of several that could not be changed alone, all of them.
        old, new: its values, in words.
        value: the number after it.
        change: that number less the one before.
        fields: the protocol's fields that it changed: name -> (old, new).
    """

    choice: str
    old: str
    new: str
    value: float
    change: float
    fields: Mapping[str, tuple[Any, Any]]


class Side(ABC):
    """How one file made one number.

    Attributes:
        cell: the label of the cell that it is of.
        score: as recorded.
    """

    cell: str
    score: Score

    @property
    @abstractmethod
    def choices(self) -> Choices:
        """With a `Profile` as `profile`, `extractor`, and this side itself as `videos`, the last."""

    @abstractmethod
    def rescored(self, choices: Choices) -> Score | None:
        """The score of this side's videos under these choices; None where the store lacks some of them.

        Raises:
            ConfigError, ProtocolError, ShapeError: choices that do not go together.
            MissingFileError: they name weights, which neither side need have read, that are not on this machine.
        """

    @abstractmethod
    def in_words(self) -> str:
        """What its videos are: equal videos, equal words."""


@dataclass(frozen=True)
class _Move:
    """Choices that were changed together, where that leads, and the score there."""

    names: tuple[str, ...]
    choices: Choices
    score: Score


def walk(before: Side, after: Side) -> Iterator[Step]:
    """The steps from one side to the other; the numbers at both ends are the recorded ones.

    Of a profile every choice is a step, under profiles that lie between the two. Choices of it that do not decide the
    number (its protocol stays as it is, but for the profile's name) are one step together, with a change of 0.
    """
    now, goal = before.choices, after.choices
    pending, unread = _pending(now, goal), list[str]()
    last, value = now["videos"].rescored(now), before.score.value
    if last is None:
        pending = pending or ["videos"]
    elif not _near(last.value, value):
        yield _step(_moved("computed again", before.score, last), _ANEW, value, last.value, before.score, last)
        value = last.value
    while last is not None and (move := _next(now, goal, pending)) is not None:
        if _is_unread(move, last):
            unread += move.names
        else:
            yield _step(
                ", ".join(move.names), _words_of(move.names, now, goal), value, move.score.value, last, move.score
            )
        now, last, value = move.choices, move.score, move.score.value
        pending = [name for name in pending if name not in move.names]
    if unread:
        said = f"profile (not read: {', '.join(name.removeprefix(_OF_PROFILE) for name in unread)})"
        yield Step(said, *_words_of([_PROFILE], before.choices, goal), value, 0.0, {})
    if pending:
        words = _words_of(pending, now, goal)
        there = goal["videos"].rescored(goal)
        reached = after.score if there is None or _near(there.value, after.score.value) else there
        yield _step(", ".join(pending), words, value, reached.value, last or before.score, reached)
        last, value = reached, reached.value
    if last is not None and not _near(value, after.score.value):
        said = _moved("not explained", last, after.score)
        yield _step(said, _ANEW[::-1], value, after.score.value, last, after.score)


def _pending(now: Choices, goal: Choices) -> list[str]:
    """What differs; in the place of the profile its choices, where these differ and not its name alone."""
    differing = [name for name in now if _words(now[name]) != _words(goal[name])]
    own = [_OF_PROFILE + name for name in differing_choices(now[_PROFILE], goal[_PROFILE])]
    return own + [name for name in differing if name != _PROFILE or not own]


def _next(now: Choices, goal: Choices, pending: Sequence[str]) -> _Move | None:
    """The first choice that can be changed, alone or, of a profile, with what it needs; and the score after it."""
    for name in pending:
        move = _tried(now, goal, (name,)) or _with_needed(now, goal, name, pending)
        if move is not None:
            return move
    return None


def _with_needed(now: Choices, goal: Choices, first: str, pending: Sequence[str]) -> _Move | None:
    """A choice of a profile that cannot be changed alone, and as few others of it, and weights, as it takes."""
    if not _of_networks(first):
        return None
    names: tuple[str, ...] = (first,)
    move: _Move | None = None
    for other in pending:
        if move is None and other != first and _of_networks(other):
            names = (*names, other)
            move = _tried(now, goal, names)
    for name in names if move is not None else ():
        fewer = tuple(other for other in names if other != name)
        smaller = _tried(now, goal, fewer) if fewer else None
        if smaller is not None:
            names, move = fewer, smaller
    return move


def _tried(now: Choices, goal: Choices, names: tuple[str, ...]) -> _Move | None:
    """Where a change of these choices leads; None where they do not go together, or weights or videos are not there."""
    try:
        there = _changed(now, goal, names)
        score = there["videos"].rescored(there)
    except (ConfigError, MissingFileError, ProtocolError, ShapeError):
        return None
    return None if score is None else _Move(names, there, score)


def _changed(now: Choices, goal: Choices, names: Sequence[str]) -> Choices:
    """The choices with the named ones as they are at the goal."""
    there = {**now, **{name: goal[name] for name in names if not name.startswith(_OF_PROFILE)}}
    own = {name.removeprefix(_OF_PROFILE) for name in names if name.startswith(_OF_PROFILE)}
    if own:
        left = differing_choices(now[_PROFILE], goal[_PROFILE]).keys() - own
        there[_PROFILE] = profile_between(now[_PROFILE], goal[_PROFILE], own) if left else goal[_PROFILE]
    return there


def _of_networks(name: str) -> bool:
    return name == _WEIGHTS or name.startswith(_OF_PROFILE)


def _moved(said: str, a: Score, b: Score) -> str:
    """With the protocol's fields that are not what they were: files or weights were changed since."""
    fields = ", ".join(differing_fields(a, b))
    return f"{said} ({fields} differ)" if fields else said


def _is_unread(move: _Move, last: Score) -> bool:
    """Whether choices of a profile decide nothing of this number."""
    same = differing_fields(last, move.score).keys() <= {_PROFILE} and move.score.value == last.value
    return same and all(name.startswith(_OF_PROFILE) for name in move.names)


def _step(choice: str, words: tuple[str, str], value: float, now: float, a: Score, b: Score) -> Step:
    return Step(choice, *words, now, now - value, differing_fields(a, b))


def _near(a: float, b: float) -> bool:
    return abs(a - b) <= _SAME * max(1.0, abs(a), abs(b))


def _words_of(names: Sequence[str], old: Choices, new: Choices) -> tuple[str, str]:
    """The values of some choices on both sides, in words."""
    old_words, new_words = (", ".join(_words(_value(side, name)) for name in names) for side in (old, new))
    return old_words, new_words


def _value(choices: Choices, name: str) -> Any:
    if name.startswith(_OF_PROFILE):
        return profile_choice(choices[_PROFILE], name.removeprefix(_OF_PROFILE))
    return choices[name]


def _words(value: Any) -> str:
    """A choice in words: equal choices, equal words."""
    match value:
        case Side():
            return value.in_words()
        case Profile():
            return f"{value.name}@{value.version}"
        case ReferenceConfig():
            return f"{value.count:,} clips of {value.source}, seed {value.seed}"
        case tuple() if value and isinstance(value[0], str):
            return f"{len(value):,} prompts {digest(list(value))[:8]}"
        case tuple() if value and isinstance(value[0], ResizeStep):
            return ", then ".join(map(_words, value))
        case ResizeStep():
            said = value.model_dump(exclude_defaults=True)
            return " ".join(name if one is True else str(one) for name, one in said.items())
        case tuple() if value:
            return " ".join(map(str, value))
        case None | () | "":
            return "none"
    return str(value)
