"""A gate: how much worse each metric may be, as a small YAML file under review."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import yaml
from pydantic import Field

from ivbench.check.compare import Comparison
from ivbench.check.power import quantile
from ivbench.config import Frozen, parse, read_yaml
from ivbench.errors import ConfigError, MissingFileError
from ivbench.results.atomic import write_bytes

__all__ = ["Gate", "Rule", "measured_gate", "read_gate", "without_rule", "write_gate"]

_WIDTH = 2.5

_HEAD = """\
# A gate of `ivbench check`: how much each metric may lose, in its own units.
# Measured: with these margins a re-run without a change passes at least 19 times out of 20, and a loss of their size is
# found as often. Tighten or loosen them by hand.
"""


class Rule(Frozen):
    """What one metric must satisfy in every cell."""

    metric: str = Field(description="as the table shows it: 'CLIP score [clip-probe]'")
    rule: Literal["non-inferior", "no-change"] = Field(
        default="non-inferior", description="non-inferior: not worse by the margin; no-change: not better either"
    )
    margin: float = Field(gt=0, description="in the metric's units")
    confidence: float | None = Field(
        default=None,
        gt=0.5,
        lt=1,
        description="of the metric's verdicts, in place of the gate's; None: the gate's",
    )


class Gate(Frozen):
    """The rules, and how sure a verdict must be."""

    confidence: float = Field(
        default=0.95, gt=0.5, lt=1, description="of all verdicts together: a false alarm in 20 checks without a change"
    )
    power: float = Field(default=0.8, gt=0.5, lt=1, description="chance to find a loss of the smallest detectable size")
    rules: tuple[Rule, ...] = Field(min_length=1)

    def error_rate(self, rule: Rule, verdicts: int) -> float:
        """The error rate of one verdict: an equal part of what its confidence allows, its own or the gate's.

        (1 - confidence) / verdicts. Summed up over all verdicts that is the mean of what they allow, so that all
        together raise a false alarm no oftener (Bonferroni), and those of one metric no oftener than its confidence
        allows.

        Args:
            rule: of the verdict's metric.
            verdicts: how many there are in all, of all metrics and cells.
        """
        return (1 - (self.confidence if rule.confidence is None else rule.confidence)) / verdicts


def read_gate(path: Path) -> Gate:
    """Read a gate.

    Raises:
        MissingFileError, ConfigError: not there, no YAML, an unknown key, a metric twice.
    """
    if not path.is_file():
        found = "is no file" if path.exists() else "is not there"
        raise MissingFileError(f"{path} {found}. Write a gate with check --init, or name another with --gate.")
    gate = parse(Gate, read_yaml(path), str(path))
    names = [rule.metric for rule in gate.rules]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ConfigError(f'{path}: two rules are for "{twice[0]}". Keep one.')
    return gate


def write_gate(gate: Gate, path: Path) -> None:
    """Write a gate.

    Raises:
        StoreError: the place can't be written.
    """
    body = yaml.safe_dump(
        gate.model_dump(mode="json", exclude_none=True), sort_keys=False, allow_unicode=True, width=100
    )
    write_bytes(path, (_HEAD + body).encode())


def measured_gate(comparison: Comparison, confidence: float = 0.95) -> Gate:
    """A gate from two runs without a change between them: each margin is fit for the metric's noisiest cell.

    With it a re-run without a change passes, and a loss of the margin's size is found, each at least as surely as the
    gate's confidence over all verdicts together. Two and a half one-sided bounds wide: two for the bound and the noise
    of the next run, the rest for the error of this one's standard error (from 20 prompts on). A percentage without any
    noise gets 300 / prompts, what so many prompts without a change still allow. Metrics that decide nothing (too few
    samples) get no rule; see `without_rule`.

    Raises:
        ConfigError: no metric decides, a metric is the same in both files to the last bit, the files have the same
            seeds, or the second was not measured as the first was.
    """
    if comparison.unmatched:
        why = comparison.unmatched[0].rstrip(".")
        raise ConfigError(f"the second file is no re-run of the first: {why}. Run the same suite again.")
    if comparison.same_seeds:
        raise ConfigError(
            "the two files have the same seeds, so their difference is not the noise between runs. Use other seeds for "
            "the second run."
        )
    deciding = [change for change in comparison.changes if change.paired is not None and change.paired.decisive]
    alpha = (1 - confidence) / max(len(deciding), 1)
    margins: dict[str, float] = {}
    for change in deciding:
        assert change.paired is not None
        least = _WIDTH * quantile(change.paired.units, 1 - alpha) * change.paired.error
        if change.new.unit == "%":
            least = max(least, 300.0 / change.paired.units)
        margins[change.new.label] = max(margins.get(change.new.label, 0.0), least)
    silent = [label for label, margin in margins.items() if margin <= 0.0]
    if silent or not margins:
        what = f"{', '.join(silent)} of the two files do not differ" if silent else "no metric of the two files decides"
        raise ConfigError(f"{what}, so their noise says nothing. Use more prompts, and other seeds for the second run.")
    rules = tuple(Rule(metric=label, margin=_rounded_up(margin)) for label, margin in margins.items())
    return Gate(confidence=confidence, rules=rules)


def without_rule(comparison: Comparison, gate: Gate) -> tuple[str, ...]:
    """Labels of metrics of both files that a gate has no rule for, in their order."""
    ruled = {rule.metric for rule in gate.rules}
    return tuple(dict.fromkeys(c.new.label for c in comparison.changes if c.new.label not in ruled))


def _rounded_up(value: float) -> float:
    """Two significant digits, never smaller."""
    short = float(f"{value:.1e}")
    return short if short >= value else float(f"{value * 1.05:.1e}")
