"""Snapshots of a training: cascades of their own with the averaged weights, whatever kills the training."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from ivbench.errors import ConfigError, MissingFileError  # noqa: E402
from ivbench.train.stage import open_stage  # noqa: E402
from ivbench.train.torch_export import half_precision  # noqa: E402
from ivbench.zoo import read_card, verify  # noqa: E402
from tests.unit.train.tiny import RECIPE  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_thread")


def ignore(record: dict[str, float]) -> None:
    """Show nothing."""


def opened(zoo: Path, out: Path, **changes: Any) -> Any:
    recipe = zoo / "recipe.yaml"
    recipe.write_text(json.dumps({"kind": "stage"} | RECIPE | {"stage": "ssr1"} | changes))
    return open_stage(recipe, out, zoo)


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_each_is_a_cascade_with_the_weights_of_its_step_and_the_stages_before(zoo: Path, tmp_path: Path) -> None:
    training, after_update = opened(zoo, tmp_path / "out", snapshots=[3, 6])
    averages = {}

    def watch(trainer: Any, last: bool) -> None:
        averages[trainer.step] = half_precision(trainer.average)
        after_update(trainer, last)

    training.run(ignore, watch)
    snapshots = tmp_path / "out" / "snapshots"
    assert sorted(path.name for path in snapshots.iterdir()) == ["tiny-ssr1-000003", "tiny-ssr1-000006"]
    for step in (3, 6):
        card = read_card(str(snapshots / f"tiny-ssr1-{step:06d}"))
        verify(card)
        assert card.config.training_step == step
        assert [stage.name for stage in card.cascade().stages] == ["base", "ssr1"]
        assert card.weights_path("ssr1").read_bytes() == averages[step]
        assert card.weights_path("base").read_bytes() == (zoo / "tiny" / "base.safetensors").read_bytes()
    assert averages[3] != averages[6]


def test_a_kill_after_one_leaves_the_same_again(zoo: Path, tmp_path: Path) -> None:
    training, after_update = opened(zoo, tmp_path / "whole", snapshots=[3])
    training.run(ignore, after_update)

    def killed(trainer: Any, last: bool) -> None:
        after_update(trainer, last)
        if trainer.step == 3:  # the last checkpoint is of step 2
            raise KeyboardInterrupt

    cut, after_update = opened(zoo, tmp_path / "cut", snapshots=[3])
    with pytest.raises(KeyboardInterrupt):
        cut.run(ignore, killed)
    name = "snapshots/tiny-ssr1-000003"
    first = files(tmp_path / "cut" / name)
    again, after_update = opened(zoo, tmp_path / "cut", snapshots=[3])
    assert again.step == 2
    again.run(ignore, after_update)
    assert files(tmp_path / "whole" / name) == first == files(tmp_path / "cut" / name)


def test_a_recipe_may_change_its_stage(zoo: Path, tmp_path: Path) -> None:
    changes = {"parameterization": "eps", "unet": {"channels": 24}}
    training, after_update = opened(zoo, tmp_path / "out", snapshots=[1], changes=changes)
    plain, _ = opened(zoo, tmp_path / "plain")
    assert training.stage == plain.stage.model_copy(
        update={"parameterization": "eps", "unet": plain.stage.unet.model_copy(update={"channels": 24})}
    )
    training.run(ignore, after_update)
    assert read_card(str(tmp_path / "out" / "snapshots" / "tiny-ssr1-000001")).cascade().stage("ssr1") == training.stage
    opened(zoo, tmp_path / "plain-again")[0].save()
    with pytest.raises(ConfigError, match="by another recipe"):
        opened(zoo, tmp_path / "plain-again", changes=changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"snapshots": [7]}, "snapshots: step 7 comes after the last, 6"),
        ({"snapshots": [0]}, "snapshots"),
        ({"changes": {"parametrization": "eps"}}, 'changes: .*did you mean "parameterization"'),
        ({"changes": {"unet": {"chanels": 8}}}, 'changes: .*did you mean "channels"'),
        ({"changes": {"unet": 8}}, "changes: unet"),
    ],
)
def test_wrong_ones_are_errors_before_anything_is_trained(
    zoo: Path, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=f"(?i){message}"):
        opened(zoo, tmp_path / "out", **changes)
    assert not (tmp_path / "out").exists()


def test_without_a_card_there_is_nothing_to_put_before_the_stage(zoo: Path, tmp_path: Path) -> None:
    (zoo / "tiny" / "card.yaml").unlink()
    with pytest.raises((ConfigError, MissingFileError), match="card"):
        opened(zoo, tmp_path / "out", snapshots=[2])


def test_without_the_weights_of_a_stage_before_nothing_is_trained(zoo: Path, tmp_path: Path) -> None:
    (zoo / "tiny" / "base.safetensors").unlink()
    with pytest.raises(MissingFileError, match=r"base\.safetensors"):
        opened(zoo, tmp_path / "out", snapshots=[2])
    assert not (tmp_path / "out").exists()
    opened(zoo, tmp_path / "out")  # without snapshots nobody needs them
