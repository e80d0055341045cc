"""The verdict and bold type say what recorded differences support, and nothing more."""

from __future__ import annotations

from pathlib import Path

import pytest

from ivbench.report.claims import Claims
from ivbench.report.scores import blocks
from ivbench.report.sources import Source
from ivbench.report.tables import main_table
from ivbench.report.verdict import verdict
from ivbench.results.schema import Difference, Results, Score
from tests.report.fixtures import make_results


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return make_results(tmp_path_factory.mktemp("run"))


def _without_ties(results: Results) -> Results:
    differences = [found if found.significant else _certain(found) for found in results.differences]
    return results.model_copy(update={"differences": differences})


def _certain(found: Difference) -> Difference:
    ends = sorted((0.9 * found.value, 1.1 * found.value))
    interval = found.interval.model_copy(update={"low": ends[0], "high": ends[1]})
    return found.model_copy(update={"significant": True, "interval": interval})


def _undecided(results: Results) -> Results:
    cells = [
        cell.model_copy(update={"scores": [score.model_copy(update={"decisive": False}) for score in cell.scores]})
        for cell in results.cells
    ]
    return results.model_copy(update={"cells": cells})


def test_lower_is_better_turns_the_order(results: Results) -> None:
    claims = Claims(results)
    best = [claims.best(metric) for metric in claims.metrics]
    assert [cell.label for cell in best if cell is not None] == ["w=3 ddim 32"] * 4


def test_a_pair_reads_the_same_from_both_sides(results: Results) -> None:
    claims = Claims(results)
    a, b = results.cells[0], results.cells[1]
    for metric in claims.metrics:
        forwards, backwards = claims.relate(metric, a, b), claims.relate(metric, b, a)
        assert (forwards.verdict, backwards.verdict) == ("worse", "better")
        assert forwards.amount == -backwards.amount
        assert forwards.interval == tuple(-end for end in reversed(backwards.interval))


def test_a_lead_within_the_noise_is_called_one(results: Results) -> None:
    said = verdict(results)
    assert said.headline[0] == (
        "w=3 ddim 32 is better than every other cell by CLIP score [shapes-clip]: ahead of w=3 ancestral 32, the next, "
        "by 1.70 [0.80,\N{NO-BREAK SPACE}2.60]."
    )
    assert "has the best value but is not told apart from w=3 ancestral 32." in said.headline[1]
    assert any(claim.startswith("Not told apart") for claim in said.cards[0].claims)


def test_better_than_every_other_needs_every_difference(results: Results) -> None:
    certain = _without_ties(results)
    (line,) = verdict(certain).headline
    assert line.startswith("w=3 ddim 32 is better than every other cell by each of the 4 metrics: ahead of w=3 ")
    assert "by 1.70 [0.80,\N{NO-BREAK SPACE}2.60] in CLIP score [shapes-clip]" in line
    some = certain.model_copy(update={"differences": certain.differences[1:]})
    lines = verdict(some).headline
    assert any("not all differences from it were tested" in line for line in lines)


def test_no_difference_no_claim_and_no_bold(results: Results) -> None:
    bare = results.model_copy(update={"differences": []})
    said, table = verdict(bare), main_table(bare)
    assert not any("etter than" in text for text in [*said.headline, *(c for card in said.cards for c in card.claims)])
    assert not any(entry.strong for row in table.rows for entry in row.entries)
    assert not table.marks_ties


def test_a_cell_whose_rivals_do_not_decide_is_not_called_better(results: Results) -> None:
    alone = [results.cells[0], *_undecided(results).cells[1:]]
    lines = verdict(results.model_copy(update={"cells": alone})).headline
    assert lines == [
        "w=0 ddim 32 has the best value by each of the 4 metrics; not all differences from it were tested."
    ]


