"""The runner by claim, on toys: what is computed, what is found, what stops, and what the numbers stand on."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ivbench.config import digest
from ivbench.errors import ConfigError, NonFiniteError, StoreError
from ivbench.extractors.geometric_judge import GeometricJudge
from ivbench.plan import Plan
from ivbench.results.files import read_results
from ivbench.results.store import Store
from ivbench.run import Job, Silent, sample_plan
from ivbench.run.sampling import VIDEO
from tests.run.toys import Ran, ToyClips, ToyModels, run_toy, toy_plan

PLAN = toy_plan()


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Ran]:
    folder = tmp_path_factory.mktemp("finished")
    return folder, run_toy(PLAN, folder, timing=True)


@pytest.fixture
def again(finished: tuple[Path, Ran], tmp_path: Path) -> Path:
    """A copy of the finished store, to be damaged."""
    shutil.copytree(finished[0] / "store", tmp_path / "store")
    return tmp_path


def plain(path: Path) -> dict[str, Any]:
    """What results.json says, but for when it was written."""
    found = json.loads(path.read_text())
    return {key: value for key, value in found.items() if key != "created"}


def entry(folder: Path, task_id: str, suffix: str = "safetensors") -> Path:
    return folder / "store" / task_id[:2] / f"{task_id}.{suffix}"


def remove(folder: Path, task_id: str) -> None:
    for suffix in ("json", "safetensors"):
        entry(folder, task_id, suffix).unlink()


def final(plan: Plan, label: str) -> str:
    cell = next(cell.id for cell in plan.cells if cell.label == label)
    return plan.final_samples(cell)[0].id


def test_every_task_of_the_plan_is_computed_once(finished: tuple[Path, Ran]) -> None:
    folder, ran = finished
    store = Store(folder / "store")
    tasks = [*PLAN.encode, *PLAN.sample, *PLAN.extract, *PLAN.score]
    assert all(store.has(task.id) for task in tasks)
    assert ran.outcome.computed == len(store.ids())
    assert ran.outcome.problems == {}


def test_cells_that_agree_up_to_a_stage_share_its_tasks(tmp_path: Path) -> None:
    job = sample_plan(PLAN, Store(tmp_path / "store"), ToyModels(PLAN.source.spec), Silent())
    stages = [task.stage for task in PLAN.sample if task.id in job.computed]
    runs_and_blocks = 2 * 2
    assert stages.count("base") == stages.count("tsr1") == 2 * runs_and_blocks
    assert stages.count("ssr1") == 3 * runs_and_blocks
    assert len(job.computed) == len(stages) + len(PLAN.encode)


def test_a_second_run_computes_and_loads_nothing(again: Path, finished: tuple[Path, Ran]) -> None:
    second = run_toy(PLAN, again, timing=True)
    assert second.outcome.computed == 0
    assert second.models.toy.asked == []
    assert second.models.loaded == []
    assert plain(second.outcome.path) == plain(finished[1].outcome.path)


def test_a_second_run_loads_nothing_where_prompts_are_no_captions_of_the_domain(tmp_path: Path) -> None:
    plan = toy_plan(prompts={"texts": ["a cat", "two dogs", "a red circle"]})
    first = run_toy(plan, tmp_path)
    assert first.outcome.results.ground_truth == []
    contexts = {score.metric: score.context for score in first.outcome.results.cells[0].scores}
    assert {"null_mean", "null_q95"} <= contexts["fvd"].keys()
    assert "ground_truth" not in contexts["fvd"]
    assert first.outcome.results.ground_truth_gallery == []
    second = run_toy(plan, tmp_path)
    assert second.outcome.computed == 0
    assert second.models.loaded == []


def test_a_resumed_run_gives_the_results_of_an_uninterrupted_one(again: Path, finished: tuple[Path, Ran]) -> None:
    lost = [*PLAN.sample[len(PLAN.sample) // 2 :], *PLAN.extract, *PLAN.score]
    for task in lost:
        remove(again, task.id)
    resumed = run_toy(PLAN, again, timing=True)
    assert resumed.outcome.computed == len(lost)
    assert plain(resumed.outcome.path) == plain(finished[1].outcome.path)


def test_a_run_that_was_killed_while_it_sampled_goes_on(tmp_path: Path, finished: tuple[Path, Ran]) -> None:
    class Killed(Silent):
        steps = 0

        def advance(self, amount: float) -> None:
            self.steps += 1
            if self.steps > len(PLAN.sample) // 2:
                raise KeyboardInterrupt

    store = Store(tmp_path / "store")
    with pytest.raises(KeyboardInterrupt):
        sample_plan(PLAN, store, ToyModels(PLAN.source.spec), Killed())
    kept = sum(store.has(task.id) for task in PLAN.sample)
    assert 0 < kept < len(PLAN.sample)
    resumed = run_toy(PLAN, tmp_path, timing=False)
    fresh = plain(finished[1].outcome.path)
    assert json.dumps(plain(resumed.outcome.path)["differences"]) == json.dumps(fresh["differences"])
    assert [cell["scores"] for cell in plain(resumed.outcome.path)["cells"]] == [c["scores"] for c in fresh["cells"]]


def test_appended_prompts_keep_the_old_blocks(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    sample_plan(toy_plan(prompts={"source": "shapes:test", "count": 16}), store, ToyModels(PLAN.source.spec), Silent())
    job = sample_plan(PLAN, store, ToyModels(PLAN.source.spec), Silent())
    computed = [task for task in PLAN.sample if task.id in job.computed]
    assert {task.block for task in computed} == {1}


def test_a_larger_reference_keeps_what_a_smaller_one_computed(tmp_path: Path) -> None:
    changes: dict[str, Any] = {"cells": [{"label": "a"}], "metrics": [{"name": "fvd", "extractor": "toy-clips"}]}
    small = run_toy(toy_plan(**changes, reference={"count": 60}), tmp_path)
    large = run_toy(toy_plan(**changes, reference={"count": 140}), tmp_path)
    assert small.outcome.computed > 0
    # two more chunks of the reference, the floor, the ground truth and the score
    assert large.outcome.computed == 5


@pytest.mark.parametrize("kind", ["sample", "extract", "score"])
def test_an_altered_entry_that_is_read_again_is_recomputed_and_said(
    kind: str, again: Path, finished: tuple[Path, Ran]
) -> None:
    """An entry of the same size with other bytes: only its digest tells."""
    altered = {"sample": final(PLAN, "a"), "extract": PLAN.extract[0].id, "score": PLAN.score[0].id}[kind]
    if kind == "extract":
        for task in (task for task in PLAN.score if altered in task.consumes):
            remove(again, task.id)
    file = entry(again, altered)
    content = file.read_bytes()
    file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    ran = run_toy(PLAN, again, timing=True)
    assert any(altered[:12] in line and "altered" in line for line in ran.lines)
    assert file.read_bytes() == content
    assert plain(ran.outcome.path) == plain(finished[1].outcome.path)


@pytest.mark.parametrize("suffix", ["json", "safetensors"])
def test_a_torn_entry_is_recomputed(suffix: str, again: Path, finished: tuple[Path, Ran]) -> None:
    file = entry(again, final(PLAN, "a"), suffix)
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])
    ran = run_toy(PLAN, again, timing=True)
    assert ran.outcome.computed == 1
    assert any("torn" in line for line in ran.lines)
    assert plain(ran.outcome.path) == plain(finished[1].outcome.path)


def test_a_cell_whose_samples_are_not_finite_stops_and_the_others_have_scores(tmp_path: Path) -> None:
    ran = run_toy(PLAN, tmp_path, timing=True, breaks=True)
    assert list(ran.outcome.problems) == ["guided"]
    problem = ran.outcome.problems["guided"]
    assert 'stage "base"' in problem
    assert "seed 0" in problem
    assert "prompts 1 to 16" in problem
    assert "0 of 36 videos were made" in problem
    cells = {cell.label: cell for cell in ran.outcome.results.cells}
    assert cells["guided"].scores == []
    assert cells["guided"].gallery == []
    assert not cells["guided"].complete
    assert all(cost.seconds is None for cost in cells["guided"].costs if cost.stage == "base")
    for label in ("a", "short"):
        assert len(cells[label].scores) == 4
        assert cells[label].complete
        assert all(score.counts.used == 36 and score.counts.failed == 0 for score in cells[label].scores)
    stopped = cells["guided"].id
    assert all(stopped not in (row.a, row.b) for row in ran.outcome.results.differences)
    assert read_results(ran.outcome.path) == ran.outcome.results


def test_the_other_videos_of_a_stopped_cell_are_not_tried(tmp_path: Path) -> None:
    calls: list[str] = []

    class Counting(ToyModels):
        @property
        def cascade(self) -> Any:
            calls.append("")
            return self.toy

    plan = toy_plan(cells=[{"label": "guided", "guidance": {"base": 2, "sr": 0}}])
    models = Counting(plan.source.spec, breaks=True)
    job = sample_plan(plan, Store(tmp_path / "store"), models, Silent())
    assert list(job.problems) == [plan.cells[0].id]
    assert models.toy.asked.count("base") == 2  # loaded, then sampled once


def test_features_that_are_not_finite_stop_their_cells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Real clips, which have a background, have features."""
    plain_features = ToyClips.extract

    def extract(self: ToyClips, videos: Any) -> Any:
        real = GeometricJudge().extract(videos)[:, 2] >= 0
        return np.where(real[:, None], plain_features(self, videos), np.float32(np.nan))

    monkeypatch.setattr(ToyClips, "extract", extract)
    plan = toy_plan(metrics=[{"name": "fvd", "extractor": "toy-clips"}])
    ran = run_toy(plan, tmp_path)
    assert set(ran.outcome.problems) == {"a", "guided", "short"}
    assert all("36 of 36 videos were made" in problem for problem in ran.outcome.problems.values())
    assert all(cell.scores == [] for cell in ran.outcome.results.cells)


