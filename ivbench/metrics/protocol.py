"""What decides a number, and the rule that numbers of two protocols are never compared.

A protocol id is `metric/profile@version+hash`, the hash over every
field that decides the number.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from ivbench.errors import ProtocolError
from ivbench.results.schema import Score

__all__ = ["Protocol", "Scalar", "differing_fields", "measure", "require_same_protocol"]

Scalar = str | int | float | bool | None


@dataclass(frozen=True)
class Protocol:
    """Everything that decides one number.

    Attributes:
        metric: registry name.
        profile: "name@version".
        fields: every deciding value by name: extractor, weights, preprocess, frames, fps, reference, generated, ...
    """

    metric: str
    profile: str
    fields: Mapping[str, Scalar] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """`metric/profile@version+hash`, the hash 12 hexadecimal digits of the canonical JSON's sha256."""
        covered = {"metric": self.metric, "profile": self.profile, "fields": dict(self.fields)}
        text = json.dumps(covered, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=True)
        return f"{self.metric}/{self.profile}+{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def measure(label: str, protocol: str) -> tuple[str, str]:
    """What is measured, whatever else decides the number: metric and extractor (the label), and the profile."""
    return label, protocol.partition("+")[0]


def differing_fields(a: Score, b: Score) -> dict[str, tuple[Scalar, Scalar]]:
    """What differs between the protocols of two scores, by field name; empty where they are the same.

    Args:
        a, b: two scores; their protocol's metric and profile count as fields.
    """
    if a.protocol == b.protocol:
        return {}
    sides = [_all_fields(score) for score in (a, b)]
    names = sorted(sides[0].keys() | sides[1].keys())
    differing = {
        name: (sides[0].get(name), sides[1].get(name)) for name in names if sides[0].get(name) != sides[1].get(name)
    }
    return differing or {"protocol": (a.protocol, b.protocol)}


def require_same_protocol(a: Score, b: Score) -> None:
    """Refuse to set two scores of different protocols against each other.

    Raises:
        ProtocolError: names every field that differs, with both values.
    """
    differing = differing_fields(a, b)
    if differing:
        said = ", ".join(f"{name} ({_short(left)} / {_short(right)})" for name, (left, right) in differing.items())
        raise ProtocolError(
            f"two values of {a.label} have different protocols and cannot be compared: {said}. "
            "Score both under one protocol."
        )


def _all_fields(score: Score) -> dict[str, Scalar]:
    metric, _, rest = score.protocol.partition("/")
    return {"metric": metric, "profile": rest.rpartition("+")[0], **score.fields}


def _short(value: Scalar) -> str:
    text = str(value)
    return text if len(text) <= 40 else f"{text[:12]}..."
