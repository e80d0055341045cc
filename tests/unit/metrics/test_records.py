"""Features in, records of results.json out: what holds for every metric of features or embeddings."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from scipy import stats

from ivbench import registry
from ivbench.config import profile
from ivbench.errors import ConfigError, NonFiniteError, ProtocolError, ShapeError
from ivbench.metrics import (
    Conditions,
    GaussianStatistics,
    MeanMetric,
    Pool,
    Texts,
    frechet_distance,
    frechet_distance_of_features,
)
from ivbench.metrics.base import NO_PROMPTS
from ivbench.metrics.differences import difference, paired
from ivbench.metrics.intervals import group_of_prompts
from ivbench.results.schema import RunScore, Score
from tests.unit.metrics.cells import batches, conditions

FRECHET = ["frame_fid", "frame_fid_video_average", "frame_fid_first_frame", "fvd"]
COMPARED = [*FRECHET, "frame_fid_infinite", "fvd_infinite", "kid", "cmmd", "recall", "coverage"]
CONSISTENCY = ["subject_consistency", "background_consistency"]
METRICS = ["clip_score", "r_precision", "precision", "density", "authenticity", *CONSISTENCY, *COMPARED]
ACCURACIES = {f"{attribute}_accuracy" for attribute in ("background", "colour", "motion", "shape", "style")}
TEMPORAL = {"flicker", "temporal_flickering", "warping_error", "dynamic_degree", "colour_shift"}
GENERATOR = np.random.default_rng(0)
P, T, D, R = 30, 4, 3, 2
CAPTIONS = [f"caption {i}" for i in range(120)]
TEXT = GENERATOR.normal(size=(120, D))
REAL = GENERATOR.normal(size=(90, T, D)).astype(np.float32)


def cell(name: str, shift: float = 0.3, seed: int = 1) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(shift, 1.0, (R, P, T, D))
    frames = (noise + 0.8 * TEXT[:P, None]).astype(np.float32)
    return frames.mean(axis=2) if name.startswith("fvd") else frames


def setting(name: str, **changes: Any) -> Conditions:
    metric = registry.load("metric", name)()
    if metric.compares:
        real = REAL.mean(axis=1) if name.startswith("fvd") else REAL
        return conditions(reference=metric.prepare([real[:50], real[50:]], "r" * 64, len(real)), **changes)
    texts = Texts.of(CAPTIONS[:P], TEXT[:P], Pool.merged(CAPTIONS, TEXT, np.arange(120) // 6))
    return conditions(texts=texts, **changes)


@dataclass(frozen=True, eq=False)
class Scored:
    """A cell's evidence and score of one metric."""

    cell: str
    evidence: Any
    score: Score


def scored(name: str, shift: float = 0.3, seed: int = 1, **changes: Any) -> Scored:
    metric, chosen = registry.load("metric", name)(), setting(name, **changes)
    evidence = metric.gather(batches(cell(name, shift, seed)), chosen)
    return Scored(f"cell {shift}", evidence, metric.score(evidence, chosen, [0, 1]))


def minus(a: Scored, b: Scored) -> Any:
    return difference(a.cell, a.score, b.cell, b.score)


def test_the_registry_has_these_metrics() -> None:
    assert set(registry.names("metric")) == {*METRICS, *ACCURACIES, *TEMPORAL}


@pytest.mark.parametrize("name", METRICS)
def test_a_record_is_complete_and_deterministic(name: str) -> None:
    one = scored(name).score
    assert one == scored(name).score
    assert one.metric == name
    assert one.protocol.startswith(f"{name}/ivbench@1+")
    assert (one.counts.generated, one.counts.used, one.fields["generated"]) == (60, 60, 60)
    assert [run.seed for run in one.runs] == [0, 1]
    assert one.mean == pytest.approx(np.mean([run.value for run in one.runs]))
    assert one.stderr == pytest.approx(abs(one.runs[0].value - one.runs[1].value) / 2)
    assert one.interval is not None
    assert one.interval.low < one.value < one.interval.high or one.value == 100 == one.interval.high
    assert "30" in one.interval.method


@pytest.mark.parametrize("name", METRICS)
def test_a_probes_number_carries_its_name_and_a_published_extractors_does_not(name: str) -> None:
    metric = registry.load("metric", name)()
    probe = setting(name).source
    assert metric.label(probe) == f"{metric.title} [shapes-frame]"
    assert metric.label(replace(probe, published=True)) == metric.title


