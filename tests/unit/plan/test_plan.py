"""Plans: cells, the task graph, what is shared, what is kept, and plan.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ivbench import registry
from ivbench.config import SuiteConfig, parse_cascade, parse_suite, read_suite
from ivbench.data.shapes import prompts as shapes_prompts
from ivbench.errors import ConfigError, MissingFileError
from ivbench.plan import CascadeSource, Execution, Plan, blocks, build_plan, estimate, read_plan, write_plan
from ivbench.results.store import Store
from ivbench.zoo import read_card

EXTRACTORS = {"v": "1" * 64, "c": "2" * 64}


def changed(suite: SuiteConfig, **keys: Any) -> SuiteConfig:
    return parse_suite({**suite.model_dump(mode="json", exclude_unset=True), **keys})


def plan(suite: SuiteConfig, source: CascadeSource, **keys: Any) -> Plan:
    return build_plan(suite, source, extractors=EXTRACTORS, **keys)


def ids(found: Plan) -> set[str]:
    return {task.id for kind in (found.encode, found.sample, found.extract, found.score) for task in kind}


def test_tasks_come_after_what_they_read_and_none_stands_twice(suite: SuiteConfig, source: CascadeSource) -> None:
    found = plan(suite, source)
    seen: set[str] = set()
    for task in found.encode:
        seen.add(task.id)
    for sample in found.sample:
        assert sample.encode in seen
        assert sample.input is None or sample.input in seen
        assert (sample.input is None) == (sample.stage == "base")
        assert sample.id not in seen
        seen.add(sample.id)
    for extract in found.extract:
        assert extract.sample in seen
        assert extract.id not in seen
        seen.add(extract.id)
    for score in found.score:
        assert set(score.consumes) <= seen


def test_the_numbers_of_tasks_are_those_of_the_design(suite: SuiteConfig, source: CascadeSource) -> None:
    found = plan(suite, source)
    cells, runs, blocks_, stages, extractors, metrics = 4, 2, 2, 3, 2, 2
    assert len(found.encode) == blocks_
    assert len(found.sample) == cells * runs * blocks_ * stages
    assert len(found.extract) == cells * runs * blocks_ * extractors
    assert len(found.score) == cells * metrics
    assert found.videos == cells * runs * 20
    for cell in found.cells:
        finals = found.final_samples(cell.id)
        assert [(task.seed, task.block) for task in finals] == [(0, 0), (0, 1), (1, 0), (1, 1)]
        assert {task.stage for task in finals} == {"ssr1"}


def test_a_sample_task_holds_all_that_a_runner_needs(suite: SuiteConfig, source: CascadeSource) -> None:
    found = plan(changed(suite, samples_per_prompt=2), source)
    last = found.sample[-1]
    assert (last.stage, last.stage_index, last.last) == ("ssr1", 2, True)
    assert (last.seed, last.sample_index, last.block) == (1, 1, 1)
    assert last.prompts == (16, 17, 18, 19)
    assert last.encode == found.encode[1].id
    by_id = {task.id: task for task in found.sample}
    before = by_id[str(last.input)]
    assert (before.stage, before.seed, before.sample_index, before.block) == ("tsr1", 1, 1, 1)
    assert last.sampling.num_steps == 4
    assert last.sampling.augmentation_snr == 5.0
    assert by_id[str(before.input)].sampling.augmentation_snr is None


def test_cells_that_agree_up_to_a_stage_share_its_tasks(suite: SuiteConfig, source: CascadeSource) -> None:
    grid = {"steps": [{"base": 8, "sr": 4}, {"base": 8, "sr": 2}], "sampler": ["ddim"]}
    found = plan(changed(suite, grid=grid), source)
    base = [task for task in found.sample if task.stage == "base"]
    assert len(base) == 2 * 2
    assert all(len(task.cells) == 2 for task in base)
    assert len([task for task in found.sample if task.stage == "ssr1"]) == 2 * 2 * 2
    alone = [plan(changed(suite, grid={**grid, "steps": [step]}), source).flops for step in grid["steps"]]
    shared = sum(cost.flops for cost in found.cells[0].costs[:1]) * 20 * 2
    assert found.flops == pytest.approx(sum(alone) - shared)


def test_appended_prompts_keep_the_old_blocks(suite: SuiteConfig, source: CascadeSource) -> None:
    texts = tuple(shapes_prompts("test"))
    few, many = (plan(suite, source, prompts=texts[:count]) for count in (32, 40))
    old = {task.id for kind in (few.encode, few.sample, few.extract) for task in kind}
    new = {task.id for kind in (many.encode, many.sample, many.extract) for task in kind}
    assert old < new
    assert not {task.id for task in few.score} & {task.id for task in many.score}


def test_words_labels_and_the_order_of_cells_keep_every_id(suite: SuiteConfig, source: CascadeSource) -> None:
    before = plan(suite, source)
    renamed = changed(suite, name="other", description="words", gallery=1)
    assert ids(plan(renamed, source)) == ids(before)
    assert ids(plan(suite, source.model_copy(update={"description": "words"}))) == ids(before)
    turned = changed(suite, grid={"sampler": ["ancestral", "ddim"], "guidance": [3, 0]})
    assert ids(plan(turned, source)) == ids(before)
    assert plan(turned, source).cells[0].id != before.cells[0].id
    cells = [{"guidance": 0, "sampler": "ddim", "label": "first"}]
    labelled = plan(changed(suite, grid=None, cells=cells), source)
    assert labelled.cells[0].label == "first"
    assert labelled.cells[0].id == before.cells[0].id
    assert ids(labelled) < ids(before)


def test_a_change_at_the_front_changes_everything_behind_it(suite: SuiteConfig, source: CascadeSource) -> None:
    before = plan(suite, source)
    weights = plan(suite, source.model_copy(update={"weights": {**source.weights, "base": "f" * 64}}))
    assert ids(before) & ids(weights) == {task.id for task in before.encode}
    last = plan(suite, source.model_copy(update={"weights": {**source.weights, "ssr1": "f" * 64}}))
    kept = {task.stage for task in before.sample if task.id in ids(last)}
    assert kept == {"base", "tsr1"}
    assert not ids(before) & ids(plan(suite, source.model_copy(update={"text_encoder": "f" * 64})))
    assert not ids(before) & ids(plan(suite, source, execution=Execution(device="cuda")))


@pytest.mark.parametrize(
    "execution", [Execution(backend="jax"), Execution(dtype="bfloat16"), Execution(backend="jax", device="tpu")]
)
def test_text_embeddings_serve_every_backend_and_dtype_and_videos_do_not(
    suite: SuiteConfig, source: CascadeSource, execution: Execution
) -> None:
    before, after = plan(suite, source), plan(suite, source, execution=execution)
    assert ids(before) & ids(after) == {task.id for task in before.encode}


def test_settings_that_do_not_act_make_no_new_cells(suite: SuiteConfig, source: CascadeSource) -> None:
    found = plan(changed(suite, grid={"sampler": ["ddim", "ancestral"], "gamma": [0.1, 0.5]}), source)
    assert [cell.label for cell in found.cells] == [
        "w=3 ddim 8/4",
        "w=3 ancestral 8/4 gamma=0.1",
        "w=3 ancestral 8/4 gamma=0.5",
    ]


def test_labels_are_unique_and_say_what_differs(suite: SuiteConfig, source: CascadeSource) -> None:
    cells = [
        {"guidance": "oscillate(15,1)"},
        {"guidance": {"oscillate": {"high": 15, "low": 1, "initial": 0.5}}},
        {"guidance": {"base": 3, "sr": 0}},
    ]
    labels = [cell.label for cell in plan(changed(suite, grid=None, cells=cells), source).cells]
    assert labels == ["osc(15,1)/6 ddim 8/4", "osc(15,1)/6 ddim 8/4 (2)", "w=3/0 ddim 8/4"]


def test_equal_labels_are_refused(suite: SuiteConfig, source: CascadeSource) -> None:
    cells = [{"guidance": 1, "label": "x"}, {"guidance": 2, "label": "x"}]
    with pytest.raises(ConfigError, match='two are labelled "x"'):
        plan(changed(suite, cells=cells), source)


def test_the_strongest_layer_that_speaks_of_a_stage_wins(suite: SuiteConfig, source: CascadeSource) -> None:
    card = source.model_copy(
        update={
            "sampling": parse_suite(
                {
                    "name": "x",
                    "prompts": {"source": "a"},
                    "defaults": {"steps": 99, "augmentation_snr": 3, "thresholding": "static", "guidance": 9},
                }
            ).defaults
        }
    )
    found = plan(changed(suite, grid=None, cells=[{"steps": {"ssr1": 2, "base": 5}}]), card).cells[0]
    assert [stage.num_steps for stage in found.stages] == [5, 4, 2]
    assert [stage.augmentation_snr for stage in found.stages] == [None, 3.0, 3.0]
    assert {stage.thresholding.kind for stage in found.stages} == {"static"}
    assert (found.guidance_w, found.scale_g) == (3.0, 4.0)


def test_oscillation_applies_to_the_marked_or_the_named_stages(suite: SuiteConfig, source: CascadeSource) -> None:
    written = {"oscillate": {"high": 15, "low": 1, "stages": ["ssr1"], "otherwise": 2}}
    cells = [{"guidance": "oscillate(15,1)"}, {"guidance": written}]
    marked, named = plan(changed(suite, grid=None, cells=cells), source).cells
    assert [stage.guidance.label for stage in marked.stages] == ["osc(15,1)", "osc(15,1)", "w=6"]
    assert [stage.guidance.label for stage in named.stages] == ["w=2", "w=2", "osc(15,1)"]
    assert marked.guidance_w is None


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        (
            {"defaults": {"steps": 4, "guidance": 1, "sampler": "dimm"}, "grid": None},
            'no sampler is called "dimm". Did',
        ),
        ({"defaults": {"sampler": "ddim", "guidance": 1}, "grid": None}, 'steps is not given for stage "base"'),
        ({"defaults": {"steps": {"bsae": 4}}}, 'has no stage "bsae". Did you mean "base"'),
        ({"defaults": {"steps": 1, "guidance": {"oscillate": {"high": 1, "low": 0, "stages": ["q"]}}}}, 'no stage "q"'),
        ({"metrics": [{"name": "fvdd", "extractor": "v"}]}, 'no metric is called "fvdd". Did you mean "fvd"'),
        ({"metrics": [{"name": "fvd", "extractor": "unknown"}]}, "has no digest"),
        ({"prompts": {"texts": []}}, "has no prompts"),
    ],
)
def test_a_mistake_stops_the_plan_with_one_line(
    suite: SuiteConfig, source: CascadeSource, keys: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        plan(changed(suite, **keys), source)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_network_evaluations_are_counted_as_guidance_makes_them(suite: SuiteConfig, source: CascadeSource) -> None:
    cells = [
        {"guidance": 0},
        {"guidance": 3},
        {"guidance": {"oscillate": {"high": 15, "low": 0}}},
        {"guidance": 3, "sampler": "heun"},
    ]
    found = plan(changed(suite, grid=None, cells=cells), source).cells
    # Oscillating over 8 steps: 1 high, then low, high, ... : 5 high (2 evaluations) with 4 low (1) of 0 in turn.
    assert [[cost.nfe for cost in cell.costs] for cell in found] == [[8, 4, 4], [16, 8, 8], [12, 6, 8], [30, 14, 14]]
    spec = source.spec
    assert found[1].costs[0].flops == 16 * spec.stages[0].flops(spec.text.length)


def distilled(source: CascadeSource, stage: int, **facts: Any) -> CascadeSource:
    """The source with one stage distilled."""
    stages = [one.model_dump() for one in source.spec.stages]
    stages[stage]["distilled"] = facts
    stages[stage]["unet"]["guidance_embedding"] = facts.get("guidance") is not None
    stages[stage]["unet"]["jump_embedding"] = len(facts.get("samplers", ())) > 1
    spec = parse_cascade(source.spec.model_dump() | {"stages": stages})
    return source.model_copy(update={"spec": spec})


@pytest.mark.parametrize("sampler", ["ddim", "stochastic"])
def test_a_distilled_network_is_evaluated_once_a_step(suite: SuiteConfig, source: CascadeSource, sampler: str) -> None:
    student = distilled(source, 0, guidance=(0, 16), samplers=("ddim", "stochastic"), steps=8)
    own = {"guidance": "oscillate(15,1)", "sampler": {"base": sampler, "sr": "ddim"}}
    found = plan(changed(suite, grid=None, cells=[own, {"guidance": 3, "sampler": own["sampler"]}]), student).cells
    assert [cost.nfe for cost in found[0].costs] == [8, 8, 8]
    assert [cost.nfe for cost in found[1].costs] == [8, 8, 8]
    assert found[0].costs[0].flops == 8 * source.spec.stages[0].flops(source.spec.text.length)


@pytest.mark.parametrize(
    ("facts", "cell", "said"),
    [
        (
            {"guidance": (0, 16), "samplers": ("ddim",), "steps": 8},
            {"steps": {"base": 16}},
            'stage "base" is distilled to 8 steps of ddim, got 16 of ddim. Set steps.base: 8 and sampler.base: ddim',
        ),
        (
            {"guidance": (0, 16), "samplers": ("ddim",), "steps": 8},
            {"sampler": "stochastic"},
            "distilled to 8 steps of ddim, got 8 of stochastic",
        ),
        (
            {"guidance": (0, 16), "samplers": ("ddim", "stochastic"), "steps": 8},
            {"sampler": "ancestral"},
            "distilled to 8 steps of ddim or 8 steps of stochastic, got 8 of ancestral",
        ),
        (
            {"guidance": (0, 16), "samplers": ("ddim",), "steps": 8},
            {"guidance": "oscillate(17,1)"},
            "takes the guidance weight as an input and knows w from 0 to 16, got w=17",
        ),
        (
            {"samplers": ("ddim",), "steps": 8},
            {"guidance": 3},
            "classifier-free guidance on top of a distilled stage is not allowed, got w=3. Set guidance.base: 0",
        ),
    ],
)
def test_what_a_stage_was_not_distilled_for_is_refused(
    suite: SuiteConfig, source: CascadeSource, facts: dict[str, Any], cell: dict[str, Any], said: str
) -> None:
    student = distilled(source, 0, **facts)
    plan(changed(suite, grid=None, cells=[{"guidance": 0}]), student)
    with pytest.raises(ConfigError) as caught:
        plan(changed(suite, grid=None, cells=[cell]), student)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_after_guidance_distillation_alone_any_sampler_and_number_of_steps_may_be_used(
    suite: SuiteConfig, source: CascadeSource
) -> None:
    student = distilled(source, 0, guidance=(0, 16))
    cells = [{"sampler": "heun", "steps": 3}, {"sampler": "ancestral", "steps": 5}]
    found = plan(changed(suite, grid=None, cells=cells), student).cells
    assert [cell.costs[0].nfe for cell in found] == [5, 5]


def test_two_labels_of_cells_that_are_sampled_alike_are_refused(suite: SuiteConfig, source: CascadeSource) -> None:
    """One of them would be lost in silence. The label of a point of the grid is no second one."""
    cells = [{"label": "a", "sampler": "ddim", "gamma": 0.1}, {"label": "b", "sampler": "ddim", "gamma": 0.9}]
    with pytest.raises(ConfigError, match='cells: "a" and "b" are sampled alike'):
        plan(changed(suite, grid=None, cells=cells), source)
    (found,) = plan(changed(suite, grid={"sampler": ["ddim"]}, cells=[cells[0], {"sampler": "ddim"}]), source).cells
    assert found.label == "a"


def test_quick_samples_in_two_minutes_at_the_promised_speed(source: CascadeSource, tmp_path: Path) -> None:
    """8 ms a video and evaluation of the base, 30 ms of the two others together, as the zoo's cascade may cost."""
    speed = {"base": 0.008, "tsr1": 0.015, "ssr1": 0.015}
    found = build_plan(
        read_suite("quick"),
        source.model_copy(update={"seconds_per_evaluation": speed}),
        extractors={name: "0" * 64 for name in ("frame-probe", "video-probe", "clip-probe")},
    )
    assert len(found.cells) >= 4
    assert found.videos == 512
    left = estimate(found, Store(tmp_path))
    assert left.by_card == {"sampling", "timing", "features", "real clips"}
    of_card = {name: read_card(name).config.seconds_per_video or 0 for name in found.extractors}
    each = sum(of_card.values())
    assert left.seconds["features"] == pytest.approx(512 * each)
    compared = 2048 + 16 * 32  # the reference, and 16 clips of each prompt for the null floor
    clips = {"frame-probe": compared, "video-probe": compared, "clip-probe": 2 * 32}  # of runs: their ground truth
    assert left.seconds["real clips"] == pytest.approx(sum(clips[name] * of_card[name] for name in clips))
    assert left.video_bytes > 0
    rows = {"frame-probe": 8, "video-probe": 1, "clip-probe": 8}  # frames, or a clip
    assert left.feature_bytes == sum((512 + clips[name]) * rows[name] * 32 * 4 for name in rows)
    assert each > 0
    assert left.seconds["sampling"] is not None
    assert 1 < left.seconds["sampling"] < 120
    settings = {(task.stage, task.sampling.model_dump_json()): task for task in found.sample}
    expected = 0.0
    for task in settings.values():
        guided = 2 if task.sampling.guidance.label != "w=0" else 1
        batch = 16 * guided * task.sampling.num_steps * speed[task.stage]
        expected += batch * (1 if batch >= 1 else 2 if batch >= 0.5 else 3)
    assert left.seconds["timing"] == pytest.approx(expected)


