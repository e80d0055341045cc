"""Whether the backends agree on a run's cascade, where `ivbench zoo parity` has left its file beside the results."""

from __future__ import annotations

from dataclasses import dataclass

from ivbench.report.formats import number
from ivbench.report.sources import Source
from ivbench.results.parity import PARITY, Check, Parity, read_parity

__all__ = ["ParityTable", "check_row", "parity_of"]


@dataclass(frozen=True)
class ParityTable:
    """The backends of one cascade.

    Attributes:
        sentence: whether they agree.
        rows: as of `check_row`.
        how: what was run, in words.
    """

    sentence: str
    rows: list[list[str]]
    how: str


def parity_of(source: Source) -> ParityTable | None:
    """The table of a run's cascade, or that the file is of another one; None where no file lies beside the results.

    Raises:
        ConfigError: the file is none.
    """
    path = source.folder / PARITY
    if not path.is_file():
        return None
    found = read_parity(path)
    if found.digest != source.results.cascade.digest:
        return ParityTable(f"{PARITY} beside these results is of another cascade, {found.digest[:12]}.", [], "")
    differing = sum(not check.agrees for check in found.checks)
    said = "agree" if not differing else f"differ in {differing} of {len(found.checks)} checks"
    rows = [check_row(check) for check in found.checks]
    return ParityTable(f"PyTorch and JAX {said} on this cascade.", rows, _how(found))


def check_row(check: Check) -> list[str]:
    """Stage, what, found, maximum, allowed, and whether it is."""
    maximum = "" if check.maximum is None else f"{check.maximum:.2g}"
    if check.low is None:
        found, allowed = f"{check.found:.2g}", f"{check.high:g}"
    else:
        found, allowed = number(check.found, 2), f"{number(check.low, 2)} to {number(check.high, 2)}"
    return [check.stage, check.what, found, maximum, allowed, "agrees" if check.agrees else "differs"]


def _how(found: Parity) -> str:
    stages = ", ".join(f"{name} {steps} steps at {found.guidance[name]}" for name, steps in found.steps.items())
    return (
        f"From the same weights, text embeddings and noise, {len(found.prompts)} prompts, {found.dtype}; {stages}. "
        "Differences are in a video\N{RIGHT SINGLE QUOTATION MARK}s range, [-1, 1]."
    )
