"""Fidelity against alignment: what is drawn is what the table says, in order of w, and only where there is an axis."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from ivbench.report.build import build
from ivbench.report.fidelity import FidelityChart, fidelity_charts
from ivbench.report.sweeps import sweeps
from ivbench.results.schema import Cell, Results, Score
from tests.report.fixtures import make_results, oscillating, swept

_SVG = "{http://www.w3.org/2000/svg}"
_AT = r"translate\((-?[\d.]+),(-?[\d.]+)\)"
_HEADING = '<h2 id="fidelity">'
Change = Callable[[Cell], dict[str, object]]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """Two samplers at w = 0, 1, 3, 6, 15 and oscillating."""
    return oscillating(swept(make_results(tmp_path_factory.mktemp("run"))))


@pytest.fixture(scope="module")
def charts(results: Results) -> list[FidelityChart]:
    return fidelity_charts(results)


def _changed(results: Results, change: Change) -> Results:
    cells = [cell.model_copy(update=change(cell)) for cell in results.cells]
    return results.model_copy(update={"cells": cells})


def _with_settings(**settings: object) -> Change:
    return lambda cell: {"settings": {**cell.settings, **settings}}


def _at(element: ElementTree.Element) -> tuple[float, float]:
    match = re.match(_AT, element.get("transform", ""))
    assert match
    return float(match[1]), float(match[2])


def _measure(svg: str) -> tuple[Callable[[float], float], Callable[[float], float]]:
    """From pixels to values along both axes, by the names of their marks; 3 pixels lie below a name's middle."""
    named = [each for each in ElementTree.fromstring(svg).iter(f"{_SVG}text") if each.get("class") == "fill-muted"]
    across = [(_at(each)[0], float(each.text or "")) for each in named if each.get("text-anchor") == "middle"]
    up = [(_at(each)[1] - 3, float(each.text or "")) for each in named if each.get("text-anchor") == "end"]
    assert min(len(across), len(up)) >= 3
    return tuple(np.poly1d(np.polyfit(*zip(*pairs, strict=True), 1)) for pairs in (across, up))


def _drawn(svg: str) -> dict[str, list[list[tuple[float, float]]]]:
    """Positions in pixels: groups of full marks, of hollow marks, of lines' corners, of both ends of intervals."""
    found: dict[str, list[list[tuple[float, float]]]] = {
        "full": [],
        "hollow": [],
        "line": [],
        "flat": [],
        "upright": [],
    }
    for group in ElementTree.fromstring(svg).iter(f"{_SVG}g"):
        own = [each for each in group if "point" in each.get("class", "")]
        if not own:
            continue
        if own[0].tag == f"{_SVG}line":
            starts = [(*_at(each), float(each.get("x2", "0")), float(each.get("y2", "0"))) for each in own]
            kind = "flat" if any(across for *_, across, _ in starts) else "upright"
            found[kind].append([end for x, y, across, up in starts for end in ((x, y), (x + across, y + up))])
        elif "transform" in own[0].attrib:
            found["hollow" if "fill-paper" in own[0].get("class", "") else "full"].append([_at(each) for each in own])
        else:
            corners = re.findall(r"(-?[\d.]+),(-?[\d.]+)", own[0].get("d", ""))
            found["line"].append([(float(x), float(y)) for x, y in corners])
    return found


def _values(chart: FidelityChart, hollow: bool) -> list[list[tuple[float, float]]]:
    return [
        [(float(row.x), float(row.y)) for row in line.rows if row.guidance.startswith("osc") == hollow]
        for line in chart.lines
    ]


def test_fvd_and_frame_fid_stand_over_the_clip_score(charts: list[FidelityChart]) -> None:
    assert [(chart.y, chart.x) for chart in charts] == [
        ("FVD [shapes-video]", "CLIP score [shapes-clip]"),
        ("frame FID [shapes-frame]", "CLIP score [shapes-clip]"),
    ]
    assert {chart.direction for chart in charts} == {"right and down is better"}
    for chart in charts:
        texts = [each.text for each in ElementTree.fromstring(chart.svg).iter(f"{_SVG}text")]
        assert texts.count(chart.x) == texts.count(chart.y) == 1


def test_the_table_has_the_cells_numbers_in_order_of_w(results: Results, charts: list[FidelityChart]) -> None:
    cells = {
        (cell.settings["sampler"], str(cell.settings["guidance"]).removeprefix("w=")): cell for cell in results.cells
    }
    for chart, name in zip(charts, ("fvd", "frame_fid"), strict=True):
        assert [(line.letter, line.label) for line in chart.lines] == [("a", "ddim"), ("b", "ancestral")]
        for line in chart.lines:
            assert [row.guidance for row in line.rows] == ["0", "1", "3", "6", "15", "osc(15,1)/6"]
            for row in line.rows:
                scores = {score.metric: score for score in cells[line.label, row.guidance].scores}
                assert float(row.x) == pytest.approx(scores["clip_score"].value, abs=0.005)
                assert float(row.y) == pytest.approx(scores[name].value, abs=0.005)
                assert _ends(row.x_interval) == pytest.approx(_interval(scores["clip_score"]), abs=0.005)
                assert _ends(row.y_interval) == pytest.approx(_interval(scores[name]), abs=0.005)


