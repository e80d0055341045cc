"""Numbers as readers want them: the right digits, a true minus sign, units."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from ivbench.results.schema import Interval

__all__ = [
    "bounds",
    "count",
    "decimals",
    "interval",
    "listed",
    "number",
    "quantity",
    "seconds",
    "setting",
    "when",
    "words",
]

_PREFIXES = ((1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
_UNKNOWN = "unknown"
_ABBREVIATIONS = {name.lower(): name for name in ("SNR", "NFE", "SR", "TSR", "SSR", "FID", "FVD")}


def decimals(values: Iterable[float]) -> int:
    """Digits after the point for a column: two from 1 to 100 as in the paper's Table 1, more below, fewer above."""
    largest = max((abs(value) for value in values if math.isfinite(value)), default=0.0)
    if largest >= 1000:
        return 0
    if largest >= 100:
        return 1
    if largest >= 1 or largest == 0:
        return 2
    return min(6, 2 - math.floor(math.log10(largest)))


def number(value: float, digits: int) -> str:
    """A number with fixed digits and a true minus sign."""
    text = f"{value:,.{digits}f}"
    if text.startswith("-"):
        text = text[1:] if float(text.replace(",", "")) == 0 else f"\N{MINUS SIGN}{text[1:]}"
    return text


def bounds(low: float, high: float, digits: int) -> str:
    """Two ends of an interval: `[low, high]`."""
    return f"[{number(low, digits)},\N{NO-BREAK SPACE}{number(high, digits)}]"


def interval(found: Interval | None, digits: int) -> str:
    """An interval as `[low, high]`, empty where there is none."""
    return "" if found is None else bounds(found.low, found.high, digits)


def count(value: int | None) -> str:
    """A whole number with separators; None: unknown."""
    return _UNKNOWN if value is None else f"{value:,}"


def listed(names: Sequence[str]) -> str:
    """Names in a sentence: `a, b and c`."""
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"


def quantity(value: float | None, unit: str = "") -> str:
    """Three significant digits with an SI prefix: `4.12 G`; None: unknown."""
    if value is None:
        return _UNKNOWN
    for scale, prefix in _PREFIXES:
        if abs(value) >= scale * 0.9995:
            return f"{_three(value / scale)}\N{NO-BREAK SPACE}{prefix}{unit}"
    return f"{_three(value)}\N{NO-BREAK SPACE}{unit}".rstrip("\N{NO-BREAK SPACE}")


def seconds(value: float | None) -> str:
    """A duration with three significant digits: ms below 0.1 s."""
    if value is None:
        return "\N{EN DASH}"
    if 0 < value < 0.1:
        return f"{_three(value * 1000)}\N{NO-BREAK SPACE}ms"
    return f"{_three(value)}\N{NO-BREAK SPACE}s"


def setting(value: str | int | float | bool | None) -> str:
    """A setting of a cell."""
    if value is None:
        return "\N{EN DASH}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}".replace("-", "\N{MINUS SIGN}")
    return str(value)


def when(created: str) -> str:
    """A moment as readers want it: `2026-11-24 20:36 UTC`; left as it is where it is no moment."""
    try:
        moment = datetime.fromisoformat(created)
    except ValueError:
        return created
    return (
        f"{moment:%Y-%m-%d %H:%M} UTC" if moment.utcoffset() == timedelta(0) else f"{moment:%Y-%m-%d %H:%M %Z}".strip()
    )


def words(key: str) -> str:
    """A key as words: `base_steps` becomes `base steps`, `sr_steps` becomes `SR steps`."""
    text = " ".join(_ABBREVIATIONS.get(word, word) for word in key.replace("_", " ").replace(".", " ").split())
    return text.replace("clip score", "CLIP score").replace("r precision", "R-Precision")


def _three(value: float) -> str:
    digits = 0 if abs(value) >= 99.95 else 1 if abs(value) >= 9.995 else 2
    return number(value, digits)