@pytest.mark.parametrize("name", METRICS)
def test_batches_do_not_change_a_number(name: str) -> None:
    metric, chosen, features = registry.load("metric", name)(), setting(name), cell(name)
    values = [metric.score(metric.gather(batches(features, size), chosen), chosen, [0, 1]).value for size in (1, 7, 30)]
    assert values == pytest.approx([values[0]] * 3, rel=1e-10)


@pytest.mark.parametrize("name", METRICS)
def test_stored_evidence_gives_the_same_record(name: str) -> None:
    metric, chosen = registry.load("metric", name)(), setting(name)
    a = scored(name)
    back = metric.restore(a.evidence.to_arrays())
    assert metric.score(back, chosen, [0, 1]) == a.score


@pytest.mark.parametrize("name", METRICS)
def test_a_difference_needs_the_records_alone(name: str) -> None:
    a, b = scored(name), scored(name, 0.8, 2)
    read = [Score.model_validate_json(one.score.model_dump_json()) for one in (a, b)]
    assert difference(a.cell, read[0], b.cell, read[1]) == minus(a, b)


@pytest.mark.parametrize("name", ["clip_score", "r_precision"])
def test_a_means_record_holds_the_value_of_every_prompt_in_every_run(name: str) -> None:
    one = scored(name)
    videos, score = one.evidence, one.score
    assert [len(row) for row in score.by_prompt] == [P] * R
    for run, row in enumerate(score.by_prompt):
        assert row == videos.columns["value"][videos.run == run].tolist()
    assert np.mean(score.by_prompt) == pytest.approx(score.value)
    assert score.influence == []


def test_a_prompt_that_one_side_lacks_is_left_out_of_a_paired_difference() -> None:
    a, b = scored("clip_score").score, scored("clip_score", 0.8, 2).score
    rows = [[None if prompt in (3, 4) else value for prompt, value in enumerate(row)] for row in a.by_prompt]
    rows[0][7] = None  # the other run has it
    found = paired(a.model_copy(update={"by_prompt": rows}), b)
    whole = np.mean(a.by_prompt, axis=0) - np.mean(b.by_prompt, axis=0)
    whole[7] = a.by_prompt[1][7] - b.by_prompt[1][7]  # grown from the same noise
    left = np.delete(whole, [3, 4])
    assert found is not None
    assert (found.value, found.units) == (pytest.approx(left.mean()), 28)
    assert found.error == pytest.approx(left.std(ddof=1) / np.sqrt(28))
    kept = [value for value in found.by_prompt if value is not None]
    assert [place for place, value in enumerate(found.by_prompt) if value is None] == [3, 4]
    assert kept == pytest.approx(left)


def test_a_difference_record_has_every_prompts_part_and_a_frechet_metrics_none() -> None:
    a, b = scored("r_precision"), scored("r_precision", 0.8, 2)
    assert minus(a, b).by_prompt == pytest.approx(np.mean(np.subtract(a.score.by_prompt, b.score.by_prompt), axis=0))
    assert minus(scored("fvd"), scored("fvd", 0.8, 2)).by_prompt == []


@pytest.mark.parametrize("name", METRICS)
def test_a_difference_is_paired_signed_and_zero_to_itself(name: str) -> None:
    a, b = scored(name), scored(name, 0.8, 2)
    forth, back = minus(a, b), minus(b, a)
    assert forth.value == pytest.approx(a.score.value - b.score.value, rel=1e-9)
    assert (forth.value, forth.interval.low) == pytest.approx((-back.value, -back.interval.high), rel=0.1)
    assert forth.interval.low < forth.value < forth.interval.high
    itself = minus(a, a)
    assert (itself.value, itself.interval.low, itself.interval.high) == (0.0, 0.0, 0.0)
    assert not itself.significant


@pytest.mark.parametrize("name", METRICS)
def test_a_difference_across_protocols_is_an_error_that_names_the_field(name: str) -> None:
    with pytest.raises(ProtocolError, match=r"fps \(3.0 / 24.0\)"):
        minus(scored(name), scored(name, fps=24.0))


@pytest.mark.parametrize("name", METRICS)
def test_a_feature_that_is_not_finite_stops_the_cell(name: str) -> None:
    features = cell(name)
    features[1, 4, ..., 0] = np.nan
    with pytest.raises(NonFiniteError):
        registry.load("metric", name)().gather(batches(features), setting(name))


