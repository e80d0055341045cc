from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from ivbench.report.build import build
from ivbench.report.formats import decimals, number, quantity, seconds, setting, words
from ivbench.report.scores import blocks
from ivbench.report.sources import Source
from ivbench.report.tables import _span, main_table
from ivbench.report.terminal import plain_table, print_table
from ivbench.results.schema import Results
from tests.report.fixtures import BIAS, make_results, of_folders, with_published

NONE = "\N{EN DASH}"


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return make_results(tmp_path_factory.mktemp("run"))


def test_columns_are_settings_metrics_and_costs(results: Results) -> None:
    titles = [column.title for column in main_table(results).columns]
    metrics = ["frame FID", "FVD", "CLIP score", "CLIP R-Precision, %"]
    assert titles == ["w", "g", "sampler", "steps", *metrics, "Time", "NFE", "FLOPs"]


def test_of_folders_the_page_has_no_word_of_sampling(results: Results, tmp_path: Path) -> None:
    said = "40 videos against real"
    scored = of_folders(results, said)
    table = main_table(scored)
    assert [column.title for column in table.columns] == ["frame FID", "FVD", "CLIP score", "CLIP R-Precision, %"]
    assert {len(row.entries) for row in (*table.rows, *table.references)} == {4}
    page, usual = build(scored, tmp_path), build(results, tmp_path)
    assert f"{said}, under profile {results.suite.name}." in page
    for word in ("Stage by stage", "The guidance weight w", "<summary>Prompts", f"Suite {results.suite.name}"):
        assert word in usual
        assert word not in page


def test_settings_that_never_vary_stand_once(results: Results) -> None:
    assert main_table(results).common == [("thresholding", "dynamic"), ("augmentation SNR", "5")]


def test_a_setting_that_some_cells_have_and_a_guidance_that_w_says_take_no_column(results: Results) -> None:
    cells = [
        cell.model_copy(update={"settings": {**cell.settings, "gamma": gamma, "guidance": f"w={cell.guidance_w:g}"}})
        for cell, gamma in zip(results.cells, (None, 0.3, None, 0.3), strict=True)
    ]
    table = main_table(results.model_copy(update={"cells": cells}))
    assert not {"gamma", "guidance"} & {column.title for column in table.columns}
    assert ("gamma", "0.3 where it applies") in table.common
    cells[0] = cells[0].model_copy(update={"settings": {**cells[0].settings, "guidance": "w=0/3", "gamma": 0.5}})
    table = main_table(results.model_copy(update={"cells": cells}))
    assert {"gamma", "guidance"} <= {column.title for column in table.columns}


def test_ground_truth_is_last_and_every_row_is_whole(results: Results) -> None:
    table = main_table(results)
    assert [row.label for row in table.references][-1] == "ground truth"
    assert {len(row.entries) for row in (*table.rows, *table.references)} == {len(table.columns)}


def test_w_and_g_stand_side_by_side(results: Results) -> None:
    assert [[entry.text for entry in row.entries[:2]] for row in main_table(results).rows][1] == ["3", "4"]


def test_a_note_that_repeats_is_one_footnote(results: Results) -> None:
    table = main_table(results)
    assert table.footnotes == [BIAS]
    assert table.rows[0].entries[4].notes == (1,)


def test_a_score_that_decides_nothing_says_so(results: Results) -> None:
    score = results.cells[0].scores[0].model_copy(update={"decisive": False})
    cell = results.cells[0].model_copy(update={"scores": [score, *results.cells[0].scores[1:]]})
    table = main_table(results.model_copy(update={"cells": [cell, *results.cells[1:]]}))
    marks = [table.footnotes[note - 1] for note in table.rows[0].entries[4].notes]
    assert any(mark.startswith("Too few samples to decide") for mark in marks)


