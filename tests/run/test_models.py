"""Models travel by name, and refuse a zoo that is not the plan's."""

from __future__ import annotations

import functools
import pickle
import shutil
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

pytest.importorskip("torch")

from ivbench import registry
from ivbench.config import parse_suite
from ivbench.errors import ConfigError, DigestError, MissingDependencyError, MissingFileError
from ivbench.plan import Plan, build_plan, cascade_source, extractor_digests
from ivbench.run import Models
from ivbench.zoo import read_card
from tests.run.tiny_zoo import CASCADE, SUITE, write_card
from tests.unit.extractors.own_network import MeanColour

MEAN_COLOUR = f"{MeanColour.__module__}:MeanColour"


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


def entry_point(monkeypatch: pytest.MonkeyPatch, name: str, target: str) -> None:
    """Register another package's extractor for the test."""
    point = EntryPoint(name, target, "ivbench.extractors")
    monkeypatch.setattr(registry, "entry_points", lambda group: [point] if group == point.group else [])
    registry._targets.cache_clear()
    monkeypatch.setattr(registry, "_targets", functools.cache(registry._targets.__wrapped__))


@pytest.mark.parametrize("name", ["mean-colour", f"python:{MEAN_COLOUR}"])
def test_another_packages_extractor_needs_no_card(name: str, zoo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry_point(monkeypatch, "mean-colour", MEAN_COLOUR)
    suite, card = parse_suite({**SUITE, "metrics": [{"name": "frame_fid", "extractor": name}]}), read_card(CASCADE, zoo)
    planned = extractor_digests(suite.metrics, zoo)
    models = Models(card, "cpu", zoo)
    assert isinstance(models.extractor(name), MeanColour)
    models.require(build_plan(suite, cascade_source(card, zoo), extractors=planned))
    monkeypatch.setattr(MeanColour, "digest", "d" * 64)  # its package's next version: what is stored was another's
    assert extractor_digests(suite.metrics, zoo) != planned
    with pytest.raises(DigestError, match="is not the one of the plan"):
        models.require(build_plan(suite, cascade_source(card, zoo), extractors=planned))


def test_an_object_that_is_no_extractor_is_found_by_the_plan(zoo: Path) -> None:
    name = f"python:{MEAN_COLOUR.replace('MeanColour', 'Nothing')}"
    suite = parse_suite({**SUITE, "metrics": [{"name": "frame_fid", "extractor": name}]})
    with pytest.raises(ConfigError, match="is no extractor: it lacks name, digest"):
        extractor_digests(suite.metrics, zoo)


def test_a_cascade_that_is_not_there_is_named(zoo: Path) -> None:
    plan, models = plan_and_models(zoo)
    shutil.rmtree(zoo / CASCADE)
    with pytest.raises(MissingFileError, match=str(zoo / CASCADE)):
        pickle.loads(pickle.dumps(models)).require(plan)


def test_the_error_of_a_missing_library_travels() -> None:
    error = pickle.loads(pickle.dumps(MissingDependencyError("ray", "ray")))
    assert isinstance(error, MissingDependencyError)
    assert str(error) == 'ray is needed for this and is not installed. Run: pip install "ivbench[ray]"'
