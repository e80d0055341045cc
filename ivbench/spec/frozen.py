"""The base of the specs."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

__all__ = ["Frozen"]


class Frozen(BaseModel):
    """Frozen; unknown keys refused.

    What a spec writes is in every task id. So a field that came later has `exclude_if`: at its default it is left out,
    and what was computed before keeps its id.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