def test_weights_that_cannot_be_loaded_are_found_before_anything_is_sampled(tmp_path: Path) -> None:
    with pytest.raises(NonFiniteError, match=r'stage "ssr1".*weight w'):
        run_toy(PLAN, tmp_path, wrong_weights="ssr1")
    assert Store(tmp_path / "store").ids() == []


def test_an_extractor_that_does_not_serve_its_metric_is_found_before_anything_is_sampled(tmp_path: Path) -> None:
    plan = toy_plan(metrics=[{"name": "fvd", "extractor": "toy-frames"}])
    with pytest.raises(ConfigError, match="fvd needs an extractor of the kind clips"):
        run_toy(plan, tmp_path)
    assert Store(tmp_path / "store").ids() == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [({"noise": "device"}, "noise"), ({"reference": {"source": "kinetics", "count": 8}}, "reference.source")],
)
def test_what_the_runner_cannot_do_is_refused_first(changes: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=said):
        run_toy(toy_plan(**changes), tmp_path)
    assert not (tmp_path / "store").exists()


def test_prompts_that_a_metric_cannot_score_are_found_before_anything_is_sampled(tmp_path: Path) -> None:
    metrics = [{"name": "shape_accuracy", "extractor": "toy-clips"}]
    plan = toy_plan(metrics=metrics, prompts={"texts": ["a dog"]})
    with pytest.raises(ConfigError, match='"a dog" is no canonical caption of the shapes domain'):
        run_toy(plan, tmp_path)
    assert Store(tmp_path / "store").ids() == []


