"""Two results files set against each other."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest

from ivbench.check import change_rows, compare, comparison_record
from ivbench.config import canonical_json
from ivbench.errors import ConfigError, ProtocolError
from ivbench.results.schema import Cell, Score
from tests.unit.check.results import CLIP, FVD, frechet_score, mean_score, pair, results, stage

compare_module = sys.modules["ivbench.check.compare"]
GENERATOR = np.random.default_rng(0)
VALUES = GENERATOR.normal(25.0, 4.0, (2, 60))
INFLUENCE = np.random.default_rng(3).normal(0.0, 0.05, (2, 20))


def test_a_change_is_new_minus_old_and_its_gain_positive_where_it_is_better() -> None:
    old = results({"a": [mean_score(VALUES), frechet_score(10.0, INFLUENCE)]})
    new = results({"a": [mean_score(VALUES + 2.0), frechet_score(12.0, INFLUENCE)]})
    clip, fvd = compare(old, new).changes
    assert (clip.new.label, fvd.new.label) == (CLIP, FVD)
    assert clip.paired is not None
    assert fvd.paired is not None
    assert (clip.paired.value, fvd.paired.value) == pytest.approx((2.0, 2.0))
    assert (clip.gain, fvd.gain) == pytest.approx((2.0, -2.0))
    assert (clip.verdict, fvd.verdict) == ("better", "worse")


def test_prompts_are_paired_so_that_their_own_spread_does_not_count() -> None:
    old, new = pair(GENERATOR, 0.5, noise=0.1)
    (change,) = compare(results({"a": [old]}), results({"a": [new]})).changes
    assert change.paired is not None
    assert change.paired.interval.high - change.paired.interval.low < 0.2
    assert change.verdict == "better"
    assert old.interval is not None
    assert old.interval.high - old.interval.low > 1.0


def test_equal_files_differ_in_nothing() -> None:
    same = results({"a": [mean_score(VALUES)], "b": [mean_score(VALUES)]})
    comparison = compare(same, same)
    assert [change.verdict for change in comparison.changes] == ["no difference seen"] * 2
    assert comparison.missing == comparison.added == ()
    assert comparison.changes[0].same_noise


OTHER_NOISE: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("seeds", {"seeds": [4, 5]}, {}),
    ("from the device", {"noise": "device"}, {}),
    ("a generator's, or not recorded", {"noise": ""}, {}),
    ("of other stages", {}, {"stages": [stage("ssr2", "ssr")]}),
    ("of another size", {}, {"stages": [stage("ssr1", "ssr", width=40)]}),
    ("of other prompts", {"prompts": [f"other {i}" for i in range(60)]}, {}),
]


@pytest.mark.parametrize(("what", "suite", "cascade"), OTHER_NOISE, ids=[what for what, _, _ in OTHER_NOISE])
def test_the_same_noise_is_said_only_where_it_is_known(
    what: str, suite: dict[str, Any], cascade: dict[str, Any]
) -> None:
    made = results({"a": [mean_score(VALUES)]})
    old = made.model_copy(update={"cascade": made.cascade.model_copy(update={"stages": [stage("ssr1", "ssr")]})})
    new = old.model_copy(
        update={
            "suite": old.suite.model_copy(update=suite),
            "cascade": old.cascade.model_copy(update=cascade),
        }
    )
    assert compare(old, old).same_noise
    comparison = compare(old, new)
    assert not comparison.same_noise, what
    assert not comparison.changes[0].same_noise
    assert comparison.same_seeds == ("seeds" not in suite)


def test_neither_of_two_files_of_a_generator_tells_of_its_noise() -> None:
    made = results({"a": [mean_score(VALUES)]})
    one = made.model_copy(update={"suite": made.suite.model_copy(update={"noise": ""})})
    assert not compare(one, one).same_noise


def test_a_score_that_decides_nothing_stays_undecided() -> None:
    old, new = mean_score(VALUES), mean_score(VALUES + 5.0, decisive=False)
    assert compare(results({"a": [old]}), results({"a": [new]})).changes[0].verdict == "undecided"


def test_a_profile_that_the_other_file_lacks_is_another_protocol_and_no_missing_metric() -> None:
    other = mean_score(VALUES, protocol="clip_score/theirs@1+cc", fields={"prompts": "p", "generated": 120})
    files = results({"a": [mean_score(VALUES)]}), results({"a": [other]})
    with pytest.raises(ProtocolError, match=r"profile \(ivbench@1 / theirs@1\)"):
        compare(*files)
    found = compare(*files, refuse=False)
    assert found.missing == ()
    assert len(found.conflicts) == 1

    both = results({"a": [mean_score(VALUES), other]})
    assert compare(both, files[1]).missing == (f"a: no {CLIP}",)
    assert len(compare(files[1], both).changes) == 1


def test_two_protocols_are_refused_and_the_field_is_named() -> None:
    other = mean_score(VALUES, protocol="clip_score/ivbench@1+cc", fields={"prompts": "q", "generated": 120})
    with pytest.raises(ProtocolError, match=r"prompts \(p / q\)"):
        compare(results({"a": [mean_score(VALUES)]}), results({"a": [other]}))


def test_what_one_file_lacks_is_listed() -> None:
    old = results({"a": [mean_score(VALUES), frechet_score(10.0, INFLUENCE)], "b": [mean_score(VALUES)]})
    new = results({"a": [mean_score(VALUES)], "c": [mean_score(VALUES)]})
    comparison = compare(old, new)
    assert set(comparison.missing) == {"b: no such cell", f"a: no {FVD}"}
    assert comparison.added == ("c",)


def test_a_metric_that_only_the_new_cell_has_is_named() -> None:
    old, new = (
        results({"a": [mean_score(VALUES)]}),
        results({"a": [mean_score(VALUES), frechet_score(10.0, INFLUENCE)]}),
    )
    assert compare(old, new).added == (f"a: {FVD}",)
    assert compare(new, old).missing == (f"a: no {FVD}",)


def test_every_score_is_compared_missing_or_added_and_cells_are_paired_once(monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = mean_score(VALUES, protocol="clip_score/theirs@1+cc")
    fvd, kid = frechet_score(10.0, INFLUENCE), frechet_score(1.0, INFLUENCE, label="KID", protocol="kid/ivbench@1+dd")
    old = results({"a": [mean_score(VALUES), fvd], "b": [mean_score(VALUES), theirs]})
    new = results({"a": [theirs, kid], "b": [theirs, mean_score(VALUES), fvd]})
    calls: list[str] = []
    whole = compare_module._pairs

    def counted(one: Cell, other: Cell) -> list[tuple[Score, Score]]:
        calls.append(one.label)
        return whole(one, other)

    monkeypatch.setattr(compare_module, "_pairs", counted)
    found = compare(old, new, refuse=False)
    assert calls == ["a", "b"]
    assert [(change.cell, change.old.protocol) for change in found.changes] == [
        ("b", "clip_score/ivbench@1+aa"),
        ("b", "clip_score/theirs@1+cc"),
    ]
    assert all(change.old.protocol == change.new.protocol for change in found.changes)
    assert [line.partition(":")[0] for line in found.conflicts] == ["a"]  # each under a profile that the other lacks
    assert found.missing == (f"a: no {FVD}",)
    assert found.added == ("a: KID", f"b: {FVD}")


def test_files_without_a_common_cell_are_refused() -> None:
    with pytest.raises(ConfigError, match='share no cell: old has "a", new has "b"'):
        compare(results({"a": []}), results({"b": []}))


def test_the_record_and_the_rows_hold_every_change() -> None:
    old, new = (results({"a": [mean_score(VALUES + shift), frechet_score(10.0, INFLUENCE)]}) for shift in (0.0, 1.0))
    comparison = compare(old, new)
    columns, rows = change_rows(comparison)
    assert [len(row) for row in rows] == [len(columns)] * 2
    record = comparison_record(comparison)
    assert canonical_json(record)
    assert [row["difference"] for row in record["changes"]] == pytest.approx([1.0, 0.0])
