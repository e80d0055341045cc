"""The load audit: each tensor is matched, missing, unexpected, cast or reshaped, and anything but matched is an error.

The field's usual loader falls back to a partial load in silence, which is how wrong numbers come about.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ivbench.adapters.checkpoints.key_map import Renamed
from ivbench.adapters.formats.dtypes import KEPT, dtype_named
from ivbench.adapters.formats.tree import Arrays
from ivbench.errors import ConfigError

__all__ = ["Audit", "AuditError", "Entry", "Status", "audit_stage"]

Status = Literal["matched", "missing", "unexpected", "cast", "reshaped"]
_FAULTS: tuple[Status, ...] = ("missing", "unexpected", "cast", "reshaped")
_SHOWN = 3


@dataclass(frozen=True)
class Entry:
    """One tensor of the audit.

    Attributes:
        name: the parameter's; of an unexpected tensor its name from the top of the checkpoint.
        status: what became of it.
        detail: what differs, or which declared change was made.
    """

    name: str
    status: Status
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.status} {self.name}{f': {self.detail}' if self.detail else ''}"


@dataclass(frozen=True)
class Audit:
    """A stage's tensors, one by one."""

    stage: str
    entries: tuple[Entry, ...]

    def count(self, status: Status) -> int:
        """How many have that status."""
        return sum(entry.status == status for entry in self.entries)

    @property
    def faults(self) -> tuple[Entry, ...]:
        """All that did not match."""
        return tuple(entry for entry in self.entries if entry.status != "matched")

    @property
    def summary(self) -> str:
        """`2 missing, 1 cast`; empty for a clean load."""
        return ", ".join(f"{self.count(status)} {status}" for status in _FAULTS if self.count(status))


class AuditError(ConfigError):
    """A load that is not clean, with the audits of its stages."""

    def __init__(self, audits: Iterable[Audit]) -> None:
        self.audits = tuple(audits)
        parts = []
        for audit in self.audits:
            if audit.faults:
                named = "; ".join(map(str, audit.faults[:_SHOWN]))
                more = "; ..." if len(audit.faults) > _SHOWN else ""
                parts.append(f'stage "{audit.stage}": {audit.summary} ({named}{more})')
        super().__init__(
            f"the checkpoint does not fit the cascade: {'. '.join(parts)}. Declare names and layouts in the card's "
            "key_map, or go on with --allow-partial, which marks every number of a run."
        )


def audit_stage(
    stage: str,
    expected: Mapping[str, tuple[int, ...]],
    found: Mapping[str, Renamed],
    dtype: str | None = None,
    unexpected: Iterable[str] = (),
) -> tuple[Audit, Arrays]:
    """Set a stage's tensors against its spec.

    Args:
        stage: its name.
        expected: shape of each parameter.
        found: tensors under the cascade's names.
        dtype: the declared dtype of all; None: bit for bit as they are.
        unexpected: names of tensors that lie beside the stage's.

    Returns:
        The audit, and weights for all parameters, as a partial load would use them: what is missing or of another size
        is zero, what is of another shape but the same size is reshaped in row-major order, what is of a dtype that is
        not kept is cast to float32.
    """
    entries, weights = [], {}
    for name, shape in expected.items():
        entry, weights[name] = _audit_one(name, shape, found.get(name), dtype)
        entries.append(entry)
    extra = [*(each.source for name, each in found.items() if name not in expected), *unexpected]
    entries += [Entry(name, "unexpected") for name in extra]
    return Audit(stage, tuple(entries)), weights


def _audit_one(
    name: str, shape: tuple[int, ...], tensor: Renamed | None, dtype: str | None
) -> tuple[Entry, NDArray[Any]]:
    empty = np.zeros(shape, dtype_named(dtype or "float32"))
    if tensor is None:
        return Entry(name, "missing", "zero in a partial load"), empty
    array, notes = tensor.array, [] if tensor.layout is None else [tensor.layout]
    if array.dtype.kind in "cUSOMm":
        return Entry(name, "missing", f"{tensor.source} is {array.dtype}, which is no weight"), empty
    if array.shape != shape:
        return _misshapen(name, shape, tensor, empty)
    if dtype is not None and array.dtype.name != dtype:
        notes.append(f"{array.dtype.name} -> {dtype} as declared")
        array = _as(array, dtype)
    elif dtype is None and array.dtype.name not in KEPT:
        detail = f"{array.dtype.name} would become float32; declare checkpoint.dtype"
        return Entry(name, "cast", detail), _as(array, "float32")
    return Entry(name, "matched", "; ".join(notes)), np.ascontiguousarray(array).reshape(shape)


def _misshapen(name: str, shape: tuple[int, ...], tensor: Renamed, empty: NDArray[Any]) -> tuple[Entry, NDArray[Any]]:
    array = tensor.array
    detail = f"{tensor.source} is {list(array.shape)}, {list(shape)} is needed"
    if array.size != math.prod(shape):
        return Entry(name, "reshaped", f"{detail}: left out, zero in a partial load"), empty
    turned = sorted(side for side in array.shape if side > 1) == sorted(side for side in shape if side > 1)
    hint = "; declare a layout" if turned else ""
    return Entry(name, "reshaped", f"{detail}{hint}"), _as(array, empty.dtype.name).reshape(shape)


def _as(array: NDArray[Any], dtype: str) -> NDArray[Any]:
    with np.errstate(over="ignore", invalid="ignore"):
        return np.ascontiguousarray(array).astype(dtype_named(dtype))
