"""Cards and cascades as data."""

from __future__ import annotations

from pathlib import Path

import pytest

from ivbench.config import canonical_json, digest, parse_card, parse_cascade, read_cascade, text_digest
from ivbench.errors import ConfigError, MissingFileError

SHA = "a" * 64
CARD = {"name": "c", "kind": "cascade", "licence": "Apache-2.0"}


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "a/../../x", "C:\\x", "a\\b", "", "file://x"])
def test_a_path_that_could_leave_the_folder_is_refused(path: str) -> None:
    with pytest.raises(ConfigError, match="not a path inside"):
        parse_card({**CARD, "files": {path: SHA}})


def test_weights_need_a_digest() -> None:
    with pytest.raises(ConfigError, match=r'weights names "base\.safetensors"'):
        parse_card({**CARD, "weights": {"base": "base.safetensors"}})


def test_a_misspelt_key_is_said_and_other_keys_are_details() -> None:
    with pytest.raises(ConfigError, match=r'unknown key "lisence".*Did you mean "licence"'):
        parse_card({"name": "c", "kind": "probe", "lisence": "x"})
    assert parse_card({**CARD, "recipe": "r", "details": {"steps": 3}}).details == {"recipe": "r", "steps": 3}


def test_a_file_is_a_digest_or_a_mapping_with_one() -> None:
    short, long = (parse_card({**CARD, "files": {"a": value}}) for value in (SHA, {"sha256": SHA}))
    assert short == long
    with pytest.raises(ConfigError, match="sha256"):
        parse_card({**CARD, "files": {"a": "123"}})


def test_a_cards_identity_follows_its_files_and_not_its_words() -> None:
    card = parse_card({**CARD, "files": {"a": SHA}})
    assert card.identity == parse_card({**CARD, "files": {"a": SHA}, "description": "other"}).identity
    assert card.identity != parse_card({**CARD, "files": {"a": "b" * 64}}).identity
    assert parse_card({**CARD, "digest": SHA}).identity == SHA


def test_a_cascade_with_an_unknown_key_is_said_with_its_path() -> None:
    stage = {"name": "base", "kind": "base", "frames": 4, "height": 4, "width": 4, "fps": 3}
    unet = {"channels": 32, "multiplyers": [1], "blocks": [1], "spatial_attention": [True], "temporal": ["none"]}
    data = {"name": "c", "text": {"encoder": "t", "dim": 8, "length": 4}, "stages": [{**stage, "unet": unet}]}
    with pytest.raises(ConfigError, match=r'unknown key "stages\.0\.unet\.multiplyers"\. Did you mean "multipliers"'):
        parse_cascade(data)


def test_a_missing_cascade_is_said(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError):
        read_cascade(tmp_path / "cascade.yaml")


def test_canonical_json_has_one_text_for_one_meaning() -> None:
    assert canonical_json({"b": (1, 2.0), "a": "\u00e9"}) == '{"a":"\u00e9","b":[1,2.0]}'
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object(), b"x"])
def test_canonical_json_refuses_what_json_lacks(value: object) -> None:
    with pytest.raises(ConfigError, match="canonical JSON"):
        canonical_json({"a": value})


def test_texts_that_differ_in_composition_only_have_one_digest() -> None:
    assert text_digest("e\u0301") == text_digest("\u00e9")
