"""What the page shows on demand, in a real browser: what is behind a number, prompts, stages, several runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.report.browser import LOADED, until

pytestmark = pytest.mark.browser


def test_every_link_of_the_page_leads_somewhere(visit: Any) -> None:
    for name in ("rich", "runs"):
        page = visit(name).page
        links = page.eval_on_selector_all("a[href^='#']", "all => all.map(each => each.getAttribute('href').slice(1))")
        assert len(links) > 20
        assert page.evaluate("links => links.filter(id => !document.getElementById(id))", links) == []


def test_a_number_shows_its_protocol_counts_command_and_environment(visit: Any) -> None:
    page = visit().page
    link = page.locator("#main-table tbody tr").nth(1).locator("a.to-score").nth(2)
    assert link.text_content() == "74.90"
    link.focus()
    page.keyboard.press("Enter")
    shown = page.locator("dialog#behind")
    assert shown.is_visible()
    text = shown.inner_text()
    for part in ("w=3 ddim 32", "CLIP score [shapes-clip]", "clip_score/shapes@1+", "ivbench run --suite quick"):
        assert part in text
    for part in ("cluster bootstrap over prompts", "Generated\n64", "0: 74.60 1: 75.20", "shapes-clip", "2.14.1"):
        assert part in text
    page.keyboard.press("Escape")
    assert not shown.is_visible()
    assert page.evaluate("document.activeElement.textContent") == "74.90"


def test_the_dialog_closes_by_its_button_and_by_a_click_beside_it(visit: Any) -> None:
    page = visit().page
    for close in (lambda: page.locator("dialog .close").click(), lambda: page.mouse.click(5, 450)):
        page.locator("a.to-score").first.click()
        assert page.locator("dialog#behind").is_visible()
        close()
        assert not page.locator("dialog#behind").is_visible()


def test_an_address_with_a_scores_name_unfolds_it(visit: Any, reports: dict[str, Path]) -> None:
    page = visit().page
    page.goto("about:blank")
    page.goto(f"{reports['plain'].as_uri()}#score-0-2-1")
    until(page, "document.getElementById('score-0-2-1').closest('details').open")


def _amounts(page: Any, which: str) -> list[float]:
    texts = page.locator(f"#pair-{which} .amount").all_text_contents()
    return [float(text.replace("\N{MINUS SIGN}", "-").replace("%", "")) for text in texts]


def test_the_best_and_worst_prompts_are_sorted_and_stand_with_their_clips(visit: Any) -> None:
    page = visit().page
    assert page.locator("#pair-metric").input_value() == "CLIP score [shapes-clip]"
    assert [page.locator(f"#pair-{side}").input_value() for side in "ab"] == ["w=3 ddim 32", "w=0 ddim 32"]
    best, worst = _amounts(page, "best"), _amounts(page, "worst")
    assert best == sorted(best, reverse=True)
    assert worst == sorted(worst)
    assert min(best) >= max(worst)
    assert len(best) + len(worst) == 6
    assert page.locator("#pair-bars rect").count() == 6
    assert "+13.50 [12.60, 14.40] over all 6 prompts" in page.locator("#pair-sum").text_content()
    assert page.locator("#pair-best li").first.locator("canvas").count() == 2


def test_exchanged_sides_turn_every_sign(visit: Any) -> None:
    page = visit().page
    before = _amounts(page, "best")
    page.locator("#pair-a").select_option("w=0 ddim 32")
    page.locator("#pair-b").select_option("w=3 ddim 32")
    until(page, LOADED)
    assert _amounts(page, "worst") == [-value for value in before]
    sentence = page.locator("#pair-sum").text_content()
    assert sentence.startswith("\N{MINUS SIGN}13.50 [\N{MINUS SIGN}14.40, \N{MINUS SIGN}12.60]")


def test_another_metric_keeps_the_cells(visit: Any) -> None:
    page = visit().page
    page.locator("#pair-metric").select_option("CLIP R-Precision [shapes-clip]")
    assert page.locator("#pair-a").input_value() == "w=3 ddim 32"
    assert "%" in page.locator("#pair-best .amount").first.text_content()


def test_a_prompt_leads_to_the_gallery(visit: Any) -> None:
    page = visit().page
    item = page.locator("#pair-worst li").first
    text = item.locator(".words").evaluate("each => each.lastChild.textContent")
    item.get_by_role("button").click()
    assert page.locator("#stacks .prompt").first.text_content() == text.strip()
    assert page.evaluate("document.activeElement.id") == "gallery"


def test_clips_beside_prompts_play_in_step_with_the_gallery(visit: Any) -> None:
    page = visit().page
    page.locator("#gallery").focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowRight"):
        page.keyboard.press(key)
    frames = page.eval_on_selector_all("canvas[data-frame]", "all => all.map(each => each.dataset.frame)")
    assert len(frames) == 5 + 12
    assert set(frames) == {"3"}


def test_several_prompts_are_shown_at_once_and_turned_together(visit: Any) -> None:
    page = visit().page
    page.locator("#many").select_option("2")
    until(page, LOADED)
    assert page.locator("#stacks .stack").count() == 2
    first = page.locator("#stacks .prompt").all_text_contents()
    page.locator("#next").click()
    assert not set(first) & set(page.locator("#stacks .prompt").all_text_contents())
    assert page.locator("#prompt").input_value() == "2"


def test_all_cells_or_none_by_one_press(visit: Any) -> None:
    page = visit().page
    page.locator("details.cells summary").click()
    page.locator("#no-cells").click()
    assert page.locator("#stacks canvas").count() == 0
    assert page.locator("#shown-count").text_content() == "0 of 5"
    page.locator("#all-cells").click()
    assert page.locator("#stacks canvas").count() == 5


def test_the_stage_table_shows_one_cell_or_every_one(visit: Any) -> None:
    page = visit().page
    rows = page.locator("table.stages tbody:visible")
    page.locator(".one-of select").select_option("3")
    assert rows.count() == 1
    assert rows.locator("tr:visible").nth(0).inner_text().split("\t")[:7] == [
        "base",
        "base",
        "4 x 12 x 20".replace("x", "\N{MULTIPLICATION SIGN}"),
        "3",
        "2.14\N{NO-BREAK SPACE}M",
        "ddim",
        "8",
    ]
    button = page.locator(".one-of button")
    button.click()
    assert (rows.count(), button.get_attribute("aria-pressed")) == (4, "true")
    button.click()
    assert rows.count() == 1


def test_a_sample_passes_the_stages_with_every_frame_at_its_moment(visit: Any) -> None:
    page = visit().page
    until(page, "[...document.querySelectorAll('#strip-rows canvas')].every(each => each.dataset.drawn)")
    rows = page.locator("#strip-rows .strip")
    assert page.locator(".strip-name b").all_text_contents() == ["base", "tsr1", "ssr1"]
    columns = [
        rows.nth(i).locator("canvas").evaluate_all("all => all.map(e => e.style.gridColumnStart)") for i in (0, 1)
    ]
    assert columns == [["1", "3", "5", "7"], ["1", "2", "3", "4", "5", "6", "7", "8"]]
    lefts = [
        rows.nth(i).locator("canvas").evaluate_all("all => all.map(e => e.getBoundingClientRect().left)")
        for i in (0, 2)
    ]
    assert lefts[0] == pytest.approx(lefts[1][::2], abs=0.5)
    before = rows.nth(2).locator("canvas").first.evaluate("each => each.toDataURL()")
    page.locator("#strip-cell").select_option("1")
    until(page, "[...document.querySelectorAll('#strip-rows canvas')].every(each => each.dataset.drawn)")
    assert rows.nth(2).locator("canvas").first.evaluate("each => each.toDataURL()") != before


def test_published_values_sort_and_stand_apart(visit: Any) -> None:
    page = visit("rich").page
    heads = page.locator("#main-table thead th.published")
    assert heads.count() == 2
    heads.first.get_by_role("button").click()
    assert page.locator("#main-table tbody").first.locator("tr").first.locator("th").inner_text().endswith("w=1 ddim")


def test_runs_are_set_side_by_side_with_what_may_be_compared(visit: Any) -> None:
    page = visit("runs").page
    tables = page.locator("table.runs")
    assert tables.count() == 4
    clip, fvd = tables.nth(2), tables.nth(1)
    row = clip.locator("tbody tr").first.inner_text()
    assert "61.40" in row
    assert "61.90" in row
    assert "+0.50" in row
    assert "not compared" in fvd.inner_text()
    assert "frames (8 / 16)" in page.locator("section[aria-labelledby=results]").inner_text()
    clip.locator("thead button").nth(1).click()
    assert clip.locator("tbody tr").first.locator("th").inner_text() == "w=3 ddim 32"
    page.locator("a.to-score").nth(1).click()
    assert page.locator("#behind .run-name").text_content() == "branch"


def test_runs_show_both_runs_clips_and_differences_by_prompt(visit: Any) -> None:
    page = visit("runs").page
    assert page.locator("#stacks canvas").count() == 9
    assert page.locator("#pair-a").input_value() == "branch · w=0 ddim 32"
    assert page.locator("#pair-b").input_value() == "main · w=0 ddim 32"
