"""axe-core finds nothing serious, in either look, with everything open and at the width of a phone."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.browser

_IGNORED = {"minor", "moderate"}


def _serious(page: Any, *rules: str) -> list[str]:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="pip install axe-playwright-python")
    options = {"resultTypes": ["violations"], **({"runOnly": list(rules)} if rules else {})}
    violations = axe.Axe().run(page, options=options).response["violations"]
    return [
        f"{each['id']}: {node['target']} {node['failureSummary']}"
        for each in violations
        if each["impact"] not in _IGNORED
        for node in each["nodes"]
    ]


@pytest.mark.parametrize("name", ["rich", "runs", "hostile", "index"])
def test_axe_finds_nothing_serious(visit: Any, name: str) -> None:
    page = visit(name).page
    page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true; })")
    assert _serious(page) == []


def test_axe_finds_enough_contrast_in_the_dark(visit: Any) -> None:
    page = visit("runs").page
    page.emulate_media(color_scheme="dark")
    assert _serious(page, "color-contrast") == []


def test_axe_would_see_a_mistake(visit: Any) -> None:
    page = visit("rich").page
    page.evaluate("document.getElementById('previous').removeAttribute('aria-label')")
    page.evaluate("document.getElementById('previous').textContent = ''")
    assert any(line.startswith("button-name") for line in _serious(page, "button-name"))


def test_axe_finds_nothing_serious_on_a_phone_and_behind_a_number(visit: Any) -> None:
    page = visit("rich", width=360).page
    assert _serious(page) == []
    page.locator("a.to-score").first.click()
    assert _serious(page) == []
