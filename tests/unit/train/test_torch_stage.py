"""Training of a stage: the loss falls; killed and resumed, the curve is the same; checkpoints that don't fit."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from safetensors.numpy import load_file  # noqa: E402 - after the gate

from ivbench.diffusion import CosineSchedule, augment  # noqa: E402
from ivbench.errors import ConfigError, NonFiniteError, StoreError  # noqa: E402
from ivbench.train import torch_examples, torch_stage  # noqa: E402
from ivbench.train.stage import StripMaker  # noqa: E402
from ivbench.train.torch_export import export_weights  # noqa: E402
from ivbench.train.torch_stage import StageTrainer  # noqa: E402
from ivbench.train.torch_text_table import TextTable  # noqa: E402
from ivbench.train.torch_text_whitening import whiten_text  # noqa: E402
from ivbench.train.torch_training import CHECKPOINT, LOG  # noqa: E402
from tests.unit.train.tiny import Tiny  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_thread")


def trainer(tiny: Any, folder: Path, kind: str = "base", encoder: Any = None, **changes: Any) -> StageTrainer:
    before = None if kind == "base" else tiny.stage("base")
    changes = {"stage": kind, "images": 0.0 if kind == "tsr" else 0.25} | changes
    return StageTrainer(tiny.recipe(**changes), tiny.stage(kind), before, encoder or tiny.encoder(), folder)


class Killed(Exception):
    """The process ends here."""


def killed_at(step: int) -> Any:
    def on_step(record: dict[str, float]) -> None:
        if record["step"] == step:
            raise Killed

    return on_step


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished training."""
    folder = tmp_path_factory.mktemp("trained")
    trainer(Tiny, folder).run(ignore)
    return folder


@pytest.fixture
def finished(trained: Path, tmp_path: Path) -> Path:
    """A copy of it, to be spoilt."""
    return Path(shutil.copytree(trained, tmp_path / "finished"))


def ignore(record: dict[str, float]) -> None:
    """Show nothing."""


def losses(folder: Path) -> list[float]:
    lines = [json.loads(line) for line in (folder / LOG).read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(1, len(lines) + 1))
    return [line["loss"] for line in lines]


@pytest.mark.parametrize("kind", ["base", "tsr", "ssr"])
def test_the_loss_on_a_batch_that_was_not_trained_on_falls(tiny: Any, tmp_path: Path, kind: str) -> None:
    training = trainer(tiny, tmp_path, kind, steps=20, checkpoint_every=20)
    before = training._loss(training._data(1000)).item()
    training.run(ignore)
    after = training._loss(training._data(1000)).item()
    assert after < 0.93 * before


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("base", {}),
        ("base", {"optimizer": "muon", "logsnr": {"mean": -1.0, "std": 2.0}, "loss_cap": 4.0}),
        ("tsr", {}),
        ("ssr", {"crop": (8, 12)}),
    ],
)
def test_killed_and_resumed_it_is_the_same_training_bit_for_bit(
    tiny: Any, tmp_path: Path, kind: str, changes: dict[str, Any]
) -> None:
    whole = trainer(tiny, tmp_path / "whole", kind, **changes)
    whole.run(ignore)
    with pytest.raises(Killed):
        trainer(tiny, tmp_path / "cut", kind, **changes).run(killed_at(5))
    torch.rand(7)  # whoever draws from the global generator changes nothing
    resumed = trainer(tiny, tmp_path / "cut", kind, **changes)
    assert resumed.step == 4
    resumed.run(ignore)
    assert losses(tmp_path / "cut") == losses(tmp_path / "whole")
    for first, second in ((whole.net.state_dict(), resumed.net.state_dict()), (whole.average, resumed.average)):
        assert first.keys() == second.keys()
        assert all(torch.equal(first[name], second[name]) for name in first)


