"""Parts of a cascade, stages of other cascades, given videos, and what a plan says it takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ivbench.config import SuiteConfig, parse_suite
from ivbench.errors import ConfigError, IvbenchError, MissingFileError
from ivbench.plan import CascadeSource, Plan, build_plan, estimate, read_plan, shared_tasks, stand_ins, write_plan
from ivbench.plan.real import real_features
from ivbench.results.store import Store

EXTRACTORS = {"v": "1" * 64, "c": "2" * 64}


def changed(suite: SuiteConfig, **keys: Any) -> SuiteConfig:
    return parse_suite({**suite.model_dump(mode="json", exclude_unset=True), **keys})


def plan(suite: SuiteConfig, source: CascadeSource, **keys: Any) -> Plan:
    return build_plan(suite, source, extractors=EXTRACTORS, **keys)


@pytest.fixture
def other(source: CascadeSource) -> CascadeSource:
    """Another checkpoint of the same stages."""
    return source.model_copy(update={"weights": {name: f"{i + 7:064x}" for i, name in enumerate(source.weights)}})


def test_up_to_a_stage_its_tasks_are_those_of_the_whole_cascade(suite: SuiteConfig, source: CascadeSource) -> None:
    whole, cut = plan(suite, source), plan(changed(suite, stages={"to_stage": "tsr1"}), source)
    assert {task.id for task in cut.sample} == {task.id for task in whole.sample if task.stage != "ssr1"}
    finals = [task for task in cut.sample if task.last]
    assert {task.stage for task in finals} == {"tsr1"}
    assert not any(task.as_bytes for task in finals)  # the entries are shared, so their form is too
    assert {task.id for task in cut.score}.isdisjoint(task.id for task in whole.score)
    assert {cell.id for cell in cut.cells}.isdisjoint(cell.id for cell in whole.cells)
    assert [len(cell.costs) for cell in cut.cells] == [2] * 4


def test_naming_all_stages_is_the_whole_cascade(suite: SuiteConfig, source: CascadeSource) -> None:
    named = plan(changed(suite, stages={"from_stage": "base", "to_stage": "ssr1"}), source)
    assert [cell.id for cell in named.cells] == [cell.id for cell in plan(suite, source).cells]


def test_from_a_stage_on_real_clips_take_the_place_of_the_stage_before(
    suite: SuiteConfig, source: CascadeSource
) -> None:
    found = plan(changed(suite, stages={"from_stage": "ssr1", "input": "real"}), source)
    assert {task.stage for task in found.sample} == {"ssr1"}
    given = {task.id: task for task in found.input}
    assert len(given) == 2 * 2  # runs x blocks: cells share them
    for task in found.sample:
        assert task.input is not None
        source_task = given[task.input]
        assert (source_task.seed, source_task.block, source_task.files) == (task.seed, task.block, ())
        assert task.as_bytes
    assert found.input_shape is not None
    assert found.input_shape.shape == (8, 4, 4, 3)


@pytest.mark.parametrize(
    ("stages", "said"),
    [
        ({"to_stage": "tsr2"}, 'no stage "tsr2". Did you mean "tsr1"?'),
        ({"from_stage": "ssr1", "to_stage": "tsr1", "input": "real"}, '"tsr1" comes before "ssr1"'),
        ({"from_stage": "ssr1"}, "Say which with input: real"),
        ({"input": "real"}, '"base" starts from noise alone'),
        ({"from_stage": "ssr1", "input": "reel"}, "allowed are real and videos:FOLDER"),
        ({"from_stage": "ssr1", "input": "videos:"}, "needs a folder"),
        ({"from_stage": "ssr1", "input": "videos:/nowhere"}, "/nowhere is no folder"),
    ],
)
def test_a_wrong_part_is_said(suite: SuiteConfig, source: CascadeSource, stages: dict[str, str], said: str) -> None:
    with pytest.raises(IvbenchError) as caught:
        plan(changed(suite, stages=stages), source)
    assert said in str(caught.value)


def test_weights_of_another_cascade_stand_in_by_stage(
    suite: SuiteConfig, source: CascadeSource, other: CascadeSource
) -> None:
    mixed = changed(suite, grid={"weights": ["original", {"sr": "other"}, "other"]})
    found = plan(mixed, source, variants={"other": other})
    assert [cell.settings["weights"] for cell in found.cells] == ["original", "original/other", "other"]
    assert [cell.label.split()[-1] for cell in found.cells] == ["original", "original/other", "other"]
    assert {cell.id for cell in found.cells} & {cell.id for cell in plan(changed(suite, grid=None), source).cells}
    shared = [task for task in found.sample if task.stage == "base" and len(task.cells) == 2]
    assert len(shared) == 2 * 2  # the first two cells share their base samples
    whole = plan(changed(suite, grid=None), other)
    third = {task.id for task in found.sample if found.cells[2].id in task.cells}
    assert third == {task.id for task in whole.sample}  # by content, not by name


def test_snapshots_of_trainings_are_an_axis_of_the_grid(
    suite: SuiteConfig, source: CascadeSource, other: CascadeSource
) -> None:
    """Whose training and after how many updates stand apart, so that charts draw a line a training."""
    folders = {f"./{run}/snapshots/tiny-base-{step:06d}": step for run in ("wide", "narrow") for step in (250, 500)}
    variants = {
        folder: other.model_copy(
            update={"training_step": step, "weights": other.weights | {"base": f"{number + 20:064x}"}}
        )
        for number, (folder, step) in enumerate(folders.items())
    }
    grid = {"weights": [{"base": folder} for folder in folders]}
    found = plan(changed(suite, grid=grid), source, variants=variants)
    shown = [(cell.settings["weights"], cell.settings["training_step"]) for cell in found.cells]
    assert shown == [
        ("wide/original", 250),
        ("wide/original", 500),
        ("narrow/original", 250),
        ("narrow/original", 500),
    ]
    assert [cell.label.split(" ", 3)[-1] for cell in found.cells][1:3] == [
        "wide/original step 500",
        "narrow/original step 250",
    ]


def test_trainings_of_one_name_are_told_apart_by_more_of_their_path(
    suite: SuiteConfig, source: CascadeSource, other: CascadeSource
) -> None:
    folders = [f"./{version}/base/snapshots/tiny-base-{step:06d}" for version in ("v1", "v2") for step in (1, 2)]
    variants = {
        folder: other.model_copy(update={"training_step": 1 + number % 2, "weights": {"base": f"{number:064x}"}})
        for number, folder in enumerate(folders)
    }
    grid = {"weights": [{"base": folder} for folder in folders]}
    cut = changed(suite, grid=grid, stages={"to_stage": "base"})
    found = plan(cut, source, variants=variants)
    assert [cell.settings["weights"] for cell in found.cells] == ["v1-base", "v1-base", "v2-base", "v2-base"]


def test_only_weights_of_sampled_stages_are_asked_for(suite: SuiteConfig, source: CascadeSource) -> None:
    grid = {"weights": [{"base": "one", "ssr1": "two"}, "original"]}
    assert stand_ins(changed(suite, grid=grid), source) == ["one", "two"]
    assert stand_ins(changed(suite, grid=grid, stages={"to_stage": "base"}), source) == ["one"]
    assert stand_ins(changed(suite, grid=None, cells=[{}], defaults={"weights": "three"}), source) == ["three"]


def test_a_cascade_of_the_first_stage_alone_stands_in_where_sampling_ends_there(
    suite: SuiteConfig, source: CascadeSource, other: CascadeSource
) -> None:
    """As students and snapshots are left: with the stages before theirs, without those after."""
    spec = other.spec.model_copy(update={"stages": other.spec.stages[:1]})
    alone = other.model_copy(update={"spec": spec, "weights": {"base": other.weights["base"]}})
    cut = changed(suite, grid={"weights": ["original", "alone"]}, stages={"to_stage": "base"})
    found = plan(cut, source, variants={"alone": alone})
    assert [cell.weights for cell in found.cells] == [("original",), ("alone",)]
    with pytest.raises(ConfigError, match='has no stage "tsr1"'):
        plan(changed(suite, grid={"weights": ["alone"]}), source, variants={"alone": alone})


def test_cells_may_name_the_series_that_they_belong_to(
    suite: SuiteConfig, source: CascadeSource, other: CascadeSource
) -> None:
    cells = [{"weights": "other", "series": "distilled"}, {"steps": 3}]
    found = plan(changed(suite, grid=None, cells=cells), source, variants={"other": other})
    assert [cell.settings["weights"] for cell in found.cells] == ["distilled", "original"]
    assert all("training_step" not in cell.settings for cell in found.cells)


def test_a_plan_with_other_weights_comes_back_equal(
    suite: SuiteConfig, source: CascadeSource, other: CascadeSource, tmp_path: Path
) -> None:
    found = plan(
        changed(suite, grid={"weights": ["other"]}, stages={"from_stage": "tsr1", "input": "real"}),
        source,
        variants={"other": other},
    )
    write_plan(found, tmp_path / "plan.json")
    assert read_plan(tmp_path / "plan.json") == found


def test_the_card_of_the_weights_is_stronger_than_the_cascades_and_weaker_than_the_suite(
    suite: SuiteConfig, source: CascadeSource, other: CascadeSource
) -> None:
    own = source.model_copy(update={"sampling": parse_suite(_with(steps=64, gamma=0.5)).defaults})
    standing = other.model_copy(update={"sampling": parse_suite(_with(steps=2)).defaults})
    defaults = {"guidance": 1, "sampler": "ancestral"}
    mixed = changed(suite, grid=None, defaults=defaults, cells=[{"weights": {"base": "other"}}])
    stages = plan(mixed, own, variants={"other": standing}).cells[0].stages
    assert [stage.num_steps for stage in stages] == [2, 64, 64]
    assert [stage.gamma for stage in stages] == [0.5, 0.5, 0.5]
    explicit = changed(mixed, defaults={**defaults, "steps": 5})
    assert plan(explicit, own, variants={"other": standing}).cells[0].stages[0].num_steps == 5


def _with(**settings: Any) -> dict[str, Any]:
    return {"name": "s", "prompts": {"texts": ["a"]}, "defaults": settings}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"name": "tsr9"}, 'has no stage "tsr1", only base, tsr9, ssr1'),
        ({"fps": 8.0}, 'stage "tsr1" has fps 6.0 in tiny and 8.0 in other'),
    ],
)
def test_weights_that_cannot_stand_in_are_said(
    suite: SuiteConfig, source: CascadeSource, other: CascadeSource, change: dict[str, Any], said: str
) -> None:
    base, tsr, ssr = other.spec.stages
    spec = other.spec.model_copy(update={"stages": (base, tsr.model_copy(update=change), ssr)})
    with pytest.raises(ConfigError) as caught:
        plan(
            changed(suite, grid={"weights": ["other"]}),
            source,
            variants={"other": other.model_copy(update={"spec": spec})},
        )
    assert said in str(caught.value)


def test_weights_with_another_text_encoder_cannot_stand_in(
    suite: SuiteConfig, source: CascadeSource, other: CascadeSource
) -> None:
    wrong = other.model_copy(update={"text_encoder": "d" * 64})
    with pytest.raises(ConfigError, match="reads text with another encoder"):
        plan(changed(suite, grid={"weights": ["other"]}), source, variants={"other": wrong})


def test_weights_that_were_not_read_are_said(suite: SuiteConfig, source: CascadeSource) -> None:
    with pytest.raises(ConfigError, match=r'no cascade "orignal" was read. Did you mean "original"\?'):
        plan(changed(suite, grid={"weights": ["orignal"]}), source)


def test_excluded_points_are_left_out(suite: SuiteConfig, source: CascadeSource) -> None:
    grid = {"guidance": [0, 3], "sampler": ["ddim", "ancestral"], "exclude": [{"guidance": 0, "sampler": "ancestral"}]}
    found = plan(changed(suite, grid=grid), source)
    assert [cell.label for cell in found.cells] == ["w=0 ddim 8/4", "w=3 ddim 8/4", "w=3 ancestral 8/4"]


@pytest.mark.parametrize(
    ("exclude", "said"),
    [
        ([{"guidance": 7}], "grid.exclude.0 fits no point"),
        ([{"sampelr": "ddim"}], '"sampelr" is no axis of this grid. Did you mean "sampler"?'),
        ([{"steps": 8}], '"steps" is no axis of this grid'),
        ([{"guidance": 0}, {"guidance": 3}], "leaves no point"),
        ([{}], "grid.exclude.0 fits no point"),
    ],
)
def test_a_wrong_exclude_is_said(suite: SuiteConfig, exclude: list[dict[str, Any]], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        changed(suite, grid={"guidance": [0, 3], "sampler": ["ddim"], "exclude": exclude})
    assert said in str(caught.value)


def test_a_plan_says_what_is_shared(suite: SuiteConfig, source: CascadeSource) -> None:
    grid = {"guidance": [{"base": 3, "sr": 0}, {"base": 3, "sr": 3}]}
    found = plan(changed(suite, grid=grid), source)
    assert shared_tasks(found) == (4, 2 * 12)


def test_an_estimate_goes_by_what_the_stores_entries_took(
    suite: SuiteConfig, source: CascadeSource, tmp_path: Path
) -> None:
    found, store = plan(changed(suite, grid=None), source), Store(tmp_path)
    nothing = estimate(found, store)
    steps = ("sampling", "timing", "features", "real clips", "scores")
    assert nothing.seconds == dict.fromkeys(steps)
    frames_bytes = 2 * 20 * (2 * 4 * 4 * 4 * 3 + 2 * 8 * 4 * 4 * 3 + 8 * 8 * 8 * 3)
    assert nothing.video_bytes == frames_bytes
    for task in [task for task in found.sample if task.block == 0 and task.seed == 0]:
        about = {"weights": source.weights[task.stage], "flops": found.flops_of([task]), "sampling_seconds": 4.0}
        store.put(task.id, {"video": np.zeros(1)}, {"kind": "sample", **about})
    extract = next(task for task in found.extract if len(task.prompts) == 16)
    for name in ("v", "c"):
        about = {"extractor": name, "videos": 16, "seconds": 1.6}
        store.put(extract.id[:-1] + str((name == "v" and 1) or 2), {"f": np.zeros(1)}, {"kind": "extract", **about})
    left = estimate(found, store)
    assert not left.by_card
    assert left.found["sample"] == 3
    videos = 4 + 16 + 4  # two blocks of run 1 and the second one of run 0
    assert left.seconds["sampling"] == pytest.approx(3 * 4.0 * videos / 16)
    assert left.seconds["features"] == pytest.approx(2 * 40 * 0.1)
    assert left.seconds["scores"] is None


def test_real_clips_take_as_long_as_those_that_the_store_has(
    suite: SuiteConfig, source: CascadeSource, tmp_path: Path
) -> None:
    found, store = plan(changed(suite, grid=None), source), Store(tmp_path)
    entries = real_features(found, found.suite.metrics)
    clips = {name: [one.clips for one in entries if one.extractor == name] for name in EXTRACTORS}
    assert clips == {"v": [64] * 32 + [20] * 16, "c": [20] * 2}
    for name, task in (("v", found.extract[0].id), ("c", found.extract[1].id)):
        about = {"extractor": name, "videos": 20, "seconds": 2.0}
        store.put(task[::-1], {"f": np.zeros(1)}, {"kind": "extract", **about})
    assert estimate(found, store).seconds["real clips"] == pytest.approx(0.1 * (64 * 32 + 20 * 16 + 20 * 2))
    first = entries[0]
    about = {"extractor": "v", "videos": 64, "seconds": 64 * 0.3}
    store.put(first.id, {"f": np.zeros(1)}, {"kind": "reference", **about})
    left = estimate(found, store)
    assert left.seconds["real clips"] == pytest.approx(0.3 * (64 * 31 + 20 * 16) + 0.1 * 20 * 2)
    videos = [task for task in found.extract if not store.has(task.id)]
    assert left.seconds["features"] == pytest.approx(0.1 * sum(len(task.prompts) for task in videos))
    for task in found.score:
        store.put(task.id, {"f": np.zeros(1)}, {"kind": "score", "metric": task.metric.name, "seconds": 1.0})
    assert estimate(found, store).seconds["real clips"] == 0


def test_without_clips_of_the_prompts_the_floors_follow_on_the_reference(
    suite: SuiteConfig, source: CascadeSource
) -> None:
    found = plan(changed(suite, grid=None, prompts={"texts": ["a dog", "a cat"]}, reference={"count": 100}), source)
    entries = real_features(found, found.suite.metrics)
    assert [(one.extractor, one.clips) for one in entries] == [("v", 64)] * 3  # 100 and 16 x 2, in chunks of 64


def test_given_videos_are_found_by_name_and_by_table(suite: SuiteConfig, source: CascadeSource, tmp_path: Path) -> None:
    prompts = ["a red circle", "caf\u00e9"]
    for number, name in enumerate(("a red circle-0.npy", "a red circle-1.npy", "cafe\u0301-0.npy")):
        np.save(tmp_path / name, np.full((8, 4, 4, 3), number, np.uint8))
    stages = {"from_stage": "ssr1", "input": f"videos:{tmp_path}"}
    asked = changed(suite, stages=stages, prompts={"texts": prompts}, grid=None)
    found = plan(asked, source)
    first = [[Path(file).name for file in task.files] for task in found.input]
    assert [names[0] for names in first] == ["a red circle-0.npy", "a red circle-1.npy"]  # the runs take turns
    (tmp_path / "videos.csv").write_text("file,prompt\na red circle-1.npy,a red circle\ncafe\u0301-0.npy,caf\u00e9\n")
    by_table = plan(asked, source)
    assert {Path(task.files[0]).name for task in by_table.input} == {"a red circle-1.npy"}
    assert [cell.id for cell in by_table.cells] != [cell.id for cell in found.cells]


@pytest.mark.parametrize(
    ("table", "error", "said"),
    [
        ("file,prompt\n../out.npy,a\n", ConfigError, "leaves the folder"),
        ("file,prompt\nx.npy,a\n", MissingFileError, "x.npy is not there"),
        ("name,text\nx.npy,a\n", ConfigError, "entry 1 has none of: file_name"),
        ("file,prompt\nb.npy,another\n", ConfigError, 'no video of "a"'),
    ],
)
def test_a_wrong_table_of_videos_is_said(
    suite: SuiteConfig, source: CascadeSource, tmp_path: Path, table: str, error: type[Exception], said: str
) -> None:
    np.save(tmp_path / "b.npy", np.zeros((8, 4, 4, 3), np.uint8))
    (tmp_path / "videos.csv").write_text(table)
    stages = {"from_stage": "ssr1", "input": f"videos:{tmp_path}"}
    with pytest.raises(error, match=said):
        plan(changed(suite, stages=stages, prompts={"texts": ["a"]}), source)
