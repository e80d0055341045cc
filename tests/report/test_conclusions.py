"""Conclusions are shown as they were tested, in words and numbers, and nothing is decided anew."""

from __future__ import annotations

from pathlib import Path

import pytest

from ivbench.report import build
from ivbench.report.conclusions import tests_of as rows_of
from ivbench.results.schema import Results
from tests.report.fixtures import make_results, with_conclusions

SPACE, MINUS, TIMES = "\N{NO-BREAK SPACE}", "\N{MINUS SIGN}", "\N{MULTIPLICATION SIGN}"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Results, Path]:
    folder = tmp_path_factory.mktemp("run")
    return with_conclusions(make_results(folder)), folder


def test_each_kind_says_what_was_asked_for(run: tuple[Results, Path]) -> None:
    rows = rows_of(run[0]).conclusions
    assert [row.asked for row in rows] == [
        f"margin {MINUS}5.00; one-sided 95 % bound {MINUS}3.60",
        "the interval excludes 0",
        f"within 10 % of 4.00{TIMES}",
        f"at least 8.00{TIMES}",
        "the interval excludes 0",
        f"margin \N{PLUS-MINUS SIGN}5.00; farther one-sided 95 % bound {MINUS}3.60",
    ]
    assert [row.verdict for row in rows] == ["holds", "fails", "holds", "undecided", "undecided", "holds"]


def test_a_ratio_says_whether_its_ends_are_a_range_or_it_is_exact(run: tuple[Results, Path]) -> None:
    rows = rows_of(run[0]).conclusions
    said = [(row.interval, row.basis) for row in rows if row.text in ("18 times faster", "fewer FLOPs")]
    assert said == [(f"[3.90,{SPACE}4.11]", "range over 3 repeats"), ("", "exact")]
    assert [row.basis for row in rows if row.text == "guidance helps"] == [""]


def test_conclusions_without_a_published_value_are_marked_as_ours(run: tuple[Results, Path]) -> None:
    assert [row.ours for row in rows_of(run[0]).conclusions] == [False, True, False, True, True, True]
    page = build(*run)
    assert page.count(" <small>ours</small>") == 4
    assert "tests of our own" in page
    published = [one for one in run[0].conclusions if one.published is not None]
    assert "tests of our own" not in build(run[0].model_copy(update={"conclusions": published}), run[1])


def test_cells_stand_in_the_order_of_the_subtraction_or_the_division(run: tuple[Results, Path]) -> None:
    rows = rows_of(run[0]).conclusions
    assert rows[0].cells == "w=3 ddim 8 against w=3 ddim 32"
    assert rows[2].cells == "w=3 ddim 32 over w=3 ddim 8"
    assert (rows[2].quantity, rows[2].value, rows[2].published) == ("sampling time", f"4.02{TIMES}", "17.7")


def test_what_was_not_measured_is_a_dash(run: tuple[Results, Path]) -> None:
    found = rows_of(run[0])
    assert (found.conclusions[4].value, found.conclusions[4].interval) == ("\N{EN DASH}", "")
    assert [(row.metric, row.measured, row.published) for row in found.differences] == [
        ("CLIP score [shapes-clip]", f"{MINUS}6.6", "\N{EN DASH}")
    ]


def test_the_time_model_is_a_sentence_with_its_error(run: tuple[Results, Path]) -> None:
    assert rows_of(run[0]).time == (
        f"Sampling time of one video is {MINUS}2.00{SPACE}ms + 7.00{SPACE}ms for each evaluation of the base + "
        f"20.0{SPACE}ms for each evaluation of a super-resolution stage, within 4.3 % in every timed cell. "
        f"With guidance in parallel, that is 7.00{SPACE}ms a base step and 40.0{SPACE}ms a step of all "
        f"super-resolution stages; published: 0.40{SPACE}s and 4.03{SPACE}s (A paper, Table 1)."
    )


def test_without_published_steps_the_time_model_stands_alone(run: tuple[Results, Path]) -> None:
    model = run[0].time_model
    assert model is not None
    alone = rows_of(run[0].model_copy(update={"time_model": model.model_copy(update={"published": None})})).time
    assert alone.endswith(f"40.0{SPACE}ms a step of all super-resolution stages.")
    old = model.model_copy(update={"published": None, "super_resolution_step": None})
    assert rows_of(run[0].model_copy(update={"time_model": old})).time.endswith("in every timed cell.")


def test_a_page_has_the_section_only_where_there_is_something_in_it(run: tuple[Results, Path]) -> None:
    assert "Conclusions put to the test</h2>" in build(*run)
    bare = run[0].model_copy(update={"conclusions": [], "published_differences": [], "time_model": None})
    assert "Conclusions put to the test" not in build(bare, run[1])
