"""Generators through the whole run: store, resume, counts of what failed, cost that nobody knows, the report."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ivbench import registry
from ivbench.adapters import Failed, Request
from ivbench.cli.main import main
from ivbench.config import parse_suite
from ivbench.errors import ShapeError
from ivbench.plan import Plan, build_plan
from ivbench.report import write_report
from ivbench.results.files import read_results
from ivbench.results.store import Store
from ivbench.run import Models, Outcome, Silent, sample_plan, score_plan
from tests.run.processes import environment, suite_file
from tests.run.toys import EXTRACTORS, SUITE
from tests.unit.adapters import toy_generator
from tests.unit.adapters.toy_generator import SPEC, ToyGenerator
from tests.unit.plan.test_generator_plan import source

ASKED: dict[str, Any] = {
    **{key: SUITE[key] for key in ("name", "runs", "metrics", "reference", "gallery")},
    "prompts": {"source": "shapes:test", "count": 6},
    "grid": {"guidance": [0, 4]},
}


class GeneratorModels(Models):
    """A generator and the toys' extractors."""

    def __init__(self, generator: Any) -> None:
        self.device = "cpu"
        self.made = generator
        self.extractor = lambda name: EXTRACTORS[name]()

    @property
    def generator(self) -> Any:  # type: ignore[override] # it is there already
        return self.made


def plan(generator: Any = None, **changes: Any) -> Plan:
    spec = SPEC if generator is None else generator.spec
    return build_plan(
        parse_suite({**ASKED, **changes}),
        source(spec),
        extractors={name: EXTRACTORS[name].digest for name in EXTRACTORS},
    )


def run(folder: Path, generator: Any, timing: bool = False, **changes: Any) -> Outcome:
    models, reporter = GeneratorModels(generator), Silent()
    store = Store(folder / "store", on_problem=reporter.say)
    return score_plan(plan(generator, **changes), store, models, reporter, folder / "out", "ivbench run toy:", timing)


def test_the_whole_way(tmp_path: Path) -> None:
    outcome = run(tmp_path, ToyGenerator(), timing=True)
    cells = outcome.results.cells
    assert [(cell.label, cell.guidance_w, cell.scale_g) for cell in cells] == [("w=0 4", 0, 1), ("w=4 4", 4, 5)]
    assert all(cell.complete and len(cell.scores) == 4 and len(cell.gallery) >= 2 for cell in cells)
    (cost,) = cells[0].costs
    assert (cost.nfe, cost.flops, cost.steps) == (None, None, 4)
    assert cost.seconds is not None
    assert any("FLOPs it takes is unknown" in line for line in outcome.results.disclosures)
    (stage,) = outcome.results.cascade.stages
    assert (stage.kind, stage.parameters, stage.weights) == ("generator", None, "0" * 64)
    page = write_report(outcome.path, tmp_path / "report.html").read_text()
    assert page.count("unknown") >= 4  # NFE and FLOPs of both cells
    assert "Generator toy-generator on suite toy" in page
    again = run(tmp_path, ToyGenerator(), timing=True)
    assert again.computed == 0


def test_one_random_generator_a_video_with_the_same_seed_in_every_cell_and_batch(tmp_path: Path) -> None:
    """The seeds follow from (run, prompt, sample) alone."""
    single, many = ToyGenerator(), ToyGenerator(SPEC.model_copy(update={"batch": 4}))
    seeds: list[dict[tuple[str, int], int]] = []
    for generator in (single, many):
        store = Store(tmp_path / str(generator.spec.batch))
        sample_plan(plan(generator), store, GeneratorModels(generator), Silent())
        asked = [(r.prompts[i], r.sample, r.seeds[i]) for r in generator.requests for i in range(len(r.prompts))]
        seeds.append({(prompt, sample): seed for prompt, sample, seed in asked})
        assert len({(prompt, sample, seed) for prompt, sample, seed in asked}) == len(asked) // 2  # two cells
    assert seeds[0] == seeds[1]
    assert len(set(seeds[0].values())) == 6 * 2
    assert all(0 <= seed < 2**63 for seed in seeds[0].values())


def test_a_run_that_was_killed_goes_on_where_it_stopped(tmp_path: Path) -> None:
    class Killed(ToyGenerator):
        def generate(self, request: Any) -> Any:
            if len(self.requests) == 5:
                raise KeyboardInterrupt
            return super().generate(request)

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, Killed())
    rest = ToyGenerator()
    resumed = run(tmp_path, rest)
    assert len(rest.requests) == 2 * 2 * 6 - 5
    (tmp_path / "fresh").mkdir()
    fresh = run(tmp_path / "fresh", ToyGenerator())
    assert resumed.results.cells == fresh.results.cells


def test_what_a_generator_fails_to_make_is_counted_and_told(tmp_path: Path) -> None:
    failing = ToyGenerator(refuses="cross")
    outcome = run(tmp_path, failing)
    crosses = [prompt for prompt in plan().prompts if "cross" in prompt]
    assert crosses
    for cell in outcome.results.cells:
        for score in cell.scores:
            counts = score.counts
            assert (counts.generated, counts.failed, counts.used) == (12, 2 * len(crosses), 12 - 2 * len(crosses))
            assert any("are not in this number" in note for note in score.notes)
        by_prompt = next(score.by_prompt for score in cell.scores if score.metric == "clip_score")
        assert [value is None for value in by_prompt[0]] == ["cross" in prompt for prompt in plan().prompts]
        assert not any("cross" in entry.prompt for entry in cell.gallery)
    assert f'"{crosses[0]}" is refused' in outcome.results.notes
    assert run(tmp_path, failing).computed == 0