def test_a_cell_without_scores_keeps_its_row(results: Results) -> None:
    broken = results.cells[0].model_copy(update={"scores": [], "costs": [], "problem": "out of memory"})
    row = main_table(results.model_copy(update={"cells": [broken, *results.cells[1:]]})).rows[0]
    assert row.problem == "out of memory"
    assert {entry.text for entry in row.entries[4:]} == {NONE}


def test_an_untimed_stage_leaves_the_time_empty(results: Results) -> None:
    cost = results.cells[0].costs[0].model_copy(update={"seconds": None})
    cell = results.cells[0].model_copy(update={"costs": [cost, *results.cells[0].costs[1:]]})
    entry = main_table(results.model_copy(update={"cells": [cell]})).rows[0].entries[-3]
    assert (entry.text, entry.sort) == (NONE, None)


def test_a_pipe_gets_plain_lines_that_are_never_folded(results: Results) -> None:
    out = io.StringIO()
    print_table(results, Console(file=out, width=40))
    line = next(line for line in out.getvalue().splitlines() if line.startswith("2 w=3 ddim 32"))
    assert "74.90 ± 0.30" in line
    assert "278" in line
    assert "\x1b" not in out.getvalue()


def test_published_values_stand_in_the_terminal_beside_the_measured(results: Results) -> None:
    published = with_published(results)
    head, _, *lines = plain_table(main_table(published)).splitlines()
    assert "CLIP score [shapes-clip] \N{UPWARDS ARROW} published" in " ".join(head.split())
    assert head.endswith("Time published")
    assert "25.19 \N{PLUS-MINUS SIGN} 0.03" in lines[1]
    assert lines[1].endswith("618\N{NO-BREAK SPACE}s")
    out = io.StringIO()
    print_table(published, Console(file=out, force_terminal=True, width=160, color_system=None))
    rows = [line for line in out.getvalue().splitlines() if " published " in line]
    assert [line.split()[1] for line in rows] == ["25.19", "24.27"]


