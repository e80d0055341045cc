"""Recipes: where they are found, what they say, and what is wrong with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ivbench.config import parse, read_yaml
from ivbench.errors import ConfigError, MissingFileError
from ivbench.train.distillation_recipe import DistillationRecipe
from ivbench.train.recipe import KINDS, StageRecipe, find_recipe, recipe_kind

ZOO = Path(__file__).parents[3] / "zoo"


@pytest.mark.parametrize("path", sorted(ZOO.glob("recipes/*.yaml")), ids=lambda path: path.stem)
def test_every_recipe_of_the_zoo_is_found_and_of_a_known_kind(path: Path) -> None:
    assert find_recipe(path.stem, ZOO) == path
    data = read_yaml(path)
    assert recipe_kind(data, path.name) in KINDS
    if data["kind"] == "stage":
        parse(StageRecipe, data, path.name)
    if data["kind"] == "distillation":
        assert parse(DistillationRecipe, data, path.name).phases()


def test_a_path_is_a_recipe_too(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("kind: stage\n")
    assert find_recipe(tmp_path / "mine.yaml", ZOO) == tmp_path / "mine.yaml"


def test_a_misspelt_name_gets_a_hint() -> None:
    with pytest.raises(ConfigError, match=r'the zoo has no recipe called "t5-mni"\. Did you mean "t5-mini"\?'):
        find_recipe("t5-mni", ZOO)


@pytest.mark.parametrize("name", ["nowhere.yaml", "no/where", "../zoo/recipes/none"])
def test_a_path_that_leads_nowhere_is_one_line(name: str) -> None:
    with pytest.raises(MissingFileError, match=r"is not there. Check the path"):
        find_recipe(name, ZOO)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"kind": "stge"}, 'r.yaml: kind "stge" is not known. Did you mean "stage"'),
        ({"kind": 3}, 'kind "3" is not known. Allowed: stage'),
        ({}, 'the key "kind" is missing. Allowed: stage'),
        (None, 'the key "kind" is missing'),
        (["stage"], 'the key "kind" is missing'),
    ],
)
def test_a_recipe_of_no_known_kind_is_one_line(data: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        recipe_kind(data, "r.yaml")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"learning_rat": 0.1}, 'unknown key "learning_rat". Did you mean "learning_rate"'),
        ({"steps": 0}, "steps: .* got 0"),
        ({"steps": "10"}, "steps: .* got '10'"),
        ({"ema": 1.0}, "ema: .* got 1.0"),
        ({"crop": [16]}, 'the key "crop.1" is missing'),
        ({"optimizer": "sgd"}, "optimizer: .* got 'sgd'"),
        ({"logsnr": {"mean": 0.0, "std": 0.0}}, "logsnr.std: .* got 0.0"),
        ({"loss_cap": 0.0}, "loss_cap: .* got 0.0"),
        ({"learning_rate": float("nan")}, "learning_rate: .* got nan"),
    ],
)
def test_a_wrong_stage_recipe_names_the_key(changes: dict[str, Any], message: str) -> None:
    sound = {"cascade": "tiny", "stage": "base", "steps": 10, "batch": 4, "seed": 1, "learning_rate": 0.001}
    parse(StageRecipe, sound, "r.yaml")
    with pytest.raises(ConfigError, match=rf"r\.yaml: {message}"):
        parse(StageRecipe, sound | changes, "r.yaml")


def test_lists_of_a_file_are_taken_for_pairs() -> None:
    sound = {"cascade": "tiny", "stage": "ssr1", "steps": 10, "batch": 4, "seed": 1, "learning_rate": 1}
    recipe = parse(StageRecipe, sound | {"crop": [16, 24], "betas": [0.9, 0.95]}, "r.yaml")
    assert (recipe.crop, recipe.betas) == ((16, 24), (0.9, 0.95))