def _ends(text: str) -> list[float]:
    return [float(end) for end in text.strip("[]").split(",\N{NO-BREAK SPACE}")]


def _interval(score: Score) -> list[float]:
    assert score.interval is not None
    return [score.interval.low, score.interval.high]


def test_what_is_drawn_is_what_the_table_says(charts: list[FidelityChart]) -> None:
    """Marks, the line's corners and both intervals lie where the names on the axes say that the numbers lie."""
    for chart in charts:
        across, up = _measure(chart.svg)
        drawn = {
            kind: [[(across(x), up(y)) for x, y in group] for group in groups]
            for kind, groups in _drawn(chart.svg).items()
        }
        assert _close(drawn["full"], _values(chart, hollow=False))
        assert _close(drawn["hollow"], _values(chart, hollow=True))
        assert _close(drawn["line"], _values(chart, hollow=False))
        flat = [[(end, float(row.y)) for row in line.rows for end in _ends(row.x_interval)] for line in chart.lines]
        upright = [[(float(row.x), end) for row in line.rows for end in _ends(row.y_interval)] for line in chart.lines]
        assert _close(drawn["flat"], flat)
        assert _close(drawn["upright"], upright)


def _close(drawn: list[list[tuple[float, float]]], values: list[list[tuple[float, float]]]) -> bool:
    """Within a pixel or so: CLIP scores span some 25, FVD some 3, frame FID some 0.5."""
    assert [len(group) for group in drawn] == [len(group) for group in values]
    pairs = [pair for groups in zip(drawn, values, strict=True) for pair in zip(*groups, strict=True)]
    scale = max(y for _, (_, y) in pairs)
    return all(abs(a - x) < 0.1 and abs(b - y) < 0.01 * scale for (a, b), (x, y) in pairs)


def test_a_line_turns_back_where_the_score_falls_along_w(charts: list[FidelityChart]) -> None:
    """In order of w, not from left to right: ddim's CLIP score rises, falls and falls again."""
    across = [x for x, _ in _drawn(charts[0].svg)["line"][0]]
    assert across != sorted(across)
    assert across[1] == max(across)


def test_each_mark_has_its_w_and_lines_differ_without_colour(charts: list[FidelityChart]) -> None:
    for chart in charts:
        texts = {each.text for each in ElementTree.fromstring(chart.svg).iter(f"{_SVG}text")}
        assert {f"{line.letter} {row.guidance}" for line in chart.lines for row in line.rows} <= texts
        assert len(set(re.findall(r'stroke-dasharray="([^"]+)"', chart.svg))) == 2
        assert len({d for d in re.findall(r'\) *" d="([^"]+)"', chart.svg)}) == 2


def test_one_line_needs_no_letter(results: Results) -> None:
    cells = [cell for cell in results.cells if cell.settings["sampler"] == "ddim"]
    (line,) = fidelity_charts(results.model_copy(update={"cells": cells}))[0].lines
    assert (line.letter, line.label) == ("", "all")
    assert [row.guidance for row in line.rows] == ["0", "1", "3", "6", "15", "osc(15,1)/6"]


def test_weights_by_stage_keep_their_order(results: Results) -> None:
    guidance = {"w=0": "w=10/0", "w=1": "w=1/0", "w=3": "w=2"}
    changed = _changed(
        results, lambda cell: {"settings": {**cell.settings, "guidance": guidance.get(str(cell.settings["guidance"]))}}
    )
    assert [row.guidance for row in fidelity_charts(changed)[0].lines[0].rows] == ["1/0", "2", "10/0"]


def test_an_oscillation_in_a_later_stage_is_a_single_point_too(results: Results) -> None:
    changed = _changed(
        results,
        lambda cell: {"settings": {**cell.settings, "guidance": "w=6/osc(15,1)"}} if "osc" in cell.id else {},
    )
    for line in fidelity_charts(changed)[0].lines:
        assert [row.guidance for row in line.rows] == ["0", "1", "3", "6", "15", "6/osc(15,1)"]
    assert sweeps(changed)[0].places == ["0", "1", "3", "6", "15"]


def test_an_oscillation_of_other_settings_is_at_no_line(results: Results) -> None:
    changed = _changed(results, lambda cell: _with_settings(steps=64)(cell) if "osc" in cell.id else {})
    chart = fidelity_charts(changed)[0]
    assert [len(line.rows) for line in chart.lines] == [5, 5]
    assert [line.label for line in chart.lines] == ["ddim, steps 16", "ancestral, steps 16"]


def test_a_score_without_an_interval_has_no_cross(results: Results) -> None:
    def change(cell: Cell) -> dict[str, object]:
        return {
            "scores": [
                score.model_copy(update={"interval": None}) if score.metric == "fvd" else score for score in cell.scores
            ]
        }

    drawn = _drawn(fidelity_charts(_changed(results, change))[0].svg)
    assert drawn["upright"] == []
    assert [len(group) for group in drawn["flat"]] == [12, 12]