@pytest.mark.parametrize("name", METRICS)
def test_what_does_not_fit_is_refused(name: str) -> None:
    metric, features = registry.load("metric", name)(), cell(name)
    with pytest.raises(ShapeError, match="0 to 9 are allowed"):
        metric.gather(batches(features), replace(setting(name), num_prompts=10))
    with pytest.raises(ShapeError, match="expects"):
        metric.gather(batches(features[..., None]), setting(name))
    with pytest.raises(ShapeError, match="no videos"):
        metric.gather([], setting(name))
    if metric.compares or metric.captioned:
        with pytest.raises(ConfigError, match="Set it in the conditions"):
            metric.gather(batches(features), replace(setting(name), reference=None, texts=None))
    with pytest.raises(ShapeError, match="1 seeds for 2 runs"):
        metric.score(scored(name).evidence, setting(name), [0])


@pytest.mark.parametrize("name", METRICS)
def test_failed_videos_are_counted_and_not_scored(name: str) -> None:
    metric, chosen = registry.load("metric", name)(), setting(name)
    counts = metric.score(scored(name).evidence, chosen, [0, 1], failed=4).counts
    assert (counts.generated, counts.failed, counts.used) == (64, 4, 60)


def test_the_three_frame_fids_reduce_a_video_as_they_say() -> None:
    features = cell("frame_fid").reshape(-1, T, D)
    expected = {
        "frame_fid": (features.reshape(-1, D), REAL.reshape(-1, D)),
        "frame_fid_video_average": (features.astype(float).mean(1), REAL.astype(float).mean(1)),
        "frame_fid_first_frame": (features[:, 0], REAL[:, 0]),
    }
    for name, (generated, real) in expected.items():
        assert scored(name).score.value == pytest.approx(frechet_distance_of_features(generated, real), rel=1e-9)


@pytest.mark.parametrize("name", FRECHET)
def test_the_influence_of_a_group_is_what_videos_more_of_it_change(name: str) -> None:
    metric, chosen, features = registry.load("metric", name)(), setting(name), cell(name)
    chosen = replace(chosen, profile=profile("ivbench-ddof0"))
    group, target, evidence = group_of_prompts(P), chosen.reference.statistics, metric.gather(batches(features), chosen)
    copies = 200
    for g in (0, 7, 29):
        repeated = [features[:, np.repeat(np.arange(P), copies + sign * (group == g))] for sign in (1, -1)]
        more, less = (GaussianStatistics.of(metric.rows(one.reshape(-1, *one.shape[2:]))) for one in repeated)
        slope = (frechet_distance(more, target, 0) - frechet_distance(less, target, 0)) * copies / 2
        assert evidence.influence.by_group[g] == pytest.approx(slope, rel=1e-3, abs=1e-6)


def test_a_difference_of_frechet_metrics_is_by_noise_and_of_one_run_over_prompts() -> None:
    a, b = scored("frame_fid").score, scored("frame_fid", 0.8, 2).score
    same, other = paired(a, b), paired(a, b.model_copy(update={"runs": [RunScore(seed=s, value=0.0) for s in (7, 8)]}))
    assert same is not None
    assert other is not None
    assert "noise of 2 runs, seed by seed" in same.interval.method
    assert "noise of 2 and 2 runs" in other.interval.method
    assert (same.units, other.units) == (P + 1, 2 * P + 1)
    alone = [one.model_copy(update={"influence": one.influence[:1]}) for one in (a, b)]
    single = paired(*alone)
    assert single is not None
    assert f"jackknife over {P} groups" in single.interval.method


def test_shared_noise_makes_a_paired_difference_tighter_than_its_sides() -> None:
    a, b = scored("frame_fid", 0.3), scored("frame_fid", 0.32)
    both = minus(a, b).interval
    assert both.high - both.low < 0.2 * (a.score.interval.high - a.score.interval.low)


@pytest.mark.parametrize("name", FRECHET)
def test_below_4_videos_a_dimension_a_frechet_metric_decides_nothing(name: str) -> None:
    metric = registry.load("metric", name)()
    assert scored(name).score.decisive
    few = cell(name)[:, :5]
    chosen = setting(name, num_prompts=5)
    record = metric.score(metric.gather(batches(few), chosen), chosen, [0, 1])
    assert not record.decisive
    assert "bias-dominated: 10 videos for 3 feature dimensions; 12 are needed" in record.notes[0]
    other = metric.score(metric.gather(batches(few + 5.0), chosen), chosen, [0, 1])
    assert not difference("a", record, "b", other).significant