class RefusesStrong(ToyGenerator):
    """Makes no video of a cross at strong guidance."""

    def _one(self, request: Request, place: int) -> Any:
        if request.scale is not None and request.scale > 2 and "cross" in request.prompts[place]:
            return Failed("refused")
        return super()._one(request, place)


@pytest.mark.parametrize(("kind", "margin"), [("non_inferior", 1), ("equivalent", 1), ("better", None)])
def test_a_conclusion_on_scores_of_two_protocols_is_undecided(kind: str, margin: float | None, tmp_path: Path) -> None:
    """One failed video is enough for another protocol."""
    more = {} if margin is None else {"margin": margin}
    asked = {"text": "t", "kind": kind, "of": "w=4 4", "to": "w=0 4", "metric": "clip_score", **more}
    results = run(tmp_path, RefusesStrong(), conclusions=[asked]).results
    assert len({score.protocol for cell in results.cells for score in cell.scores if score.metric == "clip_score"}) == 2
    assert [one.verdict for one in results.conclusions] == ["undecided"]


def test_a_cell_without_any_video_stops_and_says_so(tmp_path: Path) -> None:
    outcome = run(tmp_path, ToyGenerator(refuses=" "))
    assert outcome.problems.keys() == {"w=0 4", "w=4 4"}
    assert "12 failed" in outcome.problems["w=0 4"]


@pytest.mark.parametrize(
    ("returned", "said"),
    [
        (lambda video: [], "0 videos for 1 prompts"),
        (lambda video: [video[:2]], r"\[2, 12, 20, 3\]"),
        (lambda video: [video / np.float32(255)], "float32"),
    ],
)
def test_what_is_no_video_is_refused(tmp_path: Path, returned: Any, said: str) -> None:
    class Wrong(ToyGenerator):
        def generate(self, request: Any) -> Any:
            return returned(super().generate(request)[0])

    with pytest.raises(ShapeError, match=said):
        run(tmp_path, Wrong())


@pytest.fixture
def toys(shipped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to run commands in, with the toy generator as a module of the user's."""
    for name, value in environment(shipped, tmp_path).items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "mytoys", raising=False)
    wrong = "\n\ndef no_generator(device):\n    return 3\n\n\ndef no_arguments():\n    return 3\n"
    (tmp_path / "mytoys.py").write_text(Path(toy_generator.__file__).read_text() + wrong)
    metrics = [{"name": "clip_score", "extractor": "clip-probe"}]
    suite_file(tmp_path, metrics=metrics, runs=1, defaults={}, grid={"guidance": [1, 6.5]})
    return tmp_path


OPTIONS = ["--suite", "suite.yaml", "--no-timing", "--no-open", "--out", "out"]


def test_by_the_command_line(toys: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "python:mytoys:load", *OPTIONS]) == 0
    results = read_results(toys / "out" / "results.json")
    assert [cell.scale_g for cell in results.cells] == [2, 7.5]
    assert (toys / "out" / "report.html").is_file()
    assert main(["plan", "python:mytoys:load", "--suite", "suite.yaml"]) == 0
    assert "unknown TFLOPs of sampling" in capsys.readouterr().out


@pytest.fixture
def unsound(toys: Path) -> Iterator[Path]:
    """A folder with a package whose entry points, adapter and extractor `own`, name a module that is not there."""
    about = toys / "unsound-1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: unsound\nVersion: 1\n")
    (about / "entry_points.txt").write_text(
        "[ivbench.adapters]\nown = nowhere:X\n[ivbench.extractors]\nown = nowhere:X\n"
    )
    registry._targets.cache_clear()
    yield toys
    registry._targets.cache_clear()


@pytest.mark.parametrize("kind", ["adapter", "extractor"])
def test_a_package_that_cannot_be_imported_is_one_line(
    unsound: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    if kind == "extractor":
        suite_file(unsound, metrics=[{"name": "frame_fid", "extractor": "own"}], defaults={}, grid=None)
    source = "own:nix" if kind == "adapter" else "python:mytoys:load"
    assert main(["plan", source, "--suite", "suite.yaml"]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert f"{kind} \"own\" cannot be imported: No module named 'nowhere'. Its entry point is nowhere:X" in line


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["python:mytoys:absent"], "cannot be imported"),
        (["python:mytoys:SPEC"], "A class or function is needed"),
        (["python:mytoys:no_generator"], "A generator has a spec"),
        (["python:mytoys:no_arguments"], "cannot be called with cpu"),
        (["native:x"], '"native" is no generator'),
        (["nativ:x"], 'Did you mean "native"?'),
        (["python:mytoys:load", "--backend", "jax"], "Leave --backend jax out"),
        (["python:mytoys:load", "--dtype", "bfloat16"], "dtype is bfloat16. Allowed: float32"),
        (["python:mytoys:load", "--cascade", "tiny"], "Give one"),
        (["python:mytoys:load", "--suite", "quick"], "gamma: generator"),
    ],
)
def test_a_wrong_name_is_one_line(
    toys: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    assert main(["run", *OPTIONS, *arguments]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert said in lines[0]