def test_no_color_is_obeyed_in_a_terminal(results: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    out = io.StringIO()
    print_table(results, Console(file=out, force_terminal=True, width=200))
    assert plain_table(main_table(results)) in out.getvalue()
    assert "\x1b" not in out.getvalue()


def test_a_terminal_gets_a_rich_table(results: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    out = io.StringIO()
    print_table(results, Console(file=out, force_terminal=True, width=240, color_system="standard"))
    assert "\x1b[1m" in out.getvalue()
    assert "ground truth" in out.getvalue()


def test_markup_in_a_label_is_text_in_the_terminal(tmp_path: Path) -> None:
    results = make_results(tmp_path, labels=["[bold red]a[/]", "b", "c", "d"])
    out = io.StringIO()
    print_table(results, Console(file=out, force_terminal=True, width=240, color_system="standard"))
    assert "[bold red]a[/]" in out.getvalue()


@pytest.mark.parametrize("width", [80, 100, 140])
def test_in_a_narrow_terminal_no_number_is_folded(tmp_path: Path, width: int) -> None:
    results = make_results(tmp_path)
    out = io.StringIO()
    print_table(results, Console(file=out, force_terminal=True, width=width, color_system=None))
    text = out.getvalue()
    for score in results.cells[0].scores:
        column = [other for cell in results.cells for other in cell.scores if other.metric == score.metric]
        digits = decimals(other.value for other in column)
        assert number(score.value, digits) in text
        assert score.interval is not None
        assert number(score.interval.high, digits) + "]" in text
    assert max(map(len, text.splitlines())) <= width


def test_context_that_differs_by_cell_is_a_span(tmp_path: Path) -> None:
    results = make_results(tmp_path)
    cells = [
        cell.model_copy(
            update={"scores": [score.model_copy(update={"context": {"shuffled": 2.0 + i}}) for score in cell.scores]}
        )
        for i, cell in enumerate(results.cells)
    ]
    table = main_table(results.model_copy(update={"cells": cells}))
    (row,) = [row for row in table.references if row.label == "shuffled captions"]
    last = 1.0 + len(cells)
    assert any(entry.text in (f"2.00\N{EN DASH}{last:.2f}", f"2.0\N{EN DASH}{last:.1f}") for entry in row.entries)


def test_a_span_from_below_zero_has_no_dash_before_its_minus() -> None:
    assert (_span(-0.47, -0.35, 2), _span(0.1, 0.2, 1)) == (
        "\N{MINUS SIGN}0.47 to \N{MINUS SIGN}0.35",
        "0.1\N{EN DASH}0.2",
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [(1.23456e9, "1.23 G"), (5.6e9, "5.60 G"), (999.96e6, "1.00 G"), (12.0, "12.0"), (0.0, "0.00"), (640_000, "640 k")],
)
def test_quantities_have_three_digits(value: float, text: str) -> None:
    assert quantity(value).replace("\N{NO-BREAK SPACE}", " ") == text


@pytest.mark.parametrize(("value", "text"), [(618.0, "618 s"), (0.0123, "12.3 ms"), (1.0, "1.00 s"), (None, NONE)])
def test_seconds_have_three_digits(value: float | None, text: str) -> None:
    assert seconds(value).replace("\N{NO-BREAK SPACE}", " ") == text


@given(st.floats(-1e6, 1e6), st.integers(0, 5))
def test_numbers_read_back_within_their_digits(value: float, digits: int) -> None:
    text = number(value, digits)
    assert "-" not in text
    assert text != "\N{MINUS SIGN}0"
    assert abs(float(text.replace(",", "").replace("\N{MINUS SIGN}", "-")) - value) <= 0.5 * 10**-digits + 1e-9


def test_digits_follow_the_largest_value() -> None:
    assert [decimals([value]) for value in (1064.6, 151.3, 25.19, 0.187, 0.0187)] == [0, 1, 2, 3, 4]


def test_settings_and_keys_read_as_words() -> None:
    assert [setting(value) for value in (True, None, 3.0, -0.5, "ddim")] == [
        "yes",
        NONE,
        "3",
        "\N{MINUS SIGN}0.5",
        "ddim",
    ]
    assert [words(key) for key in ("base_steps", "sr_steps", "augmentation_snr")] == [
        "base steps",
        "SR steps",
        "augmentation SNR",
    ]


def test_published_values_stand_behind_their_metric_and_the_time(results: Results) -> None:
    table = main_table(with_published(results))
    titles = [column.title for column in table.columns]
    place = titles.index("CLIP score")
    assert titles[place : place + 2] == ["CLIP score", "published"]
    assert [(row.entries[place + 1].text, row.entries[place + 1].spread) for row in table.rows] == [
        (NONE, ""),
        ("25.19", "\N{PLUS-MINUS SIGN} 0.03"),
        (NONE, ""),
        (NONE, ""),
    ]
    assert table.rows[1].entries[-1].text.replace("\N{NO-BREAK SPACE}", " ") == "618 s"
    assert table.references[-1].entries[place + 1].text == "24.27"
    assert table.sources == ["A paper, Table 1"]
    assert {len(row.entries) for row in (*table.rows, *table.references)} == {len(table.columns)}


def test_published_values_change_no_mark_and_no_measured_entry(results: Results) -> None:
    plain, beside = main_table(results), main_table(with_published(results))
    for before, after in zip(plain.rows, beside.rows, strict=True):
        kept = [entry for entry, column in zip(after.entries, beside.columns, strict=True) if not column.published]
        assert kept == before.entries


def test_every_score_of_the_table_leads_to_its_own_row_behind_it(results: Results, tmp_path: Path) -> None:
    rows = {row.anchor: row.score for block in blocks([Source("", results, tmp_path)]) for row in block.rows}
    table = main_table(results)
    linked = [entry for row in (*table.rows, *table.references) for entry in row.entries if entry.anchor]
    assert len(linked) == len(rows) == 5 * 4
    assert all(entry.sort == rows[entry.anchor].value for entry in linked)
