"""The backends' section: shown where `ivbench zoo parity` left its file, and of this cascade alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from ivbench.cli.main import main
from ivbench.errors import ConfigError
from ivbench.report.build import build
from ivbench.report.parity import parity_of
from ivbench.report.sources import Source
from ivbench.results import write_results
from ivbench.results.parity import PARITY, write_parity
from ivbench.results.schema import Results
from tests.report.fixtures import make_parity, make_results

_HEADING = '<h2 id="backends">'


@pytest.fixture
def results(tmp_path: Path) -> Results:
    return make_results(tmp_path)


def test_a_report_shows_the_file_beside_its_results(results: Results, tmp_path: Path) -> None:
    assert _HEADING not in build(results, tmp_path)
    write_parity(make_parity(results), tmp_path / PARITY)
    page = build(results, tmp_path)
    assert _HEADING in page
    assert "PyTorch and JAX agree on this cascade." in page
    found = parity_of(Source("", results, tmp_path))
    assert found is not None
    assert found.rows == [
        ["base", "one evaluation", "3e-06", "", "0.0002", "agrees"],
        ["base", "whole run, percentile 99.9", "0.0004", "0.02", "0.02", "agrees"],
        ["ssr1", "CLIP score [clip-probe]", "84.20", "", "83.10 to 85.00", "agrees"],
    ]
    assert "2 prompts, float32; base 32 steps at w=3" in found.how


def test_a_difference_is_the_sections_first_sentence(results: Results, tmp_path: Path) -> None:
    write_parity(make_parity(results, found=0.5), tmp_path / PARITY)
    found = parity_of(Source("", results, tmp_path))
    assert found is not None
    assert found.sentence == "PyTorch and JAX differ in 1 of 3 checks on this cascade."
    assert [row[-1] for row in found.rows] == ["differs", "agrees", "agrees"]


def test_the_file_of_another_cascade_is_said_and_not_shown(results: Results, tmp_path: Path) -> None:
    other = make_parity(results).model_copy(update={"digest": "e" * 64})
    write_parity(other, tmp_path / PARITY)
    page = build(results, tmp_path)
    assert "of another cascade, eeeeeeeeeeee" in page
    assert "one evaluation" not in page


@pytest.mark.parametrize("text", ["{", "[]", '{"format": "ivbench-results"}', '{"cascade": "x"}'])
def test_a_file_that_is_none_is_one_line(
    text: str, results: Results, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_results(results, tmp_path / "results.json")
    (tmp_path / PARITY).write_text(text)
    assert main(["report", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert error.startswith("Error: ")
    assert PARITY in error
    assert error.count("\n") == 1
    with pytest.raises(ConfigError):
        build(results, tmp_path)