def _undecided(metric: str, guidance: tuple[str, ...]) -> Change:
    def change(cell: Cell) -> dict[str, object]:
        decisive = cell.settings["guidance"] not in guidance
        scores = [
            score.model_copy(update={"decisive": decisive}) if score.metric == metric else score
            for score in cell.scores
        ]
        return {"scores": scores}

    return change


def test_scores_that_decide_nothing_are_not_drawn(results: Results) -> None:
    one = fidelity_charts(_changed(results, _undecided("clip_score", ("w=3", "osc(15,1)/6"))))
    assert [row.guidance for row in one[0].lines[0].rows] == ["0", "1", "6", "15"]
    three = fidelity_charts(_changed(results, _undecided("fvd", ("w=3", "w=6", "w=15"))))
    assert [chart.y for chart in three] == ["frame FID [shapes-frame]"]


def test_nothing_is_drawn_without_an_axis_or_a_metric(results: Results, tmp_path: Path) -> None:
    plain = make_results(tmp_path)
    assert fidelity_charts(plain) == []
    assert _HEADING not in build(plain, tmp_path)
    two = [cell for cell in results.cells if cell.settings["guidance"] in ("w=0", "w=3", "osc(15,1)/6")]
    assert fidelity_charts(results.model_copy(update={"cells": two})) == []
    oscillations = _changed(
        results.model_copy(update={"cells": results.cells[:5]}),
        lambda cell: {"settings": {**cell.settings, "guidance": f"osc({cell.guidance_w:g},1)"}},
    )
    assert fidelity_charts(oscillations) == []
    unaligned = _changed(results, lambda cell: {"scores": [one for one in cell.scores if one.metric != "clip_score"]})
    assert fidelity_charts(unaligned) == []


def test_each_pair_of_protocols_has_a_chart_that_names_it(results: Results) -> None:
    def twice(cell: Cell) -> dict[str, object]:
        found = next(score for score in cell.scores if score.metric == "fvd")
        other = found.model_copy(update={"protocol": "fvd/shapes@1+ffffffff", "value": found.value + 1})
        return {"scores": [*cell.scores, other]}

    fvd, other, fid = fidelity_charts(_changed(results, twice))
    assert other.protocols == "fvd/shapes@1+ffffffff against clip_score/shapes@1+636c6970"
    assert fvd.protocols.startswith("fvd/shapes@1+667664 ")
    assert fid.protocols == ""
    assert [float(row.y) for row in other.lines[0].rows] == pytest.approx(
        [float(row.y) + 1 for row in fvd.lines[0].rows]
    )


def test_a_protocol_of_its_own_leaves_a_cell_out(results: Results) -> None:
    """One failed video is enough: the cell's number is of another protocol than its neighbours'."""
    cells = list(results.cells)
    scores = [
        score.model_copy(update={"protocol": "fvd/shapes@1+ffffffff"}) if score.metric == "fvd" else score
        for score in cells[1].scores
    ]
    cells[1] = cells[1].model_copy(update={"scores": scores})
    charts = fidelity_charts(results.model_copy(update={"cells": cells}))
    assert len(charts) == 2
    assert [row.guidance for row in charts[0].lines[0].rows] == ["0", "3", "6", "15", "osc(15,1)/6"]


def test_many_lines_are_parted(results: Results) -> None:
    cells = [
        cell.model_copy(update={"id": f"{cell.id}-{steps}", "settings": {**cell.settings, "steps": steps}})
        for steps in (4, 8, 16, 32)
        for cell in results.cells
    ]
    charts = [chart for chart in fidelity_charts(results.model_copy(update={"cells": cells})) if "FVD" in chart.y]
    assert [(chart.part, len(chart.lines)) for chart in charts] == [("1 of 2", 6), ("2 of 2", 2)]
    assert len({line.label for chart in charts for line in chart.lines}) == 8


def test_the_page_shows_them_between_cost_and_sweeps(results: Results, tmp_path: Path) -> None:
    folder = tmp_path
    page = build(oscillating(swept(make_results(folder))), folder)
    order = [page.index(f'<h2 id="{name}">') for name in ("tradeoff", "fidelity", "sweeps")]
    assert order == sorted(order)
    section = page[order[1] : order[2]]
    for line in fidelity_charts(results)[0].lines:
        assert f'<b class="letter">{line.letter}</b> {line.label}' in section
        for row in line.rows:
            assert f'<span class="value">{row.x}</span> <span class="interval">{row.x_interval}</span>' in section
            assert f'<span class="value">{row.y}</span> <span class="interval">{row.y_interval}</span>' in section


def test_a_hostile_setting_is_text_in_the_drawing(results: Results) -> None:
    def change(cell: Cell) -> dict[str, object]:
        return {"settings": {**cell.settings, "guidance": f"<b>&\"'{cell.guidance_w}"}} if cell.guidance_w else {}

    chart = fidelity_charts(_changed(results, change))[0]
    assert "<b>" not in chart.svg
    assert "a <b>&\"'1.0" in [each.text for each in ElementTree.fromstring(chart.svg).iter(f"{_SVG}text")]
