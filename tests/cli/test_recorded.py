"""The plan behind a results file is that of the command it records, whichever way that names suite and cascade."""

from __future__ import annotations

from pathlib import Path

import pytest

from ivbench.cli.explaining import explained
from ivbench.cli.options import Asked, asked_by, plan_of
from ivbench.cli.recorded import RecordedFolders, RecordedPlan, recorded
from ivbench.errors import ConfigError
from ivbench.plan import Plan
from ivbench.results.schema import Results
from tests.report.fixtures import make_results


@pytest.fixture(scope="module")
def like(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return make_results(tmp_path_factory.mktemp("run"))


def _made_by(like: Results, command: str, plan: Plan) -> Results:
    suite = like.suite.model_copy(update={"digest": plan.suite_digest})
    return like.model_copy(update={"command": command, "suite": suite})


@pytest.mark.parametrize(
    ("command", "asked"),
    [
        ("ivbench run", Asked("quick")),
        ("ivbench run shapes-lite", Asked("quick", cascade="shapes-lite")),
        ("ivbench score --suite quick --cascade shapes-lite", Asked("quick", cascade="shapes-lite")),
        ("ivbench run --cascade teacher", Asked("quick", cascade="teacher")),
    ],
)
def test_the_recorded_command_is_planned_as_it_was(
    like: Results, command: str, asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, wanted = plan_of(Asked("quick"))
    seen = []

    def planned(given: Asked) -> tuple[str, Plan]:
        seen.append(given)
        return "cascade", wanted

    monkeypatch.setattr("ivbench.cli.recorded.plan_of", planned)
    found = recorded(_made_by(like, command, wanted), Path("r.json"))
    assert isinstance(found, RecordedPlan)
    assert found.plan is wanted
    assert seen == [asked]


def test_a_plain_run_plans_the_suite_quick(like: Results) -> None:
    _, wanted = plan_of(Asked("quick"))
    found = recorded(_made_by(like, "ivbench run", wanted), Path("r.json"))
    assert isinstance(found, RecordedPlan)
    assert found.plan == wanted


@pytest.mark.parametrize(
    "command",
    ["ivbench run 'open", "ivbench run --help", "ivbench score --help", "ivbench run --nothing", "", "ivbench"],
)
def test_a_command_that_planned_nothing_is_refused(
    like: Results, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ConfigError, match=r"^r\.json records the command "):
        recorded(like.model_copy(update={"command": command}), Path("r.json"))
    assert capsys.readouterr().out == ""


def test_two_cascades_are_refused() -> None:
    with pytest.raises(ConfigError, match="two cascades"):
        asked_by({"cascade": "a", "named": "b"})


def test_a_suite_and_folders_are_not_explained_together(like: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    command = "ivbench score --generated gen --reference ref --extractor video-probe --metrics fvd"
    folders = recorded(like.model_copy(update={"command": command}), Path("f.json"))
    assert isinstance(folders, RecordedFolders)
    assert folders.request.metrics == ("fvd",)
    _, wanted = plan_of(Asked("quick"))
    made = {"folders.json": folders, "suite.json": RecordedPlan(wanted, "shapes-lite", "cpu", None)}
    monkeypatch.setattr("ivbench.cli.explaining.recorded", lambda _, path: made[path.name])
    for old, new in (tuple(made), tuple(made)[::-1]):
        with pytest.raises(ConfigError, match=r"^folders\.json was scored from folders, suite\.json by a suite"):
            explained((like, like), (Path(old), Path(new)), None)