def test_scores_that_do_not_decide_win_nothing(results: Results) -> None:
    said = verdict(_undecided(results))
    assert said.headline == ["No score decides: too few samples, or none."]
    assert all(card.value == "" for card in said.cards)


def test_bold_marks_the_best_and_its_ties(results: Results) -> None:
    table = main_table(results)
    column = [column.title for column in table.columns].index("frame FID")
    assert [row.entries[column].strong for row in table.rows] == [False, True, True, False]


def test_a_difference_under_another_protocol_supports_nothing(results: Results) -> None:
    other = [found.model_copy(update={"protocol": "other@1+0"}) for found in results.differences]
    claims = Claims(results.model_copy(update={"differences": other}))
    relations = [relation.verdict for metric in claims.metrics for _, relation in claims.rivals(metric)]
    assert set(relations) == {"untested"}


def test_failures_and_problems_come_first(results: Results) -> None:
    broken = results.cells[0].model_copy(update={"scores": [], "complete": False, "problem": "NaN in stage base"})
    counts = results.cells[1].scores[0].counts.model_copy(update={"failed": 3})
    failed = results.cells[1].model_copy(
        update={"scores": [results.cells[1].scores[0].model_copy(update={"counts": counts})]}
    )
    said = verdict(results.model_copy(update={"cells": [broken, failed, *results.cells[2:]]}))
    assert said.warnings == [
        "w=0 ddim 32 has no scores: NaN in stage base",
        "w=3 ddim 32: 3 of 64 videos failed.",
    ]


def _one_video_short(results: Results, index: int, value: float) -> Results:
    """The same, one cell's CLIP score of one video fewer: `generated` is a field of the protocol."""

    def short(score: Score) -> Score:
        if score.metric != "clip_score":
            return score.model_copy(update={"fields": {**score.fields, "generated": 64}})
        fields = {**score.fields, "generated": 63}
        return score.model_copy(update={"value": value, "protocol": "clip_score/shapes@1+ffff", "fields": fields})

    def whole(score: Score) -> Score:
        return score.model_copy(update={"fields": {**score.fields, "generated": 64}})

    cells = [
        cell.model_copy(update={"scores": [(short if place == index else whole)(score) for score in cell.scores]})
        for place, cell in enumerate(results.cells)
    ]
    name = results.cells[index].id
    kept = [one for one in results.differences if one.metric != "clip_score" or name not in (one.a, one.b)]
    return results.model_copy(update={"cells": cells, "differences": kept})


def test_a_cell_that_is_one_video_short_leaves_no_winner(results: Results) -> None:
    short = _one_video_short(results, 0, 89.2)
    said, table = verdict(short), main_table(short)
    assert said.headline[0] == (
        "By CLIP score [shapes-clip], no cell is called the best: w=0 ddim 32 has another protocol than the rest and "
        "is not compared with it: generated (64 / 63)."
    )
    assert not any("better than" in line and "CLIP score" in line for line in said.headline)
    card = next(card for card in said.cards if card.label.startswith("CLIP score"))
    assert (card.value, card.cell, card.claims) == ("", "", [said.headline[0]])
    (column,) = [place for place, column in enumerate(table.columns) if column.title == "CLIP score"]
    entries = [row.entries[column] for row in table.rows]
    assert entries[0].text == "89.20"
    assert not any(entry.strong for entry in entries)
    (note,) = set(entries[0].notes) - set(entries[1].notes)
    assert table.footnotes[note - 1].endswith(": not compared.")


def test_every_number_of_a_split_metric_leads_to_its_row(results: Results) -> None:
    short = _one_video_short(results, 0, 89.2)
    rows = {
        row.anchor: (row.label, row.score.value) for block in blocks([Source("", short, Path())]) for row in block.rows
    }
    entries = [(row.label, entry) for row in main_table(short).rows for entry in row.entries if entry.anchor]
    assert len(entries) == 16
    assert all(rows[entry.anchor] == (label, entry.sort) for label, entry in entries)
