"""Conclusions in a suite, a paper's or one's own, to be put to the test on the cells' own numbers."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from ivbench.config.parse import Frozen

__all__ = ["ConclusionConfig"]

Quantity = Literal["seconds", "seconds_parallel", "flops", "nfe"]


class ConclusionConfig(Frozen):
    """One conclusion on two cells.

    `non_inferior`: `of` loses less than a margin against `to`. `equivalent`: neither loses nor gains as much as the
    margin. `better`: `of` is better than `to`. `ratio`: a cost of `to` over that of `of`.
    """

    text: str = Field(min_length=1, max_length=300, description="in words: distillation keeps quality")
    kind: Literal["non_inferior", "equivalent", "better", "ratio"]
    of: str = Field(description="label of the cell that the conclusion speaks of")
    to: str = Field(description="label of the cell that it is held against")
    metric: str | None = Field(default=None, description="of every kind but ratio: a metric of the suite")
    margin: float | None = Field(default=None, gt=0, description="non_inferior, equivalent: in the metric's unit")
    margin_of_gap: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        description="non_inferior, equivalent: share of the gap between the ground truth's value and its value under "
        "shuffled captions",
    )
    quantity: Quantity | None = Field(
        default=None,
        description="ratio: of one video; seconds_parallel counts guidance's two evaluations as one, as on two devices",
    )
    at_least: float | None = Field(default=None, gt=0, description="ratio: holds from this ratio on")
    near: Quantity | None = Field(default=None, description="ratio: holds near the ratio of this quantity")
    tolerance: float | None = Field(default=None, gt=0, description="ratio: how near, relatively")
    published: float | None = Field(
        default=None, description="the published difference or ratio; without one it is a test of one's own"
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        margin = self.metric is not None and (self.margin is None) != (self.margin_of_gap is None)
        needs = {
            "non_inferior": margin,
            "equivalent": margin,
            "better": self.metric is not None and self.margin is None and self.margin_of_gap is None,
            "ratio": self.quantity is not None
            and (self.at_least is None) != (self.near is None)
            and (self.near is None) == (self.tolerance is None),
        }
        if not needs[self.kind]:
            says = {
                "non_inferior": "a metric, and one of margin and margin_of_gap",
                "equivalent": "a metric, and one of margin and margin_of_gap",
                "better": "a metric, and no margin",
                "ratio": "a quantity, and at_least, or near with its tolerance",
            }
            raise ValueError(f"a conclusion of kind {self.kind} needs {says[self.kind]}")
        if (self.kind == "ratio") != (self.metric is None):
            raise ValueError("a quantity belongs to the kind ratio, a metric to every other")
        return self
