"""Two results files set against each other: what changed, how surely, and whether a gate lets it pass."""

from ivbench.check.baseline import updated_baseline
from ivbench.check.compare import Change, Comparison, compare
from ivbench.check.error_rates import ErrorRates, MetricRates, Rate, error_rates
from ivbench.check.error_rates_page import error_rates_page, rate_rows
from ivbench.check.explain import Explained, explain, explanation_record, explanation_rows
from ivbench.check.folder_side import FolderSide
from ivbench.check.gate import Gate, Rule, measured_gate, read_gate, without_rule, write_gate
from ivbench.check.judge import Outcome, Verdict, judge_changes
from ivbench.check.records import (
    change_rows,
    comparison_record,
    junit,
    markdown,
    outcome_record,
    verdict_rows,
    write_record,
)
from ivbench.check.reruns import Population, Reruns
from ivbench.check.suite_side import suite_sides
from ivbench.check.walk import Choices, Side, Step

__all__ = [
    "Change",
    "Choices",
    "Comparison",
    "ErrorRates",
    "Explained",
    "FolderSide",
    "Gate",
    "MetricRates",
    "Outcome",
    "Population",
    "Rate",
    "Reruns",
    "Rule",
    "Side",
    "Step",
    "Verdict",
    "change_rows",
    "compare",
    "comparison_record",
    "error_rates",
    "error_rates_page",
    "explain",
    "explanation_record",
    "explanation_rows",
    "judge_changes",
    "junit",
    "markdown",
    "measured_gate",
    "outcome_record",
    "rate_rows",
    "read_gate",
    "suite_sides",
    "updated_baseline",
    "verdict_rows",
    "without_rule",
    "write_gate",
    "write_record",
]
