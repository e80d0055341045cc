"""The cascade stage by stage, in the form of the paper's Figure 6, with each cell's settings and costs."""

from __future__ import annotations

from dataclasses import dataclass

from ivbench.report.formats import count, number, quantity, seconds, setting
from ivbench.report.sources import Source, label
from ivbench.report.tables import total_flops, total_nfe, total_seconds
from ivbench.results.schema import Cell, StageCost, StageInfo
from ivbench.results.totals import total as sum_of

__all__ = ["CellStages", "cell_stages"]

_NONE = "\N{EN DASH}"


@dataclass(frozen=True)
class CellStages:
    """One cell's rows, which begin with the stage's own figures and go on with its settings and costs; and totals."""

    label: str
    rows: list[list[str]]
    total: list[str]


def cell_stages(source: Source) -> list[CellStages]:
    """A table a cell. A cell without costs has the stages' own figures."""
    return [_cell(source, cell) for cell in source.results.cells]


def _cell(source: Source, cell: Cell) -> CellStages:
    stages = source.results.cascade.stages
    costs = {cost.stage: cost for cost in cell.costs}
    rows = [[*_stage(stage), *_cost(costs.get(stage.name))] for stage in stages]
    parameters = quantity(sum_of(stage.parameters for stage in stages))
    total = ["all stages", "", "", "", parameters, "", ""]
    totals = [count(total_nfe(cell)), quantity(total_flops(cell)), seconds(total_seconds(cell)), ""]
    return CellStages(label(source, cell), rows, [*total, *(totals if cell.costs else [_NONE, _NONE, _NONE, ""])])


def _stage(stage: StageInfo) -> list[str]:
    shape = f"{stage.frames} \N{MULTIPLICATION SIGN} {stage.height} \N{MULTIPLICATION SIGN} {stage.width}"
    kind = stage.kind.upper() if stage.kind in ("tsr", "ssr") else stage.kind
    return [stage.name, kind, shape, setting(stage.fps), quantity(stage.parameters)]


def _cost(cost: StageCost | None) -> list[str]:
    if cost is None:
        return [_NONE] * 6
    memory = _NONE if cost.peak_memory_mib is None else f"{number(cost.peak_memory_mib, 0)}\N{NO-BREAK SPACE}MiB"
    figures = [count(cost.steps), count(cost.nfe), quantity(cost.flops), seconds(cost.seconds), memory]
    return [cost.sampler, *figures]
