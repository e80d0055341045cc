"""What scores and cells are called outside of ivbench: two measures never share a name, nor two cells."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from ivbench.results.schema import Score

__all__ = ["distinct", "extractor", "variant"]

_OWN_PROFILE = "ivbench"


def extractor(score: Score) -> str:
    """The extractor, which stands in brackets in a score's label; empty where it names none."""
    return score.label.partition("[")[2].rstrip("]")


def variant(score: Score) -> tuple[str, ...]:
    """What tells a score from others of its metric: the extractor, and the profile unless it is ivbench's own.

    The same score has the same name in every results file, whatever else is scored there.
    """
    profile = score.protocol.partition("/")[2].partition("@")[0]
    return tuple(part for part in (extractor(score), "" if profile == _OWN_PROFILE else profile) if part)


def distinct(labels: Sequence[str]) -> list[str]:
    """The labels, with a number behind each that stood before: `a`, `a (2)`. Nothing is lost under a shared name."""
    taken, found = set(labels), []
    seen: Counter[str] = Counter()
    for label in labels:
        seen[label] += 1
        name = label
        if seen[label] > 1:
            while (name := f"{label} ({seen[label]})") in taken:
                seen[label] += 1
            taken.add(name)
        found.append(name)
    return found