def test_killed_before_the_first_checkpoint_it_starts_anew(tiny: Any, tmp_path: Path) -> None:
    with pytest.raises(Killed):
        trainer(tiny, tmp_path).run(killed_at(1))
    (tmp_path / LOG).write_text('{"step": 1, "loss": 9.0}\n{"step": 2, "lo')
    trainer(tiny, tmp_path).run(ignore)
    assert len(losses(tmp_path)) == 6
    assert losses(tmp_path)[0] != 9.0


def test_a_finished_training_does_nothing_more(tiny: Any, finished: Path) -> None:
    before = (finished / LOG).read_bytes()
    trainer(tiny, finished).run(killed_at(7))
    assert (finished / LOG).read_bytes() == before


def test_strips_are_asked_for_at_their_steps_and_at_the_end(tiny: Any, tmp_path: Path) -> None:
    strips = StripMaker(tiny.stage(), None, tiny.encoder())
    trainer(tiny, tmp_path, steps=5, strip_every=2).run(ignore, strips.after_update)
    names = sorted(path.name for path in (tmp_path / "strips").iterdir())
    assert names == [f"step-00000{step}.png" for step in (2, 4, 5)]


def test_a_kill_before_a_checkpoint_repeats_what_was_shown_after_the_one_before(tiny: Any, tmp_path: Path) -> None:
    seen: list[int] = []

    def killed(training: StageTrainer, last: bool) -> None:
        seen.append(training.step)
        if len(seen) == 4:
            raise Killed

    with pytest.raises(Killed):
        trainer(tiny, tmp_path).run(ignore, killed)
    trainer(tiny, tmp_path).run(ignore, killed)
    assert seen == [1, 2, 3, 4, 3, 4, 5, 6]


def test_a_clean_head_needs_a_loss_that_no_single_row_decides(tiny: Any, tmp_path: Path) -> None:
    stage = tiny.stage(clean_head=True)
    with pytest.raises(ConfigError, match=r'stage "base" has a clean head: .* Set loss_cap'):
        StageTrainer(tiny.recipe(images=0.0), stage, None, tiny.encoder(), tmp_path)
    StageTrainer(tiny.recipe(images=0.0, loss_cap=4.0), stage, None, tiny.encoder(), tmp_path)