def test_one_video_is_too_few_for_a_frechet_metric_and_found_before_anything_is_sampled(tmp_path: Path) -> None:
    plan = toy_plan(prompts={"source": "shapes:test", "count": 1}, runs=1)
    with pytest.raises(ConfigError, match="frame_fid needs 2 videos a cell or more, got 1"):
        run_toy(plan, tmp_path)
    assert Store(tmp_path / "store").ids() == []


def test_an_entry_of_another_version_of_ivbench_is_no_crash(tmp_path: Path, finished: tuple[Path, Ran]) -> None:
    job = Job(PLAN, Store(finished[0] / "store"), finished[1].models, Silent())
    plain_manifest = job.store.manifest

    def other(task_id: str) -> Any:
        found = plain_manifest(task_id)
        return found if found is None else found | {"environment": {"ivbench": "99", "new field": 1}}

    job.store.manifest = other  # type: ignore[method-assign]
    assert job.environments() == [job.environment]


def test_an_out_folder_that_cannot_be_made_is_found_first(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="can't be made"):
        run_toy(PLAN, tmp_path, out="file/out")
    assert not (tmp_path / "store").exists()


def test_real_clips_score_better_than_chance_shuffled_captions_and_noise(finished: tuple[Path, Ran]) -> None:
    """The last stage is 12x20: the judge that stands in for CLIP sees most attributes there."""
    results = finished[1].outcome.results
    truth = {score.metric: score for score in results.ground_truth}
    assert truth["r_precision"].value > 10 * truth["r_precision"].context["chance"]
    assert truth["clip_score"].value > truth["clip_score"].context["shuffled"] + 10
    for cell in results.cells:
        for score in cell.scores:
            assert score.context["ground_truth"] == truth[score.metric].value
            better = score.value < truth[score.metric].value
            assert better is score.higher_is_better, (cell.label, score.metric)