@pytest.mark.parametrize("name", METRICS)
def test_below_20_prompts_no_metric_decides_anything(name: str) -> None:
    metric = registry.load("metric", name)()
    for prompts, decides in ((19, False), (20, True)):
        chosen = setting(name, num_prompts=prompts)
        record = metric.score(metric.gather(batches(cell(name)[:, :prompts]), chosen), chosen, [0, 1])
        assert record.decisive is decides
        assert ("19 prompts: at least 20 are needed to decide anything" in record.notes) is not decides


@pytest.mark.parametrize("name", METRICS)
def test_whatever_decides_a_number_is_in_its_protocol(name: str) -> None:
    metric, chosen = registry.load("metric", name)(), setting(name)
    changes: list[dict[str, Any]] = [
        {"source": replace(chosen.source, **{key: "other"})} for key in ("name", "digest", "preprocess")
    ]
    changes += [{key: 7} for key in ("frames", "height", "width")]
    changes += [{"fps": 7.0}, {"clip": "first frames"}, {"prompts": "q" * 64}]
    changes += [{"profile": chosen.profile.model_copy(update=one)} for one in ({"name": "x"}, {"version": 2})]
    if chosen.reference is not None:
        changes += [{"reference": replace(chosen.reference, **one)} for one in ({"digest": "s" * 64}, {"count": 91})]
    if name in FRECHET:
        changes.append({"profile": chosen.profile.model_copy(update={"ddof": 0})})
    if chosen.texts is not None:
        changes.append({"texts": replace(chosen.texts, truncated=1)})
    if name == "r_precision":
        assert chosen.texts is not None
        assert chosen.texts.pool is not None
        pool = Pool.merged(CAPTIONS[:110], TEXT[:110], chosen.texts.pool.groups[:110])  # type: ignore[index]
        fewer = chosen.profile.model_copy(update={"candidates": 50})
        changes += [{"texts": replace(chosen.texts, pool=pool)}, {"profile": fewer}]
    ids = {metric.protocol(chosen, 60).id, metric.protocol(chosen, 61).id}
    ids |= {metric.protocol(replace(chosen, **change), 60).id for change in changes}
    assert len(ids) == len(changes) + 2


def test_prompts_that_the_extractor_cannot_read_to_the_end_are_said() -> None:
    chosen = setting("clip_score")
    assert chosen.texts is not None
    chosen = replace(chosen, texts=replace(chosen.texts, truncated=3))
    metric = registry.load("metric", "clip_score")()
    record = metric.score(metric.gather(batches(cell("clip_score")), chosen), chosen, [0, 1])
    assert record.notes == ["3 of 30 prompts are longer than shapes-frame reads: it did not see the end"]


@pytest.mark.parametrize("name", FRECHET)
def test_one_prompt_of_one_run_has_no_interval_and_decides_nothing(name: str) -> None:
    metric, chosen = registry.load("metric", name)(), setting(name, num_prompts=1)
    features = cell(name)[:, :1]
    record = metric.score(metric.gather(batches(features), chosen), chosen, [0, 1])
    assert record.interval is None
    assert not record.decisive
    if name == "frame_fid":
        assert len(record.runs) == 2
    else:
        assert record.runs == []
        assert (record.mean, record.stderr) == (record.value, None)
        alone = metric.score(metric.gather(batches(features[:1]), chosen), chosen, [0])
        assert any("a single row, its covariance counts as 0" in note for note in alone.notes)
        assert (alone.counts.used, alone.interval, alone.decisive) == (1, None, False)


@pytest.mark.parametrize("name", COMPARED)
def test_ground_truth_is_the_null_floor_under_the_protocol_of_a_cell(name: str) -> None:
    metric, chosen = registry.load("metric", name)(), setting(name)
    real = np.random.default_rng(5).normal(size=(6, P, *([D] if name.startswith("fvd") else [T, D])))
    chosen = replace(chosen, floor=metric.floor(real, R, chosen))
    truth = metric.ground_truth(chosen, D)
    record = metric.score(scored(name, 1.5).evidence, chosen, [0, 1])
    assert truth.protocol == record.protocol
    assert truth.value == record.context["ground_truth"] == record.context["null_mean"]
    worst, sign = ("null_q05", -1) if metric.higher_is_better else ("null_q95", 1)
    assert truth.context[worst] == record.context[worst]
    assert sign * truth.context[worst] > sign * truth.value
    assert len(truth.runs) == 20
    assert truth.stderr is None
    assert sign * record.value > sign * record.context[worst]
    assert record.notes == []


