"""Comparisons and outcomes as plain data (JSON), rows for a table, markdown and JUnit XML."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from ivbench.check.compare import Change, Comparison
from ivbench.check.gate import Gate
from ivbench.check.judge import Outcome, Verdict
from ivbench.config import canonical_json
from ivbench.results.atomic import write_bytes

__all__ = [
    "change_rows",
    "comparison_record",
    "junit",
    "markdown",
    "outcome_record",
    "verdict_rows",
    "write_record",
]

_REPLACED = "\N{REPLACEMENT CHARACTER}"
_NOT_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 has no way to write (its production 2, Char)."""
_WORDS = {"pass": "pass", "regression": "REGRESSION", "inconclusive": "inconclusive", "missing": "MISSING"}


def change_rows(comparison: Comparison) -> tuple[list[str], list[list[str]]]:
    """Headings, and a row a change."""
    columns = ["cell", "metric", "old", "new", "new - old", "95 % interval", "detectable", "verdict"]
    return columns, [_change_row(change) for change in comparison.changes]


def _change_row(change: Change) -> list[str]:
    unit, found = change.new.unit, change.paired
    difference = change.new.value - change.old.value if found is None else found.value
    interval = "" if found is None else f"[{_short(found.interval.low)}, {_short(found.interval.high)}]"
    return [
        change.cell,
        change.new.label + (f", {unit}" if unit else ""),
        _short(change.old.value),
        _short(change.new.value),
        _short(difference),
        interval,
        "" if change.detectable is None else _short(change.detectable),
        change.verdict,
    ]


def verdict_rows(outcome: Outcome) -> tuple[list[str], list[list[str]]]:
    """Headings, and a row a verdict."""
    columns = ["cell", "metric", "gain", "bounds", "margin", "verdict", "why"]
    return columns, [_verdict_row(verdict) for verdict in outcome.verdicts]


def _verdict_row(verdict: Verdict) -> list[str]:
    bounds = "" if verdict.low is None or verdict.high is None else f"[{_short(verdict.low)}, {_short(verdict.high)}]"
    return [
        verdict.cell,
        verdict.metric,
        "" if verdict.gain is None else _short(verdict.gain),
        bounds,
        _short(verdict.margin),
        _WORDS[verdict.state],
        verdict.reason,
    ]


def _short(value: float) -> str:
    return f"{value:,.4g}"


def comparison_record(comparison: Comparison) -> dict[str, Any]:
    """A comparison as JSON data, version 1."""
    return {
        "format": "ivbench-comparison",
        "version": 1,
        "changes": [_change_record(change) for change in comparison.changes],
        "missing": list(comparison.missing),
        "added": list(comparison.added),
        "altered": list(comparison.altered),
    }


def _change_record(change: Change) -> dict[str, Any]:
    found = change.paired
    return {
        "cell": change.cell,
        "metric": change.new.metric,
        "label": change.new.label,
        "protocol": change.new.protocol,
        "higher_is_better": change.new.higher_is_better,
        "old": change.old.value,
        "new": change.new.value,
        "difference": None if found is None else found.value,
        "interval": None if found is None else found.interval.model_dump(),
        "standard_error": None if found is None else found.error,
        "units": None if found is None else found.units,
        "detectable": change.detectable,
        "same_noise": change.same_noise,
        "verdict": change.verdict,
    }


def outcome_record(outcome: Outcome, gate: Gate) -> dict[str, Any]:
    """The outcome of a check as JSON data, version 1."""
    return {
        "format": "ivbench-check",
        "version": 1,
        "state": outcome.state,
        "exit_code": outcome.exit_code,
        "gate": gate.model_dump(mode="json"),
        "verdicts": [dict(vars(verdict)) for verdict in outcome.verdicts],
        "missing": list(outcome.missing),
        "added": list(outcome.added),
    }


def write_record(record: dict[str, Any], path: Path) -> None:
    """Write a record, whole or not at all.

    Raises:
        StoreError: the place can't be written.
    """
    write_bytes(path, canonical_json(record).encode() + b"\n")


def markdown(outcome: Outcome) -> str:
    """The outcome as a section of GitHub's markdown."""
    columns, rows = verdict_rows(outcome)
    lines = [f"## ivbench check: {_WORDS[outcome.state]}", "", _row(columns), _row(["---"] * len(columns))]
    lines += [_row(row) for row in rows]
    lines += ["", *(f"- missing: {_escaped(line)}" for line in outcome.missing)] if outcome.missing else []
    if outcome.added:
        lines += ["", f"Not judged, since the baseline lacks it: {_escaped(', '.join(outcome.added))}"]
    return "\n".join(lines) + "\n"


def _row(cells: list[str]) -> str:
    return "| " + " | ".join(map(_escaped, cells)) + " |"


def _escaped(text: str) -> str:
    for character in "\\`*_[]<>|":
        text = text.replace(character, "\\" + character)
    return " ".join(text.split())


def junit(outcome: Outcome) -> bytes:
    """The outcome as JUnit XML: a regression is a failure, what is missing or not decided an error."""
    failures = sum(verdict.state == "regression" for verdict in outcome.verdicts)
    errors = sum(verdict.state in ("missing", "inconclusive") for verdict in outcome.verdicts) + len(outcome.missing)
    suite = ElementTree.Element(
        "testsuite",
        name="ivbench check",
        tests=str(len(outcome.verdicts) + len(outcome.missing)),
        failures=str(failures),
        errors=str(errors),
    )
    for verdict in outcome.verdicts:
        case = ElementTree.SubElement(suite, "testcase", classname=verdict.cell, name=verdict.metric)
        if verdict.state != "pass":
            kind = "failure" if verdict.state == "regression" else "error"
            ElementTree.SubElement(case, kind, type=verdict.state, message=verdict.reason)
    for line in outcome.missing:
        case = ElementTree.SubElement(suite, "testcase", classname="missing", name=line)
        ElementTree.SubElement(case, "error", type="missing", message=line)
    ElementTree.indent(suite)
    text: str = ElementTree.tostring(suite, encoding="unicode")
    return f"<?xml version='1.0' encoding='utf-8'?>\n{_NOT_XML.sub(_REPLACED, text)}\n".encode()