def test_the_conditioning_video_is_noised_by_as_much_as_the_net_is_told(
    tiny: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the low resolution, at lambda(u) with u ~ U[0, augmentation_max_time]."""
    training = trainer(tiny, tmp_path, "ssr", batch=64, images=0.0, augmentation_max_time=0.6)
    seen: dict[str, Any] = {}

    def watched(low: Any, noise: Any, logsnr: Any) -> Any:
        seen.update(low=low, noise=noise, logsnr=logsnr)
        return augment(low, noise, logsnr)

    monkeypatch.setattr(torch_examples, "augment", watched)
    example = training._data(0)
    told = example.augmentation
    assert told is not None
    assert example.conditioning is not None
    assert tuple(seen["noise"].shape) == tuple(seen["low"].shape) == (64, 4, 6, 10, 3)
    assert example.conditioning.shape == example.video.shape
    np.testing.assert_allclose(told, seen["logsnr"])
    schedule = CosineSchedule()
    times = sorted(schedule.time(value) for value in told.tolist())
    assert 0 <= times[0] < 0.05 < 0.55 < times[-1] <= 0.6
    assert len(set(times)) == 64


def test_whitened_text_makes_every_direction_of_the_captions_count_alike(tiny: Any, tmp_path: Path) -> None:
    rows = torch.randn(400, 4, generator=torch.Generator().manual_seed(0)) * torch.tensor([9.0, 1.0, 0.3, 0.1]) + 2.0
    net = trainer(tiny, tmp_path).net
    whiten_text(net, rows, rows)
    linear = net.embedding["text"]
    with torch.no_grad():
        assert linear(torch.zeros(1, 4)).abs().max() == 0.0  # null text stays zero
        seen = linear(rows) - linear(rows).mean(dim=0)
        strength = torch.linalg.svdvals(seen)[:3]  # one of the four is the mean's
    assert strength[2] > 0.2 * strength[0]
    plain = torch.linalg.svdvals(rows - rows.mean(dim=0))
    assert plain[2] < 0.05 * plain[0]


def test_the_average_follows_the_weights(tiny: Any, tmp_path: Path) -> None:
    training = trainer(tiny, tmp_path, steps=1, warm_up=0)
    before = {name: value.clone() for name, value in training.average.items()}
    training.run(ignore)
    for name, value in training.net.state_dict().items():
        torch.testing.assert_close(training.average[name], before[name] + 0.9 * (value - before[name]))


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_the_learning_rate_warms_up_and_falls_to_zero(tiny: Any, tmp_path: Path, optimizer: str) -> None:
    trainer(tiny, tmp_path, optimizer=optimizer, warm_up=2, learning_rate=1e-3).run(ignore)
    rates = [json.loads(line)["lr"] for line in (tmp_path / LOG).read_text().splitlines()]
    cosine = [0.5 * (1 + np.cos(np.pi * share)) for share in (0, 0.25, 0.5, 0.75)]
    np.testing.assert_allclose(rates, 1e-3 * np.array([0.5, 1, *cosine]))


@pytest.mark.parametrize(
    ("changes", "what"),
    [({"seed": 6}, "recipe"), ({"steps": 7}, "recipe"), ({"encoder": "other"}, "text encoder")],
)
def test_a_folder_of_another_training_is_refused(tiny: Any, finished: Path, changes: dict[str, Any], what: str) -> None:
    encoder = tiny.encoder(changes.pop("encoder", "random"))
    with pytest.raises(ConfigError, match=f"holds a training by another {what}. Give another folder with --out"):
        trainer(tiny, finished, encoder=encoder, **changes)


def test_a_folder_of_another_net_is_refused(tiny: Any, finished: Path) -> None:
    with pytest.raises(ConfigError, match="holds a training by another stage"):
        StageTrainer(tiny.recipe(images=0.25), tiny.stage(middle=2), None, tiny.encoder(), finished)


def test_how_a_stage_is_sampled_does_not_matter_to_its_training(tiny: Any, finished: Path) -> None:
    stage = tiny.stage().model_copy(update={"oscillates": True})
    assert StageTrainer(tiny.recipe(images=0.25), stage, None, tiny.encoder(), finished).step == 6


def test_a_checkpoint_from_before_they_named_the_stage_is_taken(tiny: Any, finished: Path) -> None:
    state = torch.load(finished / CHECKPOINT, weights_only=True)
    torch.save({k: v for k, v in state.items() if k not in ("stage", "before", "encoder")}, finished / CHECKPOINT)
    assert trainer(tiny, finished).step == 6


@pytest.mark.parametrize("keep", [0, 10, 5000, -100])
def test_a_torn_checkpoint_is_one_line(tiny: Any, finished: Path, keep: int) -> None:
    whole = (finished / CHECKPOINT).read_bytes()
    (finished / CHECKPOINT).write_bytes(whole[:keep])
    with pytest.raises(
        StoreError, match=r"checkpoint.pt is torn or not a checkpoint. Remove it to train from"
    ) as error:
        trainer(tiny, finished)
    assert "\n" not in str(error.value)


def test_a_checkpoint_that_carries_code_is_not_run(tiny: Any, tmp_path: Path) -> None:
    torch.save({"step": Path("/")}, tmp_path / CHECKPOINT)
    with pytest.raises(StoreError, match="torn or not a checkpoint"):
        trainer(tiny, tmp_path)


def test_a_checkpoint_of_something_else_is_one_line(tiny: Any, tmp_path: Path) -> None:
    torch.save({"step": 3}, tmp_path / CHECKPOINT)
    with pytest.raises(ConfigError, match="is not the checkpoint of such a training"):
        trainer(tiny, tmp_path)


def test_a_loss_that_is_not_finite_stops_the_training(tiny: Any, tmp_path: Path) -> None:
    training = trainer(tiny, tmp_path)
    with torch.no_grad():
        training.net.head.bias.fill_(float("nan"))
    with pytest.raises(NonFiniteError, match=r"the loss is nan at step 0. Lower learning_rate"):
        training.run(ignore)
    assert not (tmp_path / CHECKPOINT).exists()


def test_muon_moves_a_matrix_by_one_step_in_every_direction(tiny: Any, tmp_path: Path) -> None:
    """Jordan et al. 2024: the update is the gradient with its singular values set to (about) one."""
    training = trainer(tiny, tmp_path, optimizer="muon", warm_up=0, weight_decay=0.0, learning_rate=1e-3)
    weight = training.net.head.weight
    before = weight.detach().clone()
    training._update()
    moved = (weight.detach() - before).flatten(1)
    size = 0.2 * max(moved.shape) ** 0.5 * 1e-3
    values = torch.linalg.svdvals(moved) / size
    assert 0.6 < values.min() <= values.max() < 1.3


def test_muon_works_in_float32_on_cpus_and_leaves_timm_as_it_was(
    tiny: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from timm.optim import muon

    usual, dtypes = muon.zeropower_via_newtonschulz, []

    def watched(*args: Any, **kwargs: Any) -> Any:
        dtypes.append(kwargs["dtype"])
        return usual(*args, **kwargs)

    monkeypatch.setattr(muon, "zeropower_via_newtonschulz", watched)
    trainer(tiny, tmp_path, optimizer="muon")._update()
    assert set(dtypes) == {torch.float32}
    assert muon.zeropower_via_newtonschulz is watched


@pytest.mark.parametrize("parameterization", ["x", "eps", "v"])
def test_a_perfect_prediction_has_no_loss(
    tiny: Any, tmp_path: Path, parameterization: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A net that is handed the clean video answers in closed form; then the target must be what it answers."""
    stage = tiny.stage().model_copy(update={"parameterization": parameterization})
    training = StageTrainer(tiny.recipe(), stage, None, tiny.encoder(), tmp_path)
    data = training._data(0)
    x = data.video.double()

    def oracle(z: Any, logsnr: Any, context: Any) -> Any:
        logsnr = logsnr.double()[:, None, None, None, None]
        alpha, sigma = torch.sigmoid(logsnr).sqrt(), torch.sigmoid(-logsnr).sqrt()
        eps = (z - alpha * x) / sigma
        return {"x": x, "eps": eps, "v": alpha * eps - sigma * x}[parameterization].float()

    monkeypatch.setattr(training.net, "forward", oracle)
    monkeypatch.setattr(torch_stage, "draw_logsnr", lambda times, *_: 4 - 8 * times)
    assert training._loss(data).item() < 1e-8


def test_exported_weights_are_the_average_in_half_precision(tiny: Any, finished: Path, tmp_path: Path) -> None:
    training = trainer(tiny, finished)
    export_weights(training.average, tmp_path / "base.safetensors")
    stored = load_file(tmp_path / "base.safetensors")
    assert stored.keys() == training.average.keys()
    for name, value in training.average.items():
        np.testing.assert_array_equal(stored[name], value.half().numpy())


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e30])
def test_weights_that_float16_cannot_hold_are_not_exported(value: float, tmp_path: Path) -> None:
    with pytest.raises(NonFiniteError, match=r"the weight w is not finite in float16"):
        export_weights({"w": torch.tensor([1.0, value])}, tmp_path / "w.safetensors")
    assert not (tmp_path / "w.safetensors").exists()


def test_the_null_text_is_zero_and_all_valid(tiny: Any) -> None:
    table = TextTable(tiny.encoder(), ["a", "b"])
    tokens, mask, pooled = table([["", "b"], ["a", ""]])
    assert tokens.shape == (2, 2, 2, 4)
    assert mask.all()
    assert not tokens[0, 0].any()
    assert not pooled[0, 0].any()
    assert not tokens[1, 1].any()
    own = tiny.encoder().encode(["a", "b"])
    np.testing.assert_array_equal(tokens[1, 0].numpy(), own.tokens[0])
    np.testing.assert_array_equal(pooled[0, 1].numpy(), own.pooled[1])