def test_a_floor_of_another_number_of_clips_is_said() -> None:
    metric, chosen = registry.load("metric", "frame_fid")(), setting("frame_fid")
    chosen = replace(chosen, floor=metric.floor(REAL.reshape(3, P, T, D), 1, chosen))
    record = metric.score(scored("frame_fid").evidence, chosen, [0, 1])
    assert record.notes == ["the null floor was drawn with 30 clips against 90, this value with 60 against 90"]
    with pytest.raises(ConfigError, match="a null floor"):
        metric.ground_truth(setting("frame_fid"), D)


def test_a_group_whose_videos_all_failed_has_no_influence() -> None:
    metric, chosen = registry.load("metric", "frame_fid")(), setting("frame_fid")
    evidence = metric.gather(batches(cell("frame_fid")[:, :25]), chosen)
    assert np.isnan(evidence.influence.by_group).sum() == 5
    record = metric.score(evidence, chosen, [0, 1])
    assert "over 25 groups" in record.interval.method
    assert [run.count(None) for run in record.influence] == [5, 5]
    assert "in 25 groups" in difference("a", record, "b", record).interval.method


def test_ddof_is_part_of_the_protocol_and_of_the_number() -> None:
    one, zero = scored("fvd").score, scored("fvd", profile=profile("ivbench-ddof0")).score
    assert one.protocol != zero.protocol
    assert one.value != zero.value


def test_clip_score_stands_beside_its_shuffled_value() -> None:
    record = scored("clip_score").score
    assert record.context["shuffled"] < record.value - 10
    assert record.unit == ""


def test_r_precision_stands_beside_chance_and_motion_merged() -> None:
    record = scored("r_precision").score
    assert record.context["chance"] == 1.0
    assert record.context["motion_merged"] == scored("r_precision").evidence.mean("motion_merged")
    assert 1.0 < record.value < 100.0
    assert record.unit == "%"
    assert record.fields["pool_size"] == 120


@pytest.mark.parametrize("name", ["clip_score", "r_precision"])
def test_the_mean_weighs_prompts_alike_whatever_their_number_of_videos(name: str) -> None:
    metric, chosen, features = registry.load("metric", name)(), setting(name), cell(name)
    assert isinstance(metric, MeanMetric)
    whole = metric.gather(batches(features), chosen)
    uneven = metric.gather([*batches(features), *batches(features[:, :1])], chosen)
    assert metric.score(uneven, chosen, [0, 1]).value == pytest.approx(metric.score(whole, chosen, [0, 1]).value)


def test_given_context_stands_in_the_record() -> None:
    metric, chosen = registry.load("metric", "clip_score")(), setting("clip_score")
    record = metric.score(scored("clip_score").evidence, chosen, [0, 1], context={"ground_truth": 30.0})
    assert record.context["ground_truth"] == 30.0


def unpaired(name: str, features: np.ndarray) -> Score:
    """The score of videos of a folder, without captions."""
    metric, chosen = registry.load("metric", name)(), setting(name, prompts=NO_PROMPTS, num_prompts=len(features[0]))
    return metric.score(metric.gather(batches(features), chosen), chosen, [0])


@pytest.mark.parametrize("name", ["fvd", "density"])
def test_videos_without_prompts_are_no_pairs(name: str) -> None:
    """The order of either side changes nothing, and the error is that of two independent sets."""
    one, other = cell(name, 0.3, 1)[:1], cell(name, 0.6, 2)[:1]
    a, b = unpaired(name, one), unpaired(name, other)
    found, turned = paired(a, b), paired(a, unpaired(name, other[:, ::-1].copy()))
    assert found is not None
    assert turned is not None
    assert found.value == pytest.approx(a.value - b.value)
    assert found.interval.method.startswith("two sets of videos that are no pairs")
    assert turned.value == pytest.approx(found.value)
    assert turned.error == pytest.approx(found.error, rel=0.35 if name == "fvd" else 1e-9)  # FVD's is over groups
    assert found.by_prompt == ()
    same = paired(a, a)
    assert same is not None
    assert same.value == 0
    assert same.interval.high > 0 > same.interval.low


def test_of_means_the_error_is_welchs() -> None:
    a, b = (unpaired("density", cell("density", shift, seed)[:1]) for shift, seed in ((0.3, 1), (0.6, 2)))
    values = [np.array(score.by_prompt[0]) for score in (a, b)]
    found = paired(a, b)
    expected = stats.ttest_ind(*values, equal_var=False).confidence_interval(0.95)
    assert found is not None
    assert (found.interval.low, found.interval.high) == pytest.approx(expected, rel=1e-2)  # degrees are rounded down