class OfItsOwn:
    """An extractor of another package that says its features only as an object."""

    @property
    def dim(self) -> int:
        return 7


def test_features_are_of_unknown_size_where_only_an_object_says_how_many(
    suite: SuiteConfig, source: CascadeSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ivbench.registry.names", lambda kind: ["v", "c"])
    load = registry.load
    monkeypatch.setattr("ivbench.registry.load", lambda kind, name: OfItsOwn if name in "vc" else load(kind, name))
    assert estimate(plan(suite, source), Store(tmp_path)).feature_bytes is None


@pytest.mark.parametrize(("count", "sizes"), [(0, []), (1, [1]), (16, [16]), (17, [16, 1]), (48, [16, 16, 16])])
def test_blocks_are_fixed_runs_of_sixteen(count: int, sizes: list[int]) -> None:
    assert [len(block) for block in blocks(count)] == sizes
    assert [index for block in blocks(count) for index in block] == list(range(count))


def test_a_plan_comes_back_equal(suite: SuiteConfig, source: CascadeSource, tmp_path: Path) -> None:
    cells = [{"guidance": "oscillate(15,1)", "augmentation_snr": "none", "thresholding": "none"}]
    found = plan(changed(suite, cells=cells), source)
    write_plan(found, tmp_path / "plan.json")
    assert read_plan(tmp_path / "plan.json") == found


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("sample", 0, "seed"), 7),
        (("sample", 0, "sampling", "num_steps"), 9),
        (("sample", 0, "id"), "0" * 64),
        (("cells", 0, "label"), "better"),
        (("source", "weights", "base"), "f" * 64),
        (("prompts", 0), "a text of mine"),
        (("version",), 3),
        (("format",), "x"),
        (("sample", 0, "sede"), 1),
    ],
)
def test_an_altered_plan_is_refused(
    suite: SuiteConfig, source: CascadeSource, tmp_path: Path, path: tuple[Any, ...], value: Any
) -> None:
    target = tmp_path / "plan.json"
    write_plan(plan(suite, source), target)
    data = json.loads(target.read_text())
    inner = data
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    target.write_text(json.dumps(data))
    with pytest.raises(ConfigError) as caught:
        read_plan(target)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_plan_is_said(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError):
        read_plan(tmp_path / "plan.json")
    for text in ("", "{", "[]", "{}"):
        (tmp_path / "plan.json").write_text(text)
        with pytest.raises(ConfigError):
            read_plan(tmp_path / "plan.json")
