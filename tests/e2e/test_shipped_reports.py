"""The reports that the repository ships: each is of its results file, and that of the zoo as it is."""

from __future__ import annotations

import base64
import hashlib
import html
import re
from pathlib import Path

import pytest

from ivbench.cli.options import Asked, plan_of
from ivbench.config import read_suite
from ivbench.errors import MissingFileError
from ivbench.plan import cascade_source, extractor_digests
from ivbench.report import build, build_index
from ivbench.results.files import read_results
from ivbench.results.schema import Results, Score
from ivbench.zoo import read_card

REPORTS = Path(__file__).parents[2] / "reports"
SHIPPED = sorted(path.parent for path in REPORTS.glob("*/results.json"))

pytestmark = pytest.mark.parametrize("folder", SHIPPED, ids=lambda folder: folder.name)


def suite_of(folder: Path, results: Results) -> str:
    """The suite's file beside the report, or its packaged name."""
    own = folder / "suite.yaml"
    return str(own) if own.is_file() else results.suite.name


def cells(page: str) -> list[str]:
    """The text of every table's cells, in order: all that is measured, and what stands beside it."""
    return [re.sub(r"<[^>]*>", "", cell).strip() for cell in re.findall(r"<td[^>]*>(.*?)</td>", page, re.DOTALL)]


def test_its_page_says_what_its_results_say(folder: Path) -> None:
    shipped = (folder / "report.html").read_text(encoding="utf-8")
    made = build(read_results(folder / "results.json"), folder)
    assert cells(shipped) == cells(made)
    assert len(cells(shipped)) > 50


def test_its_policy_lets_its_own_style_and_script_run(folder: Path) -> None:
    page = (folder / "report.html").read_text(encoding="utf-8")
    policy = html.unescape(page[: page.index("</head>")])
    for tag in ("style", "script"):
        (text,) = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy


def test_it_is_of_the_zoos_weights(folder: Path) -> None:
    """Of students and snapshots that the zoo does not ship, the results name the digests themselves."""
    results = read_results(folder / "results.json")
    suite = read_suite(suite_of(folder, results))
    assert suite.cascade is not None
    assert results.cascade.digest == cascade_source(read_card(suite.cascade)).digest
    weights = extractor_digests(suite.metrics)
    scores: list[Score] = [score for cell in results.cells for score in cell.scores] + results.ground_truth
    assert scores
    for score in scores:
        extractor = next(one.extractor for one in suite.metrics if one.name == score.metric)
        assert score.fields["weights"] == weights[extractor], score.label


def test_it_is_of_the_suite_as_it_is(folder: Path) -> None:
    results = read_results(folder / "results.json")
    try:
        _, plan = plan_of(Asked(suite=suite_of(folder, results)))
    except MissingFileError:
        assert folder.name in ("ladder", "prediction", "sizes"), "its weights are not shipped"
        suite = read_suite(suite_of(folder, results))
        count = len(list(suite.grid.points(suite.name))) if suite.grid else 0
        assert len(results.cells) == count + len(suite.cells)
        assert len(results.suite.prompts) == suite.prompts.count
    else:
        assert results.suite.digest == plan.suite_digest


def test_the_page_of_all_reports_quotes_it(folder: Path) -> None:
    page = (REPORTS / "index.html").read_text(encoding="utf-8")
    assert f'href="{folder.name}/report.html"' in page
    assert words(page) == words(build_index(REPORTS, REPORTS))


def words(page: str) -> list[str]:
    """What a reader sees."""
    return re.sub(r"<style>.*?</style>|<[^>]*>", " ", page, flags=re.DOTALL).split()
