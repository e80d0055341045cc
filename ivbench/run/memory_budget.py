"""How much memory decoding and the networks' passes may take while folders are scored: `--memory`.

A quarter is for decoded videos, half for a batch on its way through a network; the rest is libraries, weights and
features. Features themselves grow with the videos: 4 bytes a number.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from ivbench.errors import ConfigError

__all__ = ["MemoryBudget"]

_MIB = 1 << 20
_UNITS = {"m": _MIB, "g": 1 << 30, "t": 1 << 40}
_ITEM = 32 * _MIB
"""Bytes of one image or clip on its way through a network that does not say it."""


@dataclass(frozen=True)
class MemoryBudget:
    """A declared budget.

    Attributes:
        total: bytes.
    """

    total: int = 4 << 30

    @classmethod
    def parsed(cls, text: str) -> MemoryBudget:
        """From `2GiB`, `800M`, `1.5g`.

        Raises:
            ConfigError: no such size, or less than 256 MiB.
        """
        found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*([mgt])(?:i?b)?", text.strip().lower())
        if found is None:
            raise ConfigError(f'--memory got "{text}". A number with M, G or T is expected, such as 2GiB.')
        total = int(float(found[1]) * _UNITS[found[2]])
        if total < 256 * _MIB:
            raise ConfigError(f'--memory got "{text}"; at least 256 MiB are needed.')
        return cls(total)

    @property
    def decoded(self) -> int:
        """Bytes of decoded videos at once, those that wait and those that are being read."""
        return self.total // 4

    def limit(self, extractor: Any) -> None:
        """Lower an extractor's batch, where it has one, to what half of the budget holds; at least one item."""
        batch = getattr(extractor, "batch", None)
        if batch is not None:
            each = getattr(extractor, "item_bytes", _ITEM)
            extractor.batch = max(1, min(batch, self.total // 2 // each))

    def ahead(self, largest: int, most: int) -> int:
        """How many videos may be read ahead, of which the largest so far has so many bytes; 0: one after the other."""
        return most if not largest else min(most, self.decoded // 2 // largest)
