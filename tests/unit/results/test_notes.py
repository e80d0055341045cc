"""Notes that say where values come from are told from those that warn."""

from __future__ import annotations

import pytest

from ivbench.results.notes import baseline_note, is_origin, replaced_note, weights_note

MADE = [
    weights_note("./base/snapshots/tiny-000125", "tiny-000125", "ac9614613f64" + "0" * 52),
    baseline_note("2026-11-28T11:46:34+00:00", "2026-11-28T11:45:46+00:00"),
    replaced_note("w=0, ddim: 2/1", "CLIP score [probe]", 0.1, 1e-12, "no difference seen"),
    replaced_note("a", "FVD [probe]", -1e300, None, "not compared"),
]
WARNINGS = [
    "A part of the cascade was sampled: base.",
    "Weights were loaded in part (base): no number here is that of the checkpoint.",
    "no longer there: a: no FVD [probe]",
    "3 of 32 prompts are longer than the 16 tokens of t5-mini; it did not see their ends.",
]


def test_what_is_made_here_is_known_here() -> None:
    assert MADE[0] == 'Weights "./base/snapshots/tiny-000125": cascade tiny-000125, ac9614613f64.'
    assert MADE[2] == "w=0, ddim: 2/1, CLIP score [probe]: 1e-12, before 0.1 (no difference seen)"
    assert all(map(is_origin, MADE))


@pytest.mark.parametrize("note", WARNINGS)
def test_a_warning_is_none_of_them(note: str) -> None:
    assert not is_origin(note)
