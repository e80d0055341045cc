from __future__ import annotations

from dataclasses import replace

import pytest

from ivbench.config import Profile, parse, profile, profile_names
from ivbench.errors import ConfigError, ProtocolError
from ivbench.metrics.protocol import Protocol, differing_fields, require_same_protocol
from ivbench.results.schema import Counts, Score

FIELDS = {"extractor": "shapes-frame", "weights": "a" * 64, "frames": 4, "fps": 3.0, "ddof": 1, "generated": 64}


def score(protocol: Protocol) -> Score:
    return Score(
        metric=protocol.metric,
        label="frame FID [shapes-frame]",
        protocol=protocol.id,
        fields=dict(protocol.fields),
        value=1.0,
        runs=[],
        mean=1.0,
        stderr=None,
        interval=None,
        higher_is_better=False,
        counts=Counts(generated=64, failed=0, used=64),
    )


BASE = Protocol("frame_fid", "ivbench@1", FIELDS)


def test_the_id_reads_metric_profile_version_hash() -> None:
    head, _, digest = BASE.id.partition("+")
    assert head == "frame_fid/ivbench@1"
    assert len(digest) == 12
    assert int(digest, 16) >= 0


def test_the_id_is_the_same_whatever_the_order_of_the_fields() -> None:
    assert Protocol("frame_fid", "ivbench@1", dict(reversed(FIELDS.items()))).id == BASE.id


@pytest.mark.parametrize("name", sorted(FIELDS))
def test_every_field_changes_the_id_and_is_named_by_the_error(name: str) -> None:
    other = replace(BASE, fields={**FIELDS, name: "other"})
    assert other.id != BASE.id
    with pytest.raises(ProtocolError, match=rf": {name} \("):
        require_same_protocol(score(BASE), score(other))


def test_the_error_names_all_that_differs_and_nothing_else() -> None:
    other = Protocol("frame_fid", "ivbench@2", {**FIELDS, "frames": 16, "fps": 24.0})
    assert differing_fields(score(BASE), score(other)) == {
        "fps": (3.0, 24.0),
        "frames": (4, 16),
        "profile": ("ivbench@1", "ivbench@2"),
    }


def test_a_field_that_one_side_lacks_differs() -> None:
    other = replace(BASE, fields={**FIELDS, "pool": "b"})
    assert differing_fields(score(BASE), score(other)) == {"pool": (None, "b")}


def test_an_id_that_its_fields_do_not_explain_still_differs() -> None:
    forged = score(BASE).model_copy(update={"protocol": "frame_fid/ivbench@1+000000000000"})
    with pytest.raises(ProtocolError, match="protocol"):
        require_same_protocol(score(BASE), forged)


def test_the_same_protocol_passes() -> None:
    require_same_protocol(score(BASE), score(replace(BASE)))


def test_profiles_are_found_by_name_and_check_themselves() -> None:
    assert profile("ivbench").payload() == {"name": "ivbench", "version": 1, "ddof": 1, "candidates": 100}
    assert profile(None) is profile("ivbench")
    with pytest.raises(ConfigError, match='Did you mean "ivbench"'):
        profile("ivbensh")
    with pytest.raises(ConfigError, match="ddof"):
        parse(Profile, {"name": "x", "version": 1, "ddof": 2}, "x")
    with pytest.raises(ConfigError, match="candidates"):
        parse(Profile, {"name": "x", "version": 1, "candidates": 1}, "x")


@pytest.mark.parametrize("name", profile_names())
def test_every_profile_is_called_as_its_file_and_says_what_it_follows(name: str) -> None:
    found = profile(name)
    assert found.name == name
    assert found.summary
    assert found.source