def test_a_frechet_ground_truth_is_its_null_floor_in_the_number_generated(finished: tuple[Path, Ran]) -> None:
    results = finished[1].outcome.results
    for truth in results.ground_truth[:2]:
        assert truth.value == truth.context["null_mean"] <= truth.context["null_q95"]
        assert len(truth.runs) == 20
        assert (truth.counts.used, truth.counts.reference) == (36, 40)
        assert truth.protocol == next(s for s in results.cells[0].scores if s.metric == truth.metric).protocol


def test_counts_are_those_of_the_suite(finished: tuple[Path, Ran]) -> None:
    for cell in finished[1].outcome.results.cells:
        for score in cell.scores:
            assert (score.counts.generated, score.counts.failed, score.counts.used) == (36, 0, 36)
            assert [run.seed for run in score.runs] == [0, 1]


def test_of_many_cells_each_is_compared_with_the_first_and_with_the_best(tmp_path: Path) -> None:
    cells = [{"label": f"c{w}", "guidance": {"base": w, "sr": 0}} for w in range(9)]
    results = run_toy(toy_plan(cells=cells, gallery=0), tmp_path).outcome.results
    names = [cell.id for cell in results.cells]
    for place, score in enumerate(results.cells[0].scores):
        values = [cell.scores[place].value for cell in results.cells]
        turned = values if score.higher_is_better else [-value for value in values]
        best = names[turned.index(max(turned))] if score.decisive else names[0]
        compared = {(row.a, row.b) for row in results.differences if row.metric == score.metric}
        wanted = {(b, a) for i, a in enumerate(names) for b in names[i + 1 :] if {a, b} & {names[0], best}}
        assert compared == wanted


def test_differences_are_later_minus_earlier(finished: tuple[Path, Ran]) -> None:
    _, ran = finished
    results = ran.outcome.results
    value = {(cell.id, score.metric): score.value for cell in results.cells for score in cell.scores}
    order = [cell.id for cell in PLAN.cells]
    assert len(results.differences) == 3 * 4
    for row in results.differences:
        assert order.index(row.a) > order.index(row.b)
        assert row.value == pytest.approx(value[row.a, row.metric] - value[row.b, row.metric], abs=1e-9)


def test_final_videos_are_bytes_and_others_are_halves(finished: tuple[Path, Ran]) -> None:
    store = Store(finished[0] / "store")
    for task in PLAN.sample:
        found = store.get(task.id)
        assert found is not None
        stage = PLAN.source.spec.stages[task.stage_index]
        assert found[VIDEO].dtype == (np.uint8 if task.last else np.float16)
        assert found[VIDEO].shape == (len(task.prompts), *stage.shape)


def test_truncated_prompts_are_said(tmp_path: Path) -> None:
    plan = toy_plan(prompts={"texts": ["a cat", "word " * 30]}, metrics=[])
    notes = run_toy(plan, tmp_path).outcome.results.notes
    assert notes == ["1 of 2 prompts are longer than the 6 tokens of toy-text; it did not see their ends."]


def test_results_that_mix_environments_list_them(again: Path) -> None:
    changed = PLAN.sample[0].id
    file = entry(again, changed, "json")
    manifest = json.loads(file.read_text())
    manifest["about"]["environment"]["libraries"]["torch"] = "1.0"
    manifest["digest"] = digest({key: value for key, value in manifest.items() if key != "digest"})
    file.write_text(json.dumps(manifest))
    found = run_toy(PLAN, again, timing=True).outcome.results.environments
    assert [environment.libraries["torch"] == "1.0" for environment in found] == [False, True]


def test_time_is_measured_by_stage_and_setting_and_only_when_asked(finished: tuple[Path, Ran], tmp_path: Path) -> None:
    timed = {cell.label: cell for cell in finished[1].outcome.results.cells}
    seconds = {label: [cost.seconds for cost in cell.costs] for label, cell in timed.items()}
    assert all(value is not None and value > 0 for row in seconds.values() for value in row)
    assert seconds["a"][:2] == seconds["short"][:2]  # what cells share is measured once
    assert "median" in timed["a"].timing
    untimed = run_toy(toy_plan(metrics=[]), tmp_path).outcome.results.cells
    assert all(cell.timing == "" and cost.seconds is None for cell in untimed for cost in cell.costs)


