"""The page in a real browser: quiet, sortable, in step, and inside its window."""

from __future__ import annotations

from typing import Any

import pytest

from tests.report.browser import LOADED, until
from tests.report.test_build import HOSTILE

pytestmark = pytest.mark.browser


def _column(page: Any, index: int) -> list[str]:
    return list(
        page.eval_on_selector_all(
            f"#main-table tbody:first-of-type td:nth-child({index})", "all => all.map(e => e.dataset.sort)"
        )
    )


def _frames(page: Any) -> list[int]:
    return list(page.eval_on_selector_all("#gallery canvas", "all => all.map(e => Number(e.dataset.frame))"))


@pytest.mark.parametrize("name", ["plain", "hostile", "rich", "runs"])
def test_the_page_is_quiet_and_stays_inside_its_window(visit: Any, name: str) -> None:
    found = visit(name)
    found.page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true; })")
    for scheme in ("light", "dark"):
        found.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        for width in (360, 800, 3840):
            found.page.set_viewport_size({"width": width, "height": 900})
            assert found.page.evaluate("document.documentElement.scrollWidth") <= width
    title = "main, branch" if name == "runs" else "shapes-lite on quick"
    assert found.page.title() == f"{title} · ivbench"
    assert found.page.locator("script:not([type])").count() == 1
    assert found.complaints == []


def test_dark_and_light_are_two_looks(visit: Any) -> None:
    page, colours = visit().page, []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        colours.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert colours == ["rgb(251, 251, 249)", "rgb(18, 20, 22)"]


def test_text_stands_out_from_its_ground_in_both_looks(visit: Any) -> None:
    page = visit().page
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        colours = page.evaluate(
            """() => [document.body, ...document.querySelectorAll('.interval, .claim, .kicker, a, .kicker, .keys')]
                .map(each => getComputedStyle(each).color)"""
        )
        ground = _luminance(page.evaluate("getComputedStyle(document.body).backgroundColor"))
        for colour in set(colours):
            low, high = sorted((_luminance(colour), ground))
            assert (high + 0.05) / (low + 0.05) >= 4.5, (scheme, colour)


def _luminance(colour: str) -> float:
    """Relative luminance of `rgb(r, g, b)`, as WCAG 2 defines it."""
    parts = [int(part) / 255 for part in colour.removeprefix("rgb(").removesuffix(")").split(",")]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_a_click_sorts_best_first_and_a_second_one_turns_it(visit: Any) -> None:
    page = visit().page
    head = page.locator("#main-table thead th").nth(7)
    head.locator("button").click()
    assert head.get_attribute("aria-sort") == "descending"
    assert [float(value) for value in _column(page, 8)] == [74.9, 73.2, 72.1, 61.4]
    head.locator("button").click()
    assert head.get_attribute("aria-sort") == "ascending"
    assert [float(value) for value in _column(page, 8)] == [61.4, 72.1, 73.2, 74.9]


def test_the_keyboard_sorts_and_one_column_at_a_time_is_marked(visit: Any) -> None:
    page = visit().page
    page.locator("#main-table thead button").nth(5).focus()
    page.keyboard.press("Enter")
    assert [float(value) for value in _column(page, 6)] == [0.187, 0.201, 0.266, 0.412]
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    assert page.locator("#main-table th[aria-sort]").count() == 1
    assert page.locator("#main-table th[aria-sort] button").text_content().startswith("FVD")
    assert page.locator("#main-table tbody:last-of-type tr:last-child th").text_content() == "ground truth"


def test_arrow_keys_step_every_clip_frame_by_frame(visit: Any) -> None:
    page = visit().page
    page.locator("#gallery").focus()
    seen = [_frames(page)]
    for key in ("ArrowRight", "ArrowRight", "ArrowLeft", "End", "ArrowRight", "Home"):
        page.keyboard.press(key)
        seen.append(_frames(page))
    assert [set(frames) for frames in seen] == [{0}, {1}, {2}, {1}, {7}, {0}, {0}]
    assert len(seen[0]) == 5


def test_playing_moves_all_clips_in_step(visit: Any) -> None:
    page = visit().page
    page.evaluate(
        """() => {
            window.seen = [];
            const note = () => {
                window.seen.push([...document.querySelectorAll('#gallery canvas')].map(c => c.dataset.frame));
                requestAnimationFrame(note);
            };
            requestAnimationFrame(note);
        }"""
    )
    page.locator("#play").click()
    until(page, "new Set(window.seen.map(each => each[0])).size >= 4")
    page.locator("#play").click()
    seen = page.evaluate("window.seen")
    assert all(len(set(frames)) == 1 for frames in seen)
    still = _frames(page)
    page.wait_for_timeout(400)
    assert _frames(page) == still


def test_reduced_motion_starts_still_and_others_start_when_seen(visit: Any) -> None:
    still = visit(motion="reduce").page
    still.locator("#stacks").scroll_into_view_if_needed()
    still.wait_for_timeout(500)
    assert still.locator("#play").text_content() == "Play"
    moving = visit(motion="no-preference").page
    moving.locator("#stacks").scroll_into_view_if_needed()
    until(moving, "document.getElementById('play').textContent === 'Pause'")


def test_the_picker_changes_prompt_and_clips(visit: Any) -> None:
    page = visit().page
    before = page.evaluate("document.querySelector('#gallery canvas').toDataURL()")
    page.locator("#prompt").select_option("3")
    until(page, LOADED)
    option = page.locator("#prompt option").nth(3).text_content()
    assert option == f"4. {page.locator('.prompt').text_content()}"
    assert page.evaluate("document.querySelector('#gallery canvas').toDataURL()") != before
    page.locator("#gallery").focus()
    page.keyboard.press("PageDown")
    assert page.locator("#prompt").input_value() == "4"


def test_a_hostile_prompt_is_shown_as_text(visit: Any) -> None:
    page = visit("hostile").page
    assert page.locator(".prompt").text_content() == HOSTILE[0]
    assert page.locator("#stacks img, #stacks script").count() == 0


def test_cells_can_be_hidden_and_stay_hidden_with_the_next_prompt(visit: Any) -> None:
    page = visit().page
    page.evaluate("document.querySelector('details.cells').open = true")
    page.locator("#shown input").first.uncheck()
    page.locator("#next").click()
    assert page.locator("#stacks li:visible").count() == 4


def test_pixels_stay_sharp(visit: Any) -> None:
    page = visit().page
    assert page.evaluate("getComputedStyle(document.querySelector('#gallery canvas')).imageRendering") == "pixelated"
    assert page.evaluate(
        "[document.querySelector('#gallery canvas').width, document.querySelector('#gallery canvas').height]"
    ) == [
        40,
        24,
    ]


def test_print_opens_what_is_folded(visit: Any) -> None:
    page = visit().page
    before = page.locator("details[open]").count()
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("details:not([open]):not(.cells)").count() == 0
    assert page.locator("table.stages tbody:visible").count() == 4
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator("details[open]").count() == before
    assert page.locator("table.stages tbody:visible").count() == 1


@pytest.mark.parametrize("name", ["rich", "runs"])
def test_print_stays_on_its_sheet_without_what_only_a_screen_can_do(visit: Any, name: str) -> None:
    page = visit(name, width=794).page
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    assert page.evaluate("document.documentElement.scrollWidth") <= 794
    assert page.locator("nav:visible, #play:visible, #scrub:visible, #previous:visible").count() == 0
    assert page.locator("#main-table:visible, table.runs:visible").count() > 0
