"""The documentation says what is true: its commands exist, its suites are suites, its links lead somewhere."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import click
import pytest

from ivbench.cli.main import ivbench
from ivbench.config import cascade_schema, load_yaml, parse, parse_suite, read_suite, suite_names, suite_schema
from ivbench.plan import build_plan, cascade_source, stand_ins
from ivbench.train.distillation_recipe import DistillationRecipe
from ivbench.zoo import read_card

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
COMMANDS = sorted(
    {
        (page.name, command.strip())
        for page in PAGES
        for block in re.findall(r"```sh\n(.*?)```", page.read_text(), re.DOTALL)
        for line in block.splitlines()
        for command in line.split("&&")
        if command.strip().startswith("ivbench ")
    }
)


def test_there_are_commands_to_check() -> None:
    assert len(COMMANDS) > 5


@pytest.mark.parametrize(("page", "line"), COMMANDS)
def test_a_documented_command_parses(page: str, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my-cascade").mkdir()
    group: click.Command | None = ivbench
    context, words = click.Context(ivbench), shlex.split(line, comments=True)[1:]
    while isinstance(group, click.Group):
        context, words, found = click.Context(group, parent=context), words[1:], words[0]
        group = group.get_command(context, found)
    assert group is not None, f"{page}: {line}"
    group.make_context(line, words)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files(page: Path) -> None:
    links = re.findall(r"\]\((?!https?://|#)([^)#]+)", page.read_text())
    missing = [link for link in links if not (page.parent / link).exists()]
    assert not missing


def test_the_tutorials_suite_can_be_planned() -> None:
    block = re.search(r"```yaml\n(# my-suite.yaml.*?)```", (ROOT / "docs" / "tutorial.md").read_text(), re.DOTALL)
    assert block
    suite = parse_suite(load_yaml(block[1], "tutorial"), "tutorial")
    plan = build_plan(suite, cascade_source(read_card("imagen-video")))
    assert [cell.guidance_w for cell in plan.cells] == [0, 2, None]


def test_the_ladder_names_the_students_that_its_recipes_make() -> None:
    ladder = ROOT / "reports" / "ladder"
    first = students(ROOT / "zoo" / "recipes" / "shapes-lite-distill-base.yaml")
    first = first[: first.index("stochastic-16") + 1]
    named = {f"./distilled-base/students/shapes-lite-base-{student}" for student in first}
    named |= {
        f"./distilled-few/students/shapes-lite-distilled-base-{one}" for one in students(ladder / "few-steps.yaml")
    }
    for steps in (32, 64, 128):
        recipe = ladder / f"stochastic-{steps}.yaml"
        (student,) = students(recipe)
        cascade = Path(load_yaml(recipe.read_text(), recipe.name)["cascade"]).name
        named.add(f"./distilled-stochastic-{steps}/students/{cascade}-base-{student}")
    found = stand_ins(read_suite(ladder / "suite.yaml"), cascade_source(read_card("shapes-lite")))
    assert set(found) == named | {"shapes-lite-distilled"}


def students(recipe: Path) -> list[str]:
    """The phases of a distillation recipe, in order."""
    data = load_yaml(recipe.read_text(), recipe.name)
    return [phase.name for phase in parse(DistillationRecipe, data, recipe.name).phases()]


def test_every_packaged_suite_is_documented() -> None:
    text = (ROOT / "docs" / "formats.md").read_text()
    assert all(f"`{name}`" in text for name in suite_names())


@pytest.mark.parametrize("name", ["suite", "cascade"])
def test_the_published_schemas_are_those_of_the_code(name: str) -> None:
    """To write them anew: json.dumps(suite_schema(), indent=1, ensure_ascii=False), and a line's end."""
    made = {"suite": suite_schema, "cascade": cascade_schema}[name]()
    text = (ROOT / "docs" / "schema" / f"{name}.schema.json").read_text(encoding="utf-8")
    assert text == json.dumps(made, indent=1, ensure_ascii=False) + "\n"
