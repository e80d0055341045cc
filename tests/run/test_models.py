"""Models travel by name, and refuse a zoo that is not the plan's."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path

import pytest

pytest.importorskip("torch")

from ivbench.config import parse_suite
from ivbench.errors import DigestError, MissingDependencyError, MissingFileError
from ivbench.plan import Plan, build_plan, cascade_source, extractor_digests
from ivbench.run import Models
from ivbench.zoo import read_card
from tests.run.tiny_zoo import CASCADE, SUITE, write_card


@pytest.fixture
def zoo(shipped: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(shipped, tmp_path / "zoo"))


def plan_and_models(zoo: Path) -> tuple[Plan, Models]:
    suite, card = parse_suite(SUITE), read_card(CASCADE, zoo)
    plan = build_plan(suite, cascade_source(card, zoo), extractors=extractor_digests(suite.metrics, zoo))
    return plan, Models(card, "cpu", zoo)


def test_networks_do_not_travel(zoo: Path) -> None:
    plan, models = plan_and_models(zoo)
    before = len(pickle.dumps(models))
    models.stage_model("original", "base")
    models.extractor("frame-probe")
    sent = pickle.dumps(models)
    assert len(sent) == before
    arrived = pickle.loads(sent)
    arrived.require(plan)
    assert arrived.stage_model("original", "base").stage == plan.source.spec.stage("base")


def test_another_extractor_of_that_name_is_refused(zoo: Path) -> None:
    plan, models = plan_and_models(zoo)
    config = zoo / "frame-probe" / "config.json"
    config.write_text(config.read_text() + " ")
    write_card(zoo / "frame-probe", "probe")
    with pytest.raises(DigestError, match='"frame-probe" is not the one of the plan'):
        pickle.loads(pickle.dumps(models)).require(plan)


def test_a_cascade_that_is_not_there_is_named(zoo: Path) -> None:
    plan, models = plan_and_models(zoo)
    shutil.rmtree(zoo / CASCADE)
    with pytest.raises(MissingFileError, match=str(zoo / CASCADE)):
        pickle.loads(pickle.dumps(models)).require(plan)


def test_the_error_of_a_missing_library_travels() -> None:
    error = pickle.loads(pickle.dumps(MissingDependencyError("ray", "ray")))
    assert isinstance(error, MissingDependencyError)
    assert str(error) == 'ray is needed for this and is not installed. Run: pip install "ivbench[ray]"'
