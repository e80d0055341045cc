"""A page on which nothing changed rarely says that something is better or worse; one with a change does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ivbench.cli.report import compared
from ivbench.report import Source
from ivbench.report.runs import run_tables, run_verdict
from ivbench.report.verdict import basis, verdict
from ivbench.results.schema import Results, Score
from tests.report.fixtures import make_results
from tests.report.null_pages import CELLS, METRICS, null_results, with_differences

PAGES = 6
"""Without a correction every one of them claims something; with it, of so many one at most."""


@pytest.fixture(scope="module")
def like(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return make_results(tmp_path_factory.mktemp("run"))


def _claims(text: str) -> bool:
    return re.search(r"\b([Bb]etter|worse)\b", text) is not None


def _of_one_run(results: Results) -> list[str]:
    said = verdict(results)
    return [*said.headline, *(claim for card in said.cards for claim in card.claims)]


def _sources(old: Results, new: Results) -> list[Source]:
    return [Source("a", old, Path()), Source("b", new, Path())]


def test_equal_cells_are_rarely_called_better(like: Results) -> None:
    pages = [with_differences(null_results(like, seed)) for seed in range(PAGES)]
    assert sum(any(one.significant for one in page.differences) for page in pages) == PAGES
    assert sum(any(map(_claims, _of_one_run(page))) for page in pages) <= 1


def test_equal_runs_are_rarely_called_better_or_worse(like: Results) -> None:
    found = []
    for seed in range(PAGES):
        sources = _sources(null_results(like, seed), null_results(like, 100 + seed))
        against = compared(sources)
        table = [entry.verdict for one in run_tables(sources, against) for row in one.rows for entry in row.entries]
        found.append(any(map(_claims, [*run_verdict(sources, against), *table])))
    assert sum(found) <= 1


def test_what_differs_by_chance_alone_is_not_said_to_be_visible(like: Results) -> None:
    """Its interval excludes 0: the smallest difference that would show by itself is no comfort beside it."""
    changes = [
        change
        for seed in range(3)
        for change in compared(_sources(null_results(like, seed), null_results(like, 100 + seed)))[0].changes
    ]
    chance = [change for change in changes if change.p_value is not None and change.p_value < 0.05]
    assert chance
    assert {(change.verdict, change.detectable) for change in chance} == {("no difference seen", None)}


def test_a_change_of_every_prompt_is_still_found(like: Results) -> None:
    old = null_results(like, 0)
    moved = [
        cell.model_copy(update={"scores": [_raised(score) for score in cell.scores]}) if cell.id == "c3" else cell
        for cell in old.cells
    ]
    new = old.model_copy(update={"cells": moved})
    lines = run_verdict(_sources(old, new), compared(_sources(old, new)))
    assert "better in 1 of the 8 cells (most in cell 3: +6.00" in lines[0]
    headline = verdict(with_differences(new)).headline
    assert headline[0].startswith(f"cell 3 is better than every other cell by each of the {METRICS} metrics")


def _raised(score: Score) -> Score:
    rows = [[value + 6.0 for value in row if value is not None] for row in score.by_prompt]
    return score.model_copy(update={"by_prompt": rows, "value": score.value + 6.0})


def test_the_page_says_what_stands_behind_better(like: Results) -> None:
    pairs = CELLS * (CELLS - 1) // 2
    assert verdict(null_results(like, 0)).basis == basis(METRICS * pairs)
    assert "for all 112 differences together (Holm's correction)" in basis(METRICS * pairs)
    assert basis(0) == ""
