"""Trade-offs and sweeps: what is drawn is what the numbers beside say, and labels hide nothing."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivbench.report.charts import charts
from ivbench.report.labels import Box, dodge, place
from ivbench.report.sources import Source
from ivbench.report.svg import Scale, value_scale
from ivbench.report.sweeps import sweeps
from ivbench.results.schema import Results
from tests.report.fixtures import make_results, other_run, swept

_TEXT = "{http://www.w3.org/2000/svg}text"


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return make_results(tmp_path_factory.mktemp("run"))


def _texts(svg: str) -> list[str]:
    return [each.text or "" for each in ElementTree.fromstring(svg).iter(_TEXT)]


def test_numbers_beside_a_trade_off_are_those_of_its_cells_cheapest_first(results: Results) -> None:
    chart = charts([Source("", results, Path())])[2]
    assert chart.title == "CLIP score [shapes-clip]"
    assert [(row.number, row.value) for row in chart.rows] == [
        ("4", "72.10"),
        ("1", "61.40"),
        ("2", "74.90"),
        ("3", "73.20"),
    ]
    assert chart.rows[2].interval == "[74.00,\N{NO-BREAK SPACE}75.80]"


def test_leaders_are_the_cells_that_none_beats_at_the_same_or_a_lower_cost(results: Results) -> None:
    by_title = {chart.title: chart for chart in charts([Source("", results, Path())])}
    assert [row.number for row in by_title["CLIP score [shapes-clip]"].rows if row.leads] == ["4", "2"]
    assert [row.number for row in by_title["frame FID [shapes-frame]"].rows if row.leads] == ["4", "2"]


def test_a_score_that_decides_nothing_leads_nowhere(results: Results) -> None:
    cells = [
        cell.model_copy(update={"scores": [score.model_copy(update={"decisive": False}) for score in cell.scores]})
        for cell in results.cells
    ]
    drawn = charts([Source("", results.model_copy(update={"cells": cells}), Path())])
    assert not any(row.leads for chart in drawn for row in chart.rows)


def test_several_runs_share_a_chart_only_under_one_protocol(results: Results) -> None:
    sources = [Source("main", results, Path()), Source("branch", other_run(results), Path())]
    sizes = [(chart.title, len(chart.rows)) for chart in charts(sources)]
    assert sizes == [
        ("frame FID [shapes-frame]", 8),
        ("FVD [shapes-video]", 4),
        ("CLIP score [shapes-clip]", 8),
        ("CLIP R-Precision [shapes-clip]", 8),
        ("FVD [shapes-video]", 4),
    ]


def test_runs_of_which_one_was_not_timed_are_set_over_flops(results: Results) -> None:
    cells = [
        cell.model_copy(update={"costs": [cost.model_copy(update={"seconds": None}) for cost in cell.costs]})
        for cell in results.cells
    ]
    untimed = results.model_copy(update={"cells": cells})
    drawn = charts([Source("a", results, Path()), Source("b", untimed, Path())])
    assert {chart.cost for chart in drawn} == {"GFLOPs a video"}
    assert len(drawn[0].rows) == 8


@pytest.fixture(scope="module")
def sweep_results(results: Results) -> Results:
    return swept(results)


def test_a_sweep_has_a_line_for_each_combination_of_the_other_settings(sweep_results: Results) -> None:
    found = sweeps(sweep_results)
    assert [sweep.title for sweep in found] == [score.label for score in sweep_results.cells[0].scores]
    sweep = found[2]
    assert (sweep.axis, sweep.places) == ("guidance weight w", ["0", "1", "3", "6", "15"])
    assert [(row.letter, row.label) for row in sweep.rows] == [("a", "ddim"), ("b", "ancestral")]
    values = [cell.scores[2].value for cell in sweep_results.cells]
    assert [float(value) for row in sweep.rows for value, _ in row.entries] == pytest.approx(values, abs=0.005)


def test_a_sweeps_marks_stand_at_their_values(sweep_results: Results) -> None:
    """The names on the axis lie where the values do: at distances as those of 0, 1, 3, 6 and 15."""
    root = ElementTree.fromstring(sweeps(sweep_results)[0].svg)
    at = {}
    for each in root.iter(_TEXT):
        match = re.match(r"translate\(([\d.]+),16\)", each.get("transform", ""))
        if match and each.text:
            at[each.text] = float(match[1])
    assert {"0", "3", "6", "15"} <= at.keys()
    scale = (at["15"] - at["0"]) / 15
    assert {name: (x - at["0"]) / scale for name, x in at.items()} == pytest.approx(
        {name: float(name) for name in at}, abs=0.1
    )


def test_lines_differ_without_colour(sweep_results: Results) -> None:
    svg = sweeps(sweep_results)[0].svg
    dashes = set(re.findall(r'stroke-dasharray="([^"]+)"', svg))
    assert len(dashes) >= 2
    assert {"a", "b"} <= set(_texts(svg))


def test_two_values_are_no_sweep_and_oscillation_is_no_weight(results: Results, sweep_results: Results) -> None:
    assert sweeps(results) == []
    for guidance in ("osc(15,1)", "w=6/osc(15,1)"):
        cells = list(sweep_results.cells)
        cells[0] = cells[0].model_copy(update={"settings": {**cells[0].settings, "guidance": guidance}})
        found = sweeps(sweep_results.model_copy(update={"cells": cells}))
        assert found[0].places == ["0", "1", "3", "6", "15"]
        assert found[0].rows[0].entries[0] == ("", "")


def test_settings_by_stage_and_no_augmentation_keep_their_order(sweep_results: Results) -> None:
    names = {"steps": ["32/8", "4/2", "16/6"], "augmentation_snr": ["none", 5.0, 3.0]}
    for key, values in names.items():
        cells = [
            cell.model_copy(update={"settings": {**cell.settings, "guidance": "w=1", key: value}})
            for cell, value in zip(sweep_results.cells[:3], values, strict=True)
        ]
        found = sweeps(sweep_results.model_copy(update={"cells": cells}))
        assert found[0].places == {"steps": ["4/2", "16/6", "32/8"], "augmentation_snr": ["3", "5", "none"]}[key]


def test_a_hostile_setting_is_text_in_the_drawing(sweep_results: Results) -> None:
    cells = [
        cell.model_copy(update={"settings": {**cell.settings, "guidance": f"\"'+alert({index})<b>"}})
        for index, cell in enumerate(sweep_results.cells[:4])
    ]
    svg = sweeps(sweep_results.model_copy(update={"cells": cells}))[0].svg
    assert "<b>" not in svg
    assert "\"'+alert(0)<b>" in _texts(svg)


_SPOTS = st.lists(st.tuples(st.floats(0, 380), st.floats(0, 236)), min_size=1, max_size=40)


@given(spots=_SPOTS, text=st.text("0123456789 abc", min_size=1, max_size=20))
def test_labels_lie_inside_the_panel_over_no_point_and_no_other_label(
    spots: list[tuple[float, float]], text: str
) -> None:
    panel = Box(-4, -8, 388, 236)
    placed = place(spots, [text] * len(spots), range(len(spots)), panel)
    width = 6.4 * len(text)
    boxes = []
    for found in placed:
        left = {"left": found.x, "right": found.x - width, "center": found.x - width / 2}[found.align]
        boxes.append(Box(left, found.y - 5, left + width, found.y + 5))
    for index, box in enumerate(boxes):
        assert box.inside(panel)
        assert not any(box.meets(Box(x - 4, y - 4, x + 4, y + 4)) for x, y in spots)
        assert not any(box.meets(other) for other in boxes[index + 1 :])


def test_a_label_lies_over_a_line_only_where_it_has_no_room_else() -> None:
    panel, right = Box(0, 0, 100, 100), Box(51, 0, 100, 100)
    (clear,) = place([(50, 50)], ["a 3"], [0], panel, lines=[right])
    assert (clear.x, clear.align) == (42, "right")
    (over,) = place([(50, 50)], ["a 3"], [0], panel, lines=[panel])
    assert (over.x, over.align) == (58, "left")
    assert place([(50, 50)], ["a 3"], [0], panel, taken=[panel]) == []


@given(heights=st.lists(st.floats(0, 236), min_size=1, max_size=15))
def test_dodged_heights_keep_their_order_and_their_distance(heights: list[float]) -> None:
    moved = dodge(heights, 236)
    order = sorted(range(len(heights)), key=lambda index: heights[index])
    gaps = [moved[after] - moved[before] for before, after in pairwise(order)]
    assert all(gap >= 12 - 1e-9 for gap in gaps)
    assert max(moved) <= 236


@given(low=st.floats(1e-3, 1e3), factor=st.floats(1.01, 1e4), log=st.booleans(), share=st.floats(0, 1))
def test_a_scale_and_back_is_the_same_value(low: float, factor: float, log: bool, share: float) -> None:
    scale = Scale(low, low * factor, log, 380)
    value = low + share * (low * factor - low)
    assert scale.value(scale.place(value)) == pytest.approx(value, rel=1e-9)


@given(values=st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=9))
def test_a_scale_holds_its_values_and_has_few_marks(values: list[float]) -> None:
    scale = value_scale(values, 236)
    assert scale.low < min(values) <= max(values) < scale.high
    assert scale.ticks is None or len(scale.ticks) <= 8
