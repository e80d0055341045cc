"""The numbers of a suite's results, as walks begin and end at them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ivbench.check.walk import Choices, Side
from ivbench.config import MetricConfig, MetricUnder, digest
from ivbench.plan import Plan, build_plan
from ivbench.results.schema import Results, Score

__all__ = ["Rescore", "suite_sides"]

Rescore = Callable[[Plan, str], Score | None]
"""(a plan of one metric, a cell's id) -> its score from what the store has; None where it lacks videos of it."""


def suite_sides(results: Results, plan: Plan, rescore: Rescore) -> list[Side]:
    """Every number of a results file of a suite.

    Args:
        results: the file.
        plan: that it was made by.
        rescore: computes numbers between.
    """
    return [
        _SuiteSide(planned.label, score, plan, config, planned.id, rescore)
        for planned, cell in zip(plan.cells, results.cells, strict=True)
        if cell.scores
        for config, score in zip(plan.suite.metrics, cell.scores, strict=True)
    ]


@dataclass(frozen=True, eq=False)
class _SuiteSide(Side):
    """How one file of a suite made one number."""

    cell: str
    score: Score
    plan: Plan
    config: MetricConfig
    planned: str
    rescore: Rescore

    @property
    def choices(self) -> Choices:
        """In the order in which they are changed; videos: cascade, settings of the cell, stages and device."""
        suite = self.plan.suite
        return {
            "profile": self.config.choices,
            "extractor": self.config.extractor,
            "reference": suite.reference,
            "samples_per_prompt": suite.samples_per_prompt,
            "seeds": suite.run_seeds,
            "prompts": self.plan.prompts,
            "videos": self,
        }

    def in_words(self) -> str:
        """The cascade, and a digest of what decides the videos beside prompts and seeds."""
        part, execution = self.plan.suite.stages, self.plan.execution
        found = digest([self.planned, part.model_dump(mode="json"), execution.model_dump(mode="json")])
        return f"{self.plan.source.spec.name}, videos {found[:8]}"

    def rescored(self, choices: Choices) -> Score | None:
        """By a plan of one metric."""
        return self.rescore(self._plan_with(choices), self.planned)

    def _plan_with(self, choices: Choices) -> Plan:
        suite, seeds = self.plan.suite, choices["seeds"]
        metric = MetricUnder(name=self.config.name, extractor=choices["extractor"], given=choices["profile"])
        chosen = {
            "metrics": (metric,),
            "reference": choices["reference"],
            "samples_per_prompt": choices["samples_per_prompt"],
            "seeds": seeds,
            "runs": len(seeds),
            "published": None,
            "conclusions": (),
        }
        suite = suite.model_copy(update=chosen)
        return build_plan(suite, self.plan.source, self.plan.execution, choices["prompts"], variants=self.plan.variants)
