"""What the probes see: cards, figures and page say what `ivbench metric validate` wrote beside each card."""

from __future__ import annotations

import csv
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from ivbench.data.distortions import SPATIAL, TEMPORAL
from ivbench.run.validation import LEVELS
from ivbench.zoo import list_cards, read_card

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "probes.md").read_text(encoding="utf-8")
PROBES = sorted(card.name for card in list_cards(ROOT / "zoo") if card.config.kind == "probe")


def table(name: str) -> dict[str, list[float]]:
    """Distortion -> values by level, as response.csv has them."""
    found: dict[str, list[float]] = {}
    for row in csv.DictReader((ROOT / "zoo" / "probes" / name / "response.csv").read_text().splitlines()):
        found.setdefault(row["distortion"], []).append(float(row["value"]))
    return found


@pytest.mark.parametrize("name", PROBES)
def test_card_and_page_have_the_measured_values(name: str) -> None:
    measured, details = table(name), read_card(name).config.details["response"]
    assert set(measured) == {"none", *SPATIAL, *TEMPORAL}
    assert all(len(values) == len(LEVELS) for key, values in measured.items() if key != "none")
    shown = {key: [float(f"{value:.4g}") for value in values] for key, values in measured.items()}
    stated = {key: list(np.atleast_1d(value)) for key, value in details["values"].items()}
    assert stated == shown
    assert details["command"] in PAGE
    for key, values in shown.items():
        assert f"| {key} | {' | '.join(f'{value:g}' for value in values)} |" in PAGE, key


@pytest.mark.parametrize("name", PROBES)
def test_the_figure_lies_beside_the_card_and_is_shown(name: str) -> None:
    figure = ROOT / "zoo" / "probes" / name / read_card(name).config.details["response"]["figure"]
    assert ElementTree.parse(figure).getroot().tag.endswith("svg")
    assert f"](../zoo/probes/{name}/{figure.name})" in PAGE
