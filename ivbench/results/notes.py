"""Notes of a results file that say where its values come from and warn of nothing: made here, and known again here."""

from __future__ import annotations

import re

__all__ = ["baseline_note", "is_origin", "replaced_note", "weights_note"]

_ORIGIN = re.compile(
    r'Weights ".+": cascade .+, \w{1,12}\.'
    r"|baseline of \S+, in place of that of \S+"
    r"|.+: (\S+, )?before \S+ \((better|worse|no difference seen|undecided|not compared)\)"
)


def weights_note(name: str, cascade: str, digest: str) -> str:
    """Whose weights stand in for the cascade's own, under a name of the suite."""
    return f'Weights "{name}": cascade {cascade}, {digest[:12]}.'


def baseline_note(created: str, before: str) -> str:
    """When a baseline was measured, and when the one that it replaces."""
    return f"baseline of {created}, in place of that of {before}"


def replaced_note(cell: str, metric: str, old: float, new: float | None, verdict: str) -> str:
    """A value of the baseline before, beside the one that took its place; None: no value is compared with it."""
    now = "" if new is None else f"{new:.6g}, "
    return f"{cell}, {metric}: {now}before {old:.6g} ({verdict})"


def is_origin(note: str) -> bool:
    """Whether a note is one of those that are made here."""
    return _ORIGIN.fullmatch(note) is not None