RATIO = {"text": "faster", "kind": "ratio", "of": "short", "to": "a"}


@pytest.mark.parametrize(
    "asked",
    [
        {"quantity": "seconds", "at_least": 1},
        {"quantity": "seconds_parallel", "at_least": 1},
        {"quantity": "flops", "near": "seconds", "tolerance": 1},
    ],
)
def test_what_a_ratio_of_times_stands_on_is_measured_three_times_however_long_it_takes(
    asked: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ivbench.plan.timing.ENOUGH", 0.0)
    plan = toy_plan(metrics=[], gallery=0, conclusions=[RATIO | asked])
    results = run_toy(plan, tmp_path, timing=True).outcome.results
    repeats = {cell.label: [len(cost.repeats) for cost in cell.costs] for cell in results.cells}
    # No conclusion is on `guided`, but its last two stages have the settings of those of `a`.
    assert repeats == {"a": [3, 3, 3], "guided": [1, 3, 3], "short": [3, 3, 3]}
    for cost in (cost for cell in results.cells for cost in cell.costs):
        assert cost.seconds == sorted(cost.repeats)[len(cost.repeats) // 2]
    assert "of 3 where a conclusion" in results.cells[0].timing
    assert results.conclusions[0].value is not None


def test_a_ratio_of_flops_asks_for_no_repeats(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ivbench.plan.timing.ENOUGH", 0.0)
    plan = toy_plan(metrics=[], gallery=0, conclusions=[{**RATIO, "quantity": "flops", "at_least": 1}])
    results = run_toy(plan, tmp_path, timing=True).outcome.results
    # One call takes longer than no time at all, so none is repeated.
    assert {len(cost.repeats) for cell in results.cells for cost in cell.costs} == {1}
    assert "where a conclusion" not in results.cells[0].timing


def test_measurements_without_enough_repeats_are_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ivbench.plan.timing.ENOUGH", 0.0)
    changes: dict[str, Any] = {"metrics": [], "gallery": 0}
    run_toy(toy_plan(**changes), tmp_path, timing=True)
    plan = toy_plan(**changes, conclusions=[{**RATIO, "quantity": "seconds", "at_least": 1}])
    found = run_toy(plan, tmp_path, out="again", timing=True).outcome.results.conclusions[0].range
    assert found is not None
    assert found.repeats == 3
    assert found.low < found.high


def test_stored_videos_do_not_shorten_a_measurement(again: Path) -> None:
    """Timing samples anew: with every video in the store but no measurement, each stage's network is run."""
    store = Store(again / "store")
    for task_id in store.ids():
        if (store.manifest(task_id) or {})["kind"] == "timing":
            remove(again, task_id)
    ran = run_toy(PLAN, again, timing=True)
    assert {"base", "tsr1", "ssr1"} <= set(ran.models.toy.asked)
    assert ran.outcome.computed == len({(task.stage, task.sampling) for task in PLAN.sample})


@pytest.mark.parametrize("metrics", [[], [{"name": "colour_accuracy", "extractor": "geometric-judge"}]])
def test_suites_without_pictures_or_metrics_run(metrics: list[dict[str, str]], tmp_path: Path) -> None:
    ran = run_toy(toy_plan(metrics=metrics, gallery=0), tmp_path)
    assert all(len(cell.scores) == len(metrics) and cell.gallery == [] for cell in ran.outcome.results.cells)
    assert not (tmp_path / "out" / "gallery").exists()


def test_hostile_prompts_are_text_and_never_paths(tmp_path: Path) -> None:
    texts = ["../../etc/passwd", "<script>alert(1)</script> & \\ / : *", "x" * 10_000, "emoji \U0001f600 \u00e9"]
    ran = run_toy(toy_plan(prompts={"texts": texts}, gallery=4), tmp_path)
    assert list(ran.outcome.results.suite.prompts) == texts
    assert ran.outcome.problems == {}
    names = {path.name for path in (tmp_path / "out").rglob("*") if path.is_file()}
    entries = [entry for cell in ran.outcome.results.cells for entry in cell.gallery]
    shown = {Path(strip.sample).name for entry in entries for strip in (entry, *entry.stages)}
    assert names == shown | {"results.json", "results.csv"}
