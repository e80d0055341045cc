"""Suites: what is accepted, what is refused and how that is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ivbench.config import SuiteConfig, parse_suite, read_suite, suite_names
from ivbench.errors import ConfigError, MissingFileError

PROMPTS = {"source": "shapes:test"}


def suite(**keys: Any) -> SuiteConfig:
    return parse_suite({"name": "x", "prompts": PROMPTS, **keys})


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"grdi": {}}, 'unknown key "grdi". Did you mean "grid"?'),
        ({"prompts": {"souce": "a"}}, 'unknown key "prompts.souce". Did you mean "source"?'),
        (
            {"metrics": [{"name": "fvd", "extractor": "e", "profil": "p"}]},
            'unknown key "metrics.0.profil". Did you mean',
        ),
        ({"defaults": {"stpes": 3}}, 'unknown key "defaults.stpes". Did you mean "steps"?'),
        ({"defaults": {"guidance": {"oscillate": {"hihg": 1, "low": 1}}}}, 'oscillate.hihg". Did you mean "high"?'),
        ({"grid": {"guidence": [1]}}, 'unknown key "grid.guidence". Did you mean "guidance"?'),
        ({"grid": {"guidance": [{"oscillate": {"hihg": 1, "low": 1}}]}}, 'Did you mean "high"?'),
        ({"grid": {"guidance": []}}, "grid.guidance"),
        ({"grid": {"sampler": [None]}}, "grid.sampler.0 is empty"),
        ({"cells": [{"samplr": "ddim"}]}, 'unknown key "cells.0.samplr". Did you mean "sampler"?'),
        ({"runs": True}, "runs"),
        ({"runs": "4"}, "runs"),
        ({"runs": 0}, "runs"),
        ({"runs": 3, "seeds": [1, 2]}, "runs is 3 and seeds has 2 entries"),
        ({"seeds": [1, 1]}, "seeds must differ"),
        ({"seeds": [-1]}, "seeds must differ and lie in"),
        ({"seeds": [2**63]}, "seeds must differ and lie in"),
        ({"reference": {"seed": 10**30}}, "reference.seed"),
        ({"runs": 10**8}, "runs"),
        ({"samples_per_prompt": 10**7}, "samples_per_prompt"),
        ({"cells": [{"label": "a\u001bb"}]}, "a label or series must be printable text"),
        ({"cells": [{"series": "a\nb"}]}, "a label or series must be printable text"),
        ({"noise": "tensorflow"}, "'numpy' or 'device'"),
        ({"reference": {"count": 1}}, "reference.count"),
        ({"prompts": {}}, "one of source and texts"),
        ({"prompts": {"source": "a", "texts": ["b"]}}, "one of source and texts"),
        ({"defaults": {"steps": 0}}, "allowed is 1 or more"),
        ({"defaults": {"steps": 1.5}}, "defaults.steps"),
        ({"defaults": {"gamma": 2}}, "allowed is 0 to 1"),
        ({"defaults": {"augmentation_snr": 0}}, "above 0"),
        ({"defaults": {"guidance": "osc"}}, 'got "osc"'),
        ({"defaults": {"guidance": -1}}, "guidance"),
        ({"defaults": {"guidance": "oscillate(1)"}}, 'got "oscillate(1)"'),
        ({"defaults": {"guidance": {"constant": 1, "oscillate": {"high": 1, "low": 1}}}}, "one of constant and"),
        ({"defaults": {"thresholding": "dynamic(200)"}}, "percentile"),
        ({"defaults": {"thresholding": "statc"}}, 'got "statc"'),
        ({"metrics": [{"name": "fvd", "extractor": "e"}] * 2}, "one stands twice"),
        ({"name": "../x"}, "name"),
    ],
)
def test_a_mistake_is_one_line_with_the_path(keys: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        suite(**keys)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("data", [None, [], "text", 3])
def test_a_file_that_is_no_mapping_is_said(data: Any) -> None:
    with pytest.raises(ConfigError, match="expected keys and values"):
        parse_suite(data)


def test_a_missing_key_is_said() -> None:
    with pytest.raises(ConfigError, match='the key "prompts" is missing'):
        parse_suite({"name": "x"})


@pytest.mark.parametrize(
    ("written", "constant", "oscillate"),
    [
        (6, 6.0, None),
        ("constant=6", 6.0, None),
        ("w=0.5", 0.5, None),
        ({"constant": 2}, 2.0, None),
        ("oscillate(15,1)", None, (15.0, 1.0)),
        ("oscillate(15, 1)", None, (15.0, 1.0)),
        ({"oscillate": {"high": 15, "low": 1}}, None, (15.0, 1.0)),
    ],
)
def test_guidance_can_be_written_as_people_do(written: Any, constant: Any, oscillate: Any) -> None:
    found = suite(defaults={"guidance": written}).defaults.guidance
    assert found is not None
    one = found["default"]
    assert one.constant == constant
    assert (one.oscillate and (one.oscillate.high, one.oscillate.low)) == oscillate


def test_none_means_no_augmentation_and_an_absent_key_means_nothing_said() -> None:
    assert suite(defaults={"augmentation_snr": "none"}).defaults.augmentation_snr == {"default": None}
    assert suite().defaults.augmentation_snr is None


@pytest.mark.parametrize("name", suite_names())
def test_a_packaged_suite_survives_its_own_json(name: str) -> None:
    found = read_suite(name)
    assert parse_suite(found.model_dump(mode="json")) == found


def test_quick_has_what_the_first_command_promises() -> None:
    quick = read_suite("quick")
    assert quick.prompts.source == "shapes:test"
    assert quick.prompts.count == 32
    assert quick.run_seeds == (0, 1)
    assert quick.grid is not None
    assert len(quick.grid.points()) >= 4
    assert {metric.name for metric in quick.metrics} == {"frame_fid", "fvd", "clip_score", "r_precision"}


def test_an_unknown_suite_is_said_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r'no suite is called "quik"\. Did you mean "quick"'):
        read_suite("quik")


def test_a_suite_file_finds_its_prompts_beside_it(tmp_path: Path) -> None:
    (tmp_path / "p.txt").write_text("one\n")
    (tmp_path / "s.yaml").write_text("name: s\nprompts: {source: p.txt}\n")
    assert read_suite(tmp_path / "s.yaml").prompts.source == str(tmp_path / "p.txt")
    (tmp_path / "p.txt").unlink()
    with pytest.raises(MissingFileError, match=r"p\.txt is not there"):
        read_suite(str(tmp_path / "s.yaml"))


@pytest.mark.parametrize("key", ["profile", "given"])
def test_a_suite_names_profiles_and_holds_none(key: str) -> None:
    metric = {"name": "fvd", "extractor": "e", key: {"name": "ivbench", "version": 1, "ddof": 0}}
    with pytest.raises(ConfigError, match=key):
        parse_suite({"name": "x", "prompts": PROMPTS, "metrics": [metric]})
