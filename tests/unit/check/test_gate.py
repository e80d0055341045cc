"""The gate: its rules, its verdicts, and how often these are wrong."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from scipy import stats

from ivbench.check import (
    Gate,
    Rule,
    compare,
    judge_changes,
    junit,
    markdown,
    measured_gate,
    outcome_record,
    read_gate,
    updated_baseline,
    without_rule,
    write_gate,
)
from ivbench.check.power import detectable, units_needed
from ivbench.config import canonical_json
from ivbench.errors import ConfigError, MissingFileError
from ivbench.results.schema import Score
from tests.unit.check.results import CLIP, FVD, frechet_score, mean_score, pair, rerun, results, stage

GATE = Gate(rules=(Rule(metric=CLIP, margin=1.0),))


def judged(old: Score, new: Score, gate: Gate = GATE) -> Any:
    return judge_changes(compare(results({"a": [old]}), results({"a": [new]})), gate)


@pytest.mark.parametrize(
    ("change", "state", "code"), [(0.0, "pass", 0), (3.0, "pass", 0), (-0.5, "pass", 0), (-2.0, "regression", 1)]
)
def test_a_loss_beyond_the_margin_is_a_regression(change: float, state: str, code: int) -> None:
    outcome = judged(*pair(np.random.default_rng(1), change, noise=0.5))
    assert (outcome.state, outcome.exit_code) == (state, code)


def test_a_loss_within_the_margin_passes_and_is_said() -> None:
    outcome = judged(*pair(np.random.default_rng(1), -0.5, noise=0.1))
    assert outcome.verdicts[0].reason == "worse, but within the margin"


def test_noise_that_hides_both_is_inconclusive_and_says_how_many_prompts_would_decide() -> None:
    generator = np.random.default_rng(2)
    old, new = pair(generator, 0.0, prompts=30, noise=6.0)
    outcome = judged(old, new)
    assert (outcome.state, outcome.exit_code) == ("inconclusive", 3)
    (change,) = compare(results({"a": [old]}), results({"a": [new]})).changes
    assert change.paired is not None
    distance = max(1.0 + change.gain, -change.gain)
    needed = units_needed(change.paired.error, 30, 0.05, distance)
    assert needed > 30
    assert f"about {needed:,} prompts would decide (now 30)" in outcome.verdicts[0].reason
    scaled = change.paired.error * np.sqrt(30 / needed)
    assert detectable(scaled, 30, 0.05) == pytest.approx(distance, rel=0.05)


@pytest.mark.parametrize("share", [0.1, 0.4, 0.5, 0.6, 0.9])
def test_more_prompts_are_asked_for_than_there_are(share: float) -> None:
    """Wherever between 0 and the margin the loss lies."""
    values = np.random.default_rng(2).normal(25.0, 1.0, (1, 30))
    noise = np.random.default_rng(3).normal(0.0, 1.0, (1, 30))
    noise = (noise - noise.mean()) / noise.std(ddof=1) * np.sqrt(30) * 0.7  # a standard error of 0.7
    outcome = judged(mean_score(values), mean_score(values + noise - share))
    assert outcome.state == "inconclusive"
    asked = int(re.findall(r"about ([\d,]+) prompts", outcome.verdicts[0].reason)[0].replace(",", ""))
    assert asked > 30


def test_no_change_refuses_a_gain_too() -> None:
    gate = Gate(rules=(Rule(metric=CLIP, margin=1.0, rule="no-change"),))
    assert judged(*pair(np.random.default_rng(3), 3.0, noise=0.3), gate).state == "regression"
    assert judged(*pair(np.random.default_rng(3), 0.0, noise=0.3), gate).state == "pass"


def test_lower_is_better_is_turned() -> None:
    influence = np.random.default_rng(4).normal(0.0, 0.02, (2, 20))
    gate = Gate(rules=(Rule(metric=FVD, margin=1.0),))
    for shift, state in ((-3.0, "pass"), (3.0, "regression")):
        new = frechet_score(10.0 + shift, influence + np.random.default_rng(5).normal(0, 0.02, (2, 20)))
        assert judged(frechet_score(10.0, influence), new, gate).state == state


def test_no_difference_is_zero_without_a_sign() -> None:
    score = frechet_score(10.0, np.random.default_rng(4).normal(0.0, 0.02, (2, 20)))
    (verdict,) = judged(score, score, Gate(rules=(Rule(metric=FVD, margin=1.0),))).verdicts
    assert [str(value) for value in (verdict.gain, verdict.low, verdict.high)] == ["0.0", "0.0", "0.0"]


def fails_closed() -> list[tuple[str, Any, Any]]:
    values = np.random.default_rng(6).normal(25.0, 4.0, (2, 60))
    whole = {"a": [mean_score(values)], "b": [mean_score(values)]}
    return [
        ("a cell", whole, {"a": [mean_score(values)]}),
        ("a metric", whole, {"a": [mean_score(values)], "b": []}),
        ("a score that decides", whole, {"a": [mean_score(values)], "b": [mean_score(values, decisive=False)]}),
        ("the rule's metric", {"a": []}, {"a": []}),
    ]


def without(score: Score, places: range) -> Score:
    """A score that has no video of some prompts."""
    rows = [[None if place in places else value for place, value in enumerate(row)] for row in score.by_prompt]
    return score.model_copy(update={"by_prompt": rows})


@pytest.mark.parametrize("lost", [range(1), range(10, 24)])
def test_a_prompt_that_the_baseline_has_and_the_new_file_lacks_fails(lost: range) -> None:
    """Also where both files have as many videos: then their protocols are equal."""
    values = np.random.default_rng(6).normal(25.0, 4.0, (2, 60))
    old, new = without(mean_score(values), range(40, 40 + len(lost))), without(mean_score(values), lost)
    outcome = judge_changes(compare(results({"a": [old]}), results({"a": [new]})), GATE)
    assert (outcome.state, outcome.exit_code) == ("missing", 2)
    assert outcome.missing[0].startswith(f"a: {CLIP} has no video of prompt {lost[0] + 1}")
    assert judge_changes(compare(results({"a": [old]}), results({"a": [old]})), GATE).state == "pass"


def test_a_group_of_prompts_that_the_new_file_lacks_fails() -> None:
    influence = np.random.default_rng(4).normal(0.0, 0.02, (2, 20))
    gate = Gate(rules=(Rule(metric=FVD, margin=1.0),))
    whole, torn = frechet_score(10.0, influence), influence.copy()
    torn[:, 3] = np.nan
    comparison = compare(results({"a": [whole]}), results({"a": [frechet_score(10.0, torn)]}))
    assert judge_changes(comparison, gate).missing == (f"a: {FVD} has no video of group 4 of the prompts",)


def test_a_cell_whose_settings_changed_under_its_label_fails_but_not_for_its_weights() -> None:
    cells = {"a": [mean_score(np.random.default_rng(6).normal(25.0, 4.0, (2, 60)))]}
    old = results(cells)

    def with_settings(**settings: Any) -> Any:
        return old.model_copy(update={"cells": [old.cells[0].model_copy(update={"settings": settings})]})

    before, after = with_settings(guidance_w=1.0, steps="16/6"), with_settings(guidance_w=7.0, steps="16/6")
    outcome = judge_changes(compare(before, after), GATE)
    assert (outcome.exit_code, outcome.missing) == (2, ("a: other settings: guidance w 1.0 / 7.0",))
    pair_of_weights = with_settings(weights="original"), with_settings(weights="./students/base")
    assert judge_changes(compare(*pair_of_weights), GATE).exit_code == 0
    snapshots = (with_settings(weights=f"snapshots-base-00{step}", training_step=step) for step in (2000, 1000))
    assert judge_changes(compare(*snapshots), GATE).exit_code == 0


@pytest.mark.parametrize("part", ["ssr1 from real clips", "ssr1 from videos 0123456789abcdef", "base, tsr1"])
def test_a_part_of_the_cascade_is_not_held_against_another_one(part: str) -> None:
    whole = results({"a": [mean_score(np.random.default_rng(6).normal(25.0, 4.0, (2, 60)))]})
    cut, other = (
        whole.model_copy(update={"cascade": whole.cascade.model_copy(update={"part": one})}) for one in (part, "tsr1")
    )
    for old, new, said in ((whole, cut, f"whole / {part}"), (cut, whole, f"{part} / whole"), (cut, other, "/ tsr1")):
        outcome = judge_changes(compare(old, new), GATE)
        assert outcome.exit_code == 2
        assert outcome.missing[0].startswith("a: other settings: part of the cascade ")
        assert outcome.missing[0].endswith(said)
    assert judge_changes(compare(cut, cut), GATE).exit_code == 0


def test_an_older_file_that_starts_from_videos_is_not_held_against_the_whole() -> None:
    whole = results({"a": [mean_score(np.random.default_rng(6).normal(25.0, 4.0, (2, 60)))]})
    lifted = whole.cascade.model_copy(update={"stages": [stage("ssr1", "ssr")]})
    outcome = judge_changes(compare(whole, whole.model_copy(update={"cascade": lifted})), GATE)
    assert outcome.missing == ("a: other settings: part of the cascade whole / not recorded",)


def test_another_protocol_and_no_shared_cell_are_judged_as_missing() -> None:
    values = np.random.default_rng(6).normal(25.0, 4.0, (2, 60))
    other = mean_score(values, protocol="clip_score/ivbench@1+cc", fields={"prompts": "q", "generated": 120})
    old = results({"a": [mean_score(values)]})
    for new, said in (({"a": [other]}, "prompts (p / q)"), ({"b": [other]}, "a: no such cell")):
        outcome = judge_changes(compare(old, results(new), refuse=False), GATE)
        assert outcome.exit_code == 2
        assert said in outcome.missing[0]


@pytest.mark.parametrize(("what", "old", "new"), fails_closed())
def test_whatever_is_missing_fails(what: str, old: Any, new: Any) -> None:
    outcome = judge_changes(compare(results(old), results(new)), GATE)
    assert (outcome.state, outcome.exit_code) == ("missing", 2), what


def test_a_cell_of_the_baseline_without_the_rules_metric_fails() -> None:
    values = np.random.default_rng(6).normal(25.0, 4.0, (2, 60))
    for other in ([], [frechet_score(10.0, np.random.default_rng(4).normal(0.0, 0.02, (2, 20)))]):
        same = results({"a": [mean_score(values)], "b": other})
        outcome = judge_changes(compare(same, same), GATE)
        assert (outcome.exit_code, outcome.missing) == (2, (f"b: no {CLIP}",))


def test_a_rule_for_a_name_that_no_cell_has_fails_with_the_names_that_there_are() -> None:
    values = np.random.default_rng(6).normal(25.0, 4.0, (2, 60))
    same = results({"a": [mean_score(values)], "b": [mean_score(values)]})
    outcome = judge_changes(compare(same, same), Gate(rules=(Rule(metric="clip_score", margin=1.0),)))
    assert (outcome.exit_code, outcome.missing) == (2, (f'no cell has a score "clip_score". Allowed: {CLIP}.',))


def test_a_gate_that_is_not_there_says_how_to_write_one(tmp_path: Path) -> None:
    for place, found in ((tmp_path / "gate.yaml", "is not there"), (tmp_path, "is no file")):
        with pytest.raises(MissingFileError, match=rf"{found}\. Write a gate with check --init"):
            read_gate(place)


def test_a_cell_that_only_the_new_file_has_is_said_and_not_judged() -> None:
    values = np.random.default_rng(6).normal(25.0, 4.0, (2, 60))
    old, new = results({"a": [mean_score(values)]}), results({"a": [mean_score(values)], "b": [mean_score(values)]})
    outcome = judge_changes(compare(old, new), GATE)
    assert (outcome.state, outcome.added) == ("pass", ("b",))
    assert "Not judged, since the baseline lacks it: b" in markdown(outcome)
    assert outcome_record(outcome, GATE)["added"] == ["b"]


def test_a_cell_that_only_the_new_file_has_fails_where_it_stopped() -> None:
    values = np.random.default_rng(6).normal(25.0, 4.0, (2, 60))
    old, new = results({"a": [mean_score(values)]}), results({"a": [mean_score(values)], "b": []})
    cells = [new.cells[0], new.cells[1].model_copy(update={"problem": "NaN"})]
    outcome = judge_changes(compare(old, new.model_copy(update={"cells": cells})), GATE)
    assert (outcome.exit_code, outcome.missing) == (2, ("b: stopped: NaN",))


def test_two_profiles_of_one_metric_are_matched_by_profile() -> None:
    values = np.random.default_rng(6).normal(25.0, 4.0, (2, 60))
    both = [mean_score(values), mean_score(values + 1.0, protocol="clip_score/other@1+bb")]
    changes = compare(results({"a": both}), results({"a": both})).changes
    assert [change.paired.value for change in changes if change.paired] == [0.0, 0.0]


def test_files_of_an_older_version_fail_with_their_reason() -> None:
    values = np.random.default_rng(6).normal(25.0, 4.0, (2, 60))
    outcome = judged(mean_score(values, by_prompt=[]), mean_score(values))
    assert outcome.exit_code == 2
    assert "score its suite again" in outcome.verdicts[0].reason


def test_a_missing_value_weighs_more_than_a_regression() -> None:
    values = np.random.default_rng(7).normal(25.0, 4.0, (2, 60))
    old = results({"a": [mean_score(values)], "b": [mean_score(values)]})
    outcome = judge_changes(compare(old, results({"a": [mean_score(values - 9.0)]})), GATE)
    assert outcome.verdicts[0].state == "regression"
    assert outcome.exit_code == 2


@pytest.mark.parametrize("cells", [1, 4])
def test_without_a_change_it_is_a_false_alarm_as_often_as_it_says(cells: int) -> None:
    """The margin is small, so that every significant loss is a regression: the hardest case."""
    generator = np.random.default_rng([8, cells])
    gate = Gate(rules=(Rule(metric=CLIP, margin=1e-6),))
    alarms, trials = 0, 600
    for _ in range(trials):
        pairs = [pair(generator) for _ in range(cells)]
        old, new = (results({str(i): [two[side]] for i, two in enumerate(pairs)}) for side in (0, 1))
        alarms += judge_changes(compare(old, new), gate).state == "regression"
    low, high = stats.binomtest(alarms, trials).proportion_ci(0.999)
    assert low <= 0.05 <= high, alarms / trials


def test_a_metrics_own_confidence_takes_the_place_of_the_gates_and_shares_its_part() -> None:
    generator = np.random.default_rng(15)
    two = [pair(generator), pair(generator)]
    sides = []
    for side in (0, 1):
        first, second = two[0][side], two[1][side].model_copy(update={"label": "other"})
        sides.append(results({"a": [first, second], "b": [first, second]}))
    gate = Gate(rules=(Rule(metric=CLIP, margin=1.0), Rule(metric="other", margin=1.0, confidence=0.8)))
    comparison = compare(*sides)
    verdicts = judge_changes(comparison, gate).verdicts
    assert [verdict.metric for verdict in verdicts] == [CLIP, "other"] * 2
    for verdict, change in zip(verdicts, comparison.changes, strict=True):
        assert change.paired is not None
        assert verdict.high is not None
        rate = (0.05 if verdict.metric == CLIP else 0.2) / 4
        assert (verdict.low, verdict.high) == change.paired.bounds(rate)
        assert verdict.high - change.gain == pytest.approx(stats.t.ppf(1 - rate, 59) * change.paired.error, rel=0.05)
    same = gate.model_copy(update={"rules": tuple(rule.model_copy(update={"confidence": 0.95}) for rule in gate.rules)})
    none = gate.model_copy(update={"rules": tuple(rule.model_copy(update={"confidence": None}) for rule in gate.rules)})
    assert judge_changes(comparison, same) == judge_changes(comparison, none)


def test_own_confidences_raise_false_alarms_as_often_as_their_mean_says() -> None:
    """Independent verdicts at 10 and 2.5 %: 1 - 0.9 * 0.975 = 12.25 % together, within the 12.5 % of their sum."""
    generator = np.random.default_rng(16)
    rules = (Rule(metric=CLIP, margin=1e-6, confidence=0.8), Rule(metric="other", margin=1e-6))
    alarms, lax, trials = 0, 0, 600
    for _ in range(trials):
        pairs = [pair(generator) for _ in range(2)]
        old, new = (
            results({"a": [pairs[0][side], pairs[1][side].model_copy(update={"label": "other"})]}) for side in (0, 1)
        )
        outcome = judge_changes(compare(old, new), Gate(rules=rules))
        alarms += outcome.state == "regression"
        lax += outcome.verdicts[0].state == "regression"
    for count, wanted in ((alarms, 0.1225), (lax, 0.1)):
        low, high = stats.binomtest(count, trials).proportion_ci(0.999)
        assert low <= wanted <= high, count / trials


def test_a_written_gate_has_a_confidence_of_its_own_only_where_one_was_given(tmp_path: Path) -> None:
    for rule, count in ((Rule(metric=CLIP, margin=1.0), 1), (Rule(metric=CLIP, margin=1.0, confidence=0.9), 2)):
        gate = Gate(rules=(rule,))
        write_gate(gate, tmp_path / "gate.yaml")
        assert read_gate(tmp_path / "gate.yaml") == gate
        assert (tmp_path / "gate.yaml").read_text().count("confidence:") == count


def test_a_loss_of_the_smallest_detectable_size_is_found_as_often_as_it_says() -> None:
    generator = np.random.default_rng(9)
    gate = Gate(rules=(Rule(metric=CLIP, margin=1e-6),))
    loss = detectable(np.sqrt(2 * 1.0 / 2 / 60), 60, 0.05)
    found, trials = 0, 600
    for _ in range(trials):
        found += judged(*pair(generator, -loss), gate).state == "regression"
    low, high = stats.binomtest(found, trials).proportion_ci(0.999)
    assert low <= 0.8 <= high, found / trials


def test_a_measured_gate_lets_a_re_run_pass_and_is_read_back(tmp_path: Path) -> None:
    generator = np.random.default_rng(10)
    first, second = pair(generator)
    gate = measured_gate(compare(results({"a": [first]}), rerun({"a": [second]})))
    write_gate(gate, tmp_path / "gate.yaml")
    assert read_gate(tmp_path / "gate.yaml") == gate
    assert judged(*pair(generator), gate).state == "pass"
    assert judged(*pair(generator, -3 * gate.rules[0].margin), gate).state == "regression"


@pytest.mark.parametrize(("prompts", "metrics"), [(20, 1), (20, 8), (32, 4), (96, 8)])
def test_a_re_run_without_a_change_passes_a_measured_gate_19_times_out_of_20(prompts: int, metrics: int) -> None:
    generator = np.random.default_rng([14, prompts, metrics])
    passed, trials = 0, 120

    def two() -> tuple[list[Score], list[Score]]:
        pairs = [pair(generator, prompts=prompts) for _ in range(metrics)]
        return tuple([one[side].model_copy(update={"label": str(i)}) for i, one in enumerate(pairs)] for side in (0, 1))  # type: ignore[return-value]

    for _ in range(trials):
        first, again = two()
        gate = measured_gate(compare(results({"a": first}), rerun({"a": again})))
        old, new = two()
        passed += judge_changes(compare(results({"a": old}), results({"a": new})), gate).state == "pass"
    assert passed / trials >= 0.95


def test_a_percentage_without_noise_gets_the_margin_of_the_rule_of_three() -> None:
    perfect = mean_score(np.full((1, 60), 100.0), unit="%")
    gate = measured_gate(compare(results({"a": [perfect]}), rerun({"a": [perfect]})))
    assert gate.rules[0].margin == 5.0
    worse = mean_score(np.where(np.arange(60) < 20, 0.0, 100.0)[None], unit="%")
    assert judged(perfect, worse, gate).state == "regression"


def test_a_gate_of_files_without_noise_is_refused() -> None:
    cells = {"a": [mean_score(np.ones((2, 60)))]}
    with pytest.raises(ConfigError, match=r"CLIP score \[probe\] of the two files do not differ.*other seeds"):
        measured_gate(compare(results(cells), rerun(cells)))


def test_a_gate_is_measured_on_a_whole_re_run_with_other_seeds() -> None:
    first, second = pair(np.random.default_rng(10))
    with pytest.raises(ConfigError, match="the two files have the same seeds"):
        measured_gate(compare(results({"a": [first]}), results({"a": [second]})))
    other = mean_score(np.ones((2, 60)), protocol="clip_score/ivbench@1+cc", fields={"prompts": "q", "generated": 120})
    with pytest.raises(ConfigError, match=r"no re-run of the first: a: .*prompts \(p / q\)"):
        measured_gate(compare(results({"a": [first]}), rerun({"a": [other]}), refuse=False))
    with pytest.raises(ConfigError, match="no re-run of the first: b: no such cell"):
        measured_gate(compare(results({"a": [first], "b": [first]}), rerun({"a": [second]})))
    with pytest.raises(ConfigError, match=r"no re-run of the first: a: .* has no video of prompt 4 and 7 more"):
        measured_gate(compare(results({"a": [first]}), rerun({"a": [without(second, range(3, 11))]})))


def test_metrics_that_decide_nothing_get_no_rule_and_are_named() -> None:
    first, second = pair(np.random.default_rng(10))
    idle = frechet_score(10.0, np.random.default_rng(4).normal(0.0, 0.02, (2, 20)), decisive=False)
    comparison = compare(results({"a": [first, idle]}), rerun({"a": [second, idle]}))
    gate = measured_gate(comparison)
    assert [rule.metric for rule in gate.rules] == [CLIP]
    assert without_rule(comparison, gate) == (FVD,)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rules: []\n", r"rules: got 0 entries, allowed are 1 or more\.$"),
        ("rules:\n- {metric: a, margin: 0}\n", "margin"),
        ("rules:\n- {metric: a, margin: .inf}\n", "not a finite number"),
        ("rules:\n- {metric: a, margn: 1}\n", 'unknown key "rules.0.margn". Did you mean "margin"'),
        ("rules:\n- {metric: a, margin: 1}\n- {metric: a, margin: 2}\n", 'two rules are for "a"'),
        ("rules:\n- {metric: a, margin: 1, confidence: 0.4}\n", "confidence"),
        ("confidence: 2\nrules:\n- {metric: a, margin: 1}\n", "confidence"),
    ],
)
def test_a_wrong_gate_is_one_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "gate.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message) as error:
        read_gate(path)
    assert "\n" not in str(error.value)


def test_junit_markdown_and_json_say_the_same() -> None:
    values = np.random.default_rng(11).normal(25.0, 4.0, (2, 60))
    old = results({"a|<b>": [mean_score(values)], "b": [mean_score(values)], "c": [mean_score(values)]})
    new = results({"a|<b>": [mean_score(values - 9.0)], "b": [mean_score(values)]})
    outcome = judge_changes(compare(old, new), GATE)
    suite = ElementTree.fromstring(junit(outcome))
    assert [suite.get(key) for key in ("tests", "failures", "errors")] == ["3", "1", "1"]
    assert suite.findall("testcase")[0].get("classname") == "a|<b>"
    text = markdown(outcome)
    assert r"a\|\<b\>" in text
    assert "REGRESSION" in text
    record = outcome_record(outcome, GATE)
    assert canonical_json(record)
    assert [row["state"] for row in record["verdicts"]] == ["regression", "pass"]
    assert record["missing"] == ["c: no such cell"]


def test_junit_is_well_formed_whatever_a_problem_says() -> None:
    control = "".join(map(chr, range(32))) + '\x7f\ud800\ufffe\uffff <&"> \N{GAME DIE}'
    values = np.random.default_rng(3).normal(25.0, 4.0, (2, 60))
    old = results({"a": [mean_score(values)], "b": [mean_score(values)]})
    new = results({"a": [mean_score(values)], "b": []})
    cells = [new.cells[0], new.cells[1].model_copy(update={"problem": control})]
    outcome = judge_changes(compare(old, new.model_copy(update={"cells": cells})), GATE)
    (error,) = ElementTree.fromstring(junit(outcome)).iter("error")
    message, lost = str(error.get("message")), "\N{REPLACEMENT CHARACTER}"
    assert message == f'b: stopped: {lost * 9}\t\n{lost * 2}\r{lost * 18}\x7f{lost * 3} <&"> \N{GAME DIE}'


def test_an_updated_baseline_has_every_old_value_beside_the_new_one() -> None:
    old, new = pair(np.random.default_rng(12), 2.0)
    files = results({"a": [old]}), results({"a": [new]}, created="2026-11-25T12:00:00+00:00", notes=["own"])
    baseline = updated_baseline(*files)
    assert baseline.cells[0].scores == [new]
    assert "own" in baseline.notes
    assert f"a, {CLIP}: {new.value:.6g}, before {old.value:.6g} (better)" in baseline.origins


def test_a_baseline_of_another_protocol_is_replaced_and_said() -> None:
    values = np.random.default_rng(6).normal(25.0, 4.0, (2, 60))
    other = mean_score(values, protocol="clip_score/ivbench@1+cc", fields={"prompts": "q", "generated": 120})
    baseline = updated_baseline(results({"a": [mean_score(values)]}), results({"a": [other]}))
    assert f"a, {CLIP}: before {mean_score(values).value:.6g} (not compared)" in baseline.origins
    assert any("protocol" in note and "prompts (p / q)" in note for note in baseline.notes)


def test_a_cell_that_stopped_makes_no_baseline() -> None:
    whole = results({"a": [mean_score(np.ones((1, 30)))]})
    stopped = whole.model_copy(update={"cells": [whole.cells[0].model_copy(update={"problem": "NaN", "scores": []})]})
    with pytest.raises(ConfigError, match='the cell "a" of the new results stopped'):
        updated_baseline(whole, stopped)
