"""A paper's conclusions are shown as they were tested, in words and numbers, and nothing is decided anew."""

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
    ]
    assert [row.verdict for row in rows] == ["holds", "fails", "holds", "undecided", "undecided"]


def test_cells_stand_in_the_order_of_the_subtraction_or_the_division(run: tuple[Results, Path]) -> None:
    rows = rows_of(run[0]).conclusions
    assert rows[0].cells == "w=3 ddim 8 against w=3 ddim 32"
    assert rows[2].cells == "w=3 ddim 32 over w=3 ddim 8"
    assert (rows[2].quantity, rows[2].value, rows[2].published) == ("sampling time", f"4.02{TIMES}", "17.7")


def test_what_was_not_measured_is_a_dash(run: tuple[Results, Path]) -> None:
    found = rows_of(run[0])
    assert (found.conclusions[-1].value, found.conclusions[-1].interval) == ("\N{EN DASH}", "")
    assert [(row.metric, row.measured, row.published) for row in found.differences] == [
        ("CLIP score [shapes-clip]", f"{MINUS}6.6", "\N{EN DASH}")
    ]


def test_the_time_model_is_a_sentence_with_its_error(run: tuple[Results, Path]) -> None:
    assert rows_of(run[0]).time == (
        f"Sampling time of one video is {MINUS}2.00{SPACE}ms + 7.00{SPACE}ms for each evaluation of the base + "
        f"20.0{SPACE}ms for each evaluation of a super-resolution stage, within 4.3 % in every timed cell."
    )


def test_a_page_has_the_section_only_where_there_is_something_in_it(run: tuple[Results, Path]) -> None:
    assert "What the paper concludes" in build(*run)
    bare = run[0].model_copy(update={"conclusions": [], "published_differences": [], "time_model": None})
    assert "What the paper concludes" not in build(bare, run[1])
