"""Distillation of a stage: targets, starts, phases, and what a kill leaves."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402 - after the gate

from ivbench.diffusion import diffuse  # noqa: E402
from ivbench.errors import ConfigError  # noqa: E402
from ivbench.plan import resolve  # noqa: E402
from ivbench.spec import DistilledSpec, StageSpec  # noqa: E402
from ivbench.train import torch_distillation  # noqa: E402
from ivbench.train.distillation import Distillation  # noqa: E402
from ivbench.train.torch_distillation import StudentTrainer, Teacher  # noqa: E402
from ivbench.zoo import read_card, verify  # noqa: E402
from tests.unit.train.students import write_recipe  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_thread")


def distillation(zoo: Path, out: Path, **changes: Any) -> Distillation:
    return Distillation(write_recipe(zoo, **changes), out, zoo)


def ignore(record: dict[str, float]) -> None:
    """Show nothing."""


def run(own: Distillation, until: str | None = None) -> list[Path]:
    return list(own.run(until, lambda trainer: trainer.run(ignore)))


def trainer_of(own: Distillation, name: str) -> StudentTrainer:
    """The training of a phase, its teachers being finished."""
    finished: dict[str | None, Teacher] = {None: own._original()}
    for phase in own.phases(name):
        trainer = own._trainer(phase, finished[phase.teacher])
        finished[phase.name] = trainer.student()
    return trainer


def test_each_phase_learns_from_the_one_before_and_leaves_a_cascade(zoo: Path, tmp_path: Path) -> None:
    own = distillation(zoo, tmp_path / "out")
    names = ["guidance", "ddim-8", "stochastic-8", "ddim-4"]
    assert [(phase.name, phase.teacher) for phase in own.phases()] == [
        ("guidance", None),
        ("ddim-8", "guidance"),
        ("stochastic-8", "ddim-8"),
        ("ddim-4", "ddim-8"),
    ]
    folders = run(own)
    assert [folder.name for folder in folders] == [f"tiny-base-{name}" for name in names]
    for folder, name in zip(folders, names, strict=True):
        card = read_card(folder)
        verify(card)
        stage = card.cascade().stage("base")
        assert stage.unet.guidance_embedding
        assert stage.unet.jump_embedding == (name == "stochastic-8")
        assert stage.distilled is not None
        assert stage.distilled.guidance == (0.0, 16.0)
        assert (own.out / name / "strip.png").is_file()
        assert len((own.out / name / "log.jsonl").read_text().splitlines()) == own.phases(name)[-1].updates
        sampling = resolve((card.config.sampling,), card.cascade())[0]
        assert sampling.num_steps == (stage.distilled.steps or 16)


def test_a_later_stage_comes_with_the_teachers_earlier_ones_and_may_be_halved_without_guidance(
    zoo: Path, tmp_path: Path
) -> None:
    halving = [{"steps": 2, "updates": 2, "learning_rate": 0.01}]
    own = distillation(
        zoo, tmp_path / "out", stage="ssr1", crop=[8, 12], guidance=None, stochastic=None, halving=halving
    )
    (folder,) = run(own)
    card = read_card(folder)
    verify(card)
    spec = card.cascade()
    assert [stage.name for stage in spec.stages] == ["base", "ssr1"]
    assert spec.stages[0] == own._card.cascade().stages[0]
    assert spec.stages[1].distilled == DistilledSpec(samplers=("ddim",), steps=2)
    assert not spec.stages[1].unet.guidance_embedding
    base, ssr1 = resolve((card.config.sampling,), spec)
    assert (base.num_steps, ssr1.num_steps, ssr1.sampler) == (16, 2, "ddim")


class Killed(Exception):
    """The process ends here."""


def test_killed_and_resumed_it_leaves_the_same_students(zoo: Path, tmp_path: Path) -> None:
    whole, cut = (distillation(zoo, tmp_path / name) for name in ("whole", "cut"))
    run(whole)
    for phase, step in (("guidance", 3), ("stochastic-8", 5), ("ddim-4", 1)):

        def killed(trainer: StudentTrainer, at: tuple[str, int] = (phase, step)) -> None:
            def on_step(record: dict[str, float]) -> None:
                if (trainer.phase.name, record["step"]) == at:
                    raise Killed

            trainer.run(on_step)

        with pytest.raises(Killed):
            list(cut.run(None, killed))
        torch.rand(7)  # whoever draws from the global generator changes nothing
    run(cut)
    for folder in sorted((whole.out / "students").iterdir()):
        for file in sorted(folder.iterdir()):
            assert (cut.out / "students" / folder.name / file.name).read_bytes() == file.read_bytes()
    for log in sorted(whole.out.glob("*/log.jsonl")):
        curves = [
            [json.loads(line)["loss"] for line in path.read_text().splitlines()]
            for path in (log, cut.out / log.parent.name / log.name)
        ]
        assert curves[0] == curves[1]


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"seed": 6}, "recipe"),
        ({"guidance": {"weights": [0, 16], "updates": 6, "learning_rate": 0.01}}, "recipe"),
        ({"guidance": {"weights": [0, 8], "updates": 5, "learning_rate": 0.01}}, "recipe"),
    ],
)
def test_a_folder_of_another_distillation_is_refused(
    zoo: Path, tmp_path: Path, changes: dict[str, Any], what: str
) -> None:
    run(distillation(zoo, tmp_path / "out"), "guidance")
    with pytest.raises(ConfigError, match=f"holds a training by another {what}"):
        run(distillation(zoo, tmp_path / "out", **changes), "guidance")


def test_later_phases_may_still_be_changed(zoo: Path, tmp_path: Path) -> None:
    run(distillation(zoo, tmp_path / "out"), "guidance")
    longer = [{"steps": 8, "updates": 7, "learning_rate": 0.02}]
    assert len(run(distillation(zoo, tmp_path / "out", halving=longer), "ddim-8")) == 2


def test_another_teacher_is_noticed(zoo: Path, tmp_path: Path) -> None:
    own = distillation(zoo, tmp_path / "out")
    run(own, "guidance")
    own._weights["head.bias"] = own._weights["head.bias"] + 1
    with pytest.raises(ConfigError, match="holds a training by another teacher"):
        run(own, "guidance")


def test_a_student_starts_as_its_teacher(zoo: Path, tmp_path: Path) -> None:
    """The conditional teacher, whatever w; and where nothing new is asked, with no loss at all."""
    own = distillation(zoo, tmp_path / "out")
    trainer = trainer_of(own, "guidance")
    data = trainer._data(0)
    logsnr = torch.tensor([row.logsnr for row in data.rows])
    z = diffuse(data.example.video, data.example.noise, logsnr)
    told = trainer.net(z, logsnr.float(), data.example.context(trainer.net, guidance=data.guidance))
    plain = trainer._teacher_net(z, logsnr.float(), data.example.context(trainer._teacher_net))
    assert torch.equal(told, plain)
    run(own, "ddim-8")
    trainer = trainer_of(own, "stochastic-8")
    data = trainer._data(0)
    kept = [row for row in data.rows if row.second is None]
    assert 0 < len(kept) < len(data.rows)
    only = SimpleNamespace(**vars(data) | {"rows": [torch_distillation.Lesson(row.logsnr) for row in data.rows]})
    assert trainer._loss(only).item() < 1e-10  # type: ignore[arg-type]


def shipped(zoo: Path, tmp_path: Path) -> str:
    """The student of 8 steps of both samplers, put into the zoo; its jump embedding has an effect."""
    folder = run(distillation(zoo, tmp_path / "first"), "stochastic-8")[-1]
    folder.rename(zoo / folder.name)
    return folder.name


def test_a_shipped_student_of_two_samplers_is_halved_further(zoo: Path, tmp_path: Path) -> None:
    """It teaches as the DDIM student that it is too; what it leaves takes the same guidance weights."""
    name = shipped(zoo, tmp_path)
    more = {"guidance": None, "halving": [{"steps": 4, "updates": 3, "learning_rate": 0.01}], "stochastic": []}
    own = distillation(zoo, tmp_path / "second", cascade=name, **more)
    trainer = trainer_of(own, "ddim-4")
    data = trainer._data(0)
    assert data.guidance is not None
    z, logsnr = data.example.noise, torch.tensor([row.logsnr for row in data.rows])
    whole = Teacher(own.stage, {key: torch.from_numpy(value).float() for key, value in own._weights.items()})
    net, ones = whole.net(torch.device("cpu")), torch.ones(len(z))
    assert net.embedding["jump"].weight.abs().max() > 0
    told = net(z, logsnr, data.example.context(net, guidance=data.guidance, jump=ones))
    folded = trainer._teacher_net(z, logsnr, data.example.context(trainer._teacher_net, guidance=data.guidance))
    torch.testing.assert_close(folded, told, rtol=1e-4, atol=1e-5)
    student = read_card(str(run(own)[-1])).cascade().stages[0].distilled
    assert student == DistilledSpec(guidance=(0, 16), samplers=("ddim",), steps=4)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({}, "Leave `guidance` out to go on from it"),
        ({"guidance": None}, "distilled to 8 steps, and halving begins with 8. It can begin with 4"),
    ],
)
def test_a_recipe_that_does_not_go_on_from_a_student_is_refused(
    zoo: Path, tmp_path: Path, changes: dict[str, Any], problem: str
) -> None:
    name = shipped(zoo, tmp_path)
    with pytest.raises(ConfigError, match=re.escape(problem)):
        distillation(zoo, tmp_path / "second", cascade=name, **changes)


def test_a_stochastic_student_alone_is_of_a_student_of_as_many_ddim_steps(zoo: Path, tmp_path: Path) -> None:
    made = {folder.name: folder for folder in run(distillation(zoo, tmp_path / "first"), "stochastic-8")}
    alone = {"guidance": None, "halving": None, "stochastic": [{"steps": 8, "updates": 3, "learning_rate": 0.01}]}
    own = distillation(zoo, tmp_path / "then", cascade=str(made["tiny-base-ddim-8"]), **alone)
    assert [(phase.name, phase.teacher) for phase in own.phases()] == [("stochastic-8", None)]
    (folder,) = run(own)
    assert folder == tmp_path / "then" / "students" / "tiny-base-ddim-8-base-stochastic-8"
    stage = read_card(folder).cascade().stage("base")
    assert stage.distilled == DistilledSpec(guidance=(0.0, 16.0), samplers=("ddim", "stochastic"), steps=8)
    teacher = read_card(made["tiny-base-ddim-8"]).cascade().stage("base")
    assert stage.unet == teacher.unet.model_copy(update={"jump_embedding": True})

    for cascade, said in (
        ("tiny", "is not distilled"),
        (str(made["tiny-base-guidance"]), "is distilled in guidance alone"),
        (str(made["tiny-base-stochastic-8"]), "has 8 steps of ddim and stochastic"),
    ):
        with pytest.raises(ConfigError, match=f"needs a stage of 8 steps of ddim. Stage .base. {said}"):
            distillation(zoo, tmp_path / "no", cascade=cascade, **alone)


def test_weights_and_places_fill_their_ranges(zoo: Path, tmp_path: Path) -> None:
    own = distillation(zoo, tmp_path / "out", batch=16)
    run(own, "ddim-8")
    guidance = torch.cat([trainer_of(own, "guidance")._data(i).guidance for i in range(20)])
    assert 0 <= guidance.min() < 0.3
    assert 15.7 < guidance.max() <= 16
    assert abs(guidance.mean() - 8) < 0.1  # stratified
    trainer = trainer_of(own, "ddim-8")
    schedule = trainer._schedule
    rows = [row.logsnr for i in range(20) for row in trainer._data(i).rows]
    assert {round(8 * schedule.time(value)) for value in rows} == set(range(1, 9))
    trainer = trainer_of(own, "stochastic-8")
    jumps = torch.cat([trainer._data(i).jump for i in range(20)])
    assert set(jumps.tolist()) == {1.0, 2.0}


def test_phases_see_batches_of_their_own(zoo: Path, tmp_path: Path) -> None:
    own = distillation(zoo, tmp_path / "out")
    run(own, "ddim-8")
    first, second = (trainer_of(own, name)._data(0).example.video for name in ("guidance", "ddim-8"))
    assert not torch.equal(first, second)


def test_the_learning_rate_falls_linearly_to_zero(zoo: Path, tmp_path: Path) -> None:
    own = distillation(zoo, tmp_path / "out")
    run(own, "guidance")
    rates = [json.loads(line)["lr"] for line in (own.out / "guidance" / "log.jsonl").read_text().splitlines()]
    assert rates == pytest.approx([0.01 * share for share in (1, 0.8, 0.6, 0.4, 0.2)])


class LinearGaussian(nn.Module):
    """Data ~ N(m(text), 0.25): x_hat = a z + (1 - alpha a) (gain + slope w) m; told nothing of w it has gain alone."""

    def __init__(self, spec: Any) -> None:
        super().__init__()
        self.spec = spec
        self.gain = nn.Parameter(torch.ones(1, 1))
        if spec.guidance_embedding:
            self.slope = nn.Parameter(torch.zeros(1, 1))

    def prepare(self, tokens: Any, mask: Any, pooled: Any, **more: Any) -> Any:
        mean = pooled.mean(dim=-1)[:, :, None, None, None]
        w = more["guidance"]
        assert (w is not None) == self.spec.guidance_embedding
        factor = self.gain if w is None else self.gain + self.slope * w[:, None]
        return factor.expand(len(pooled), 1)[:, :, None, None, None] * mean

    def forward(self, z: Any, logsnr: Any, context: Any) -> Any:
        logsnr = logsnr.double()[:, None, None, None, None]
        alpha, sigma = torch.sigmoid(logsnr).sqrt(), torch.sigmoid(-logsnr).sqrt()
        a = 0.25 * alpha / (0.25 * alpha**2 + sigma**2)
        return (a * z + (1 - alpha * a) * context).float()


def test_guidance_distillation_of_a_linear_gaussian_model_reaches_the_guided_prediction(
    zoo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """(1 + w) x_c - w x_u = a z + (1 - alpha a) (1 + w) m, m = 0 without text: gain and slope are 1."""
    monkeypatch.setattr(torch_distillation, "TorchVideoUNet", LinearGaussian)
    guidance = {"weights": [0, 16], "updates": 300, "learning_rate": 0.05}
    own = distillation(zoo, tmp_path / "out", guidance=guidance, weight_decay=0.0, batch=8, checkpoint_every=300)
    stage = StageSpec.model_validate(own.stage.model_dump() | {"parameterization": "x"})
    teacher = Teacher(stage, {"gain": torch.ones(1, 1)})
    phase = own.phases("guidance")[0]
    trainer = StudentTrainer(own.recipe, phase, teacher, stage, None, own._examples, own._encoder, tmp_path / "g")
    before = trainer._loss(trainer._data(5000)).item()
    trainer.run(ignore)
    learnt = trainer.student().weights
    assert float(learnt["slope"]) == pytest.approx(1.0, abs=2e-3)
    assert float(learnt["gain"]) == pytest.approx(1.0, abs=2e-3)
    assert trainer._loss(trainer._data(5000)).item() < 1e-5 * before
