"""YAML's traps are errors that name the line and say what to write."""

from __future__ import annotations

from pathlib import Path

import pytest

from ivbench.config import load_yaml, read_yaml
from ivbench.errors import ConfigError, MissingFileError


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\nb: 1e-3", "line 2: YAML reads 1e-3 as text; write 0.001 in full"),
        ("a: no", "YAML reads no as true or false"),
        ("a: 12:30", "YAML reads 12:30 as 750"),
        ("a: 1:2.5", "YAML reads 1:2.5 as 62.5"),
        ("a: 010", "YAML reads 010 as 8"),
        ("a: .inf", "not a finite number"),
        ("a: .nan", "not a finite number"),
        ("a: 1\na: 2", 'line 2: the key "a" stands twice'),
        ("1: 2", "the key 1 is not text"),
        ("a: &x [1]\nb: *x", "line 2: aliases"),
        ("a: !!python/object/apply:os.system [ls]", "not valid YAML"),
        ("a: !!map [1]", "not valid YAML"),
        ("a: !!bool [1]", "not valid YAML"),
        ("a: !!timestamp x", "not valid YAML"),
        ("a: [1", "not valid YAML"),
        ("[" * 200, "nested over 50 levels deep"),
    ],
)
def test_a_trap_is_one_clear_line(text: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_yaml(text, "suite.yaml")
    assert said in str(caught.value)
    assert str(caught.value).startswith("suite.yaml")
    assert "\n" not in str(caught.value)


def test_quoted_texts_and_plain_values_pass() -> None:
    text = 'a: "1e-3"\nb: "no"\nc: "12:30"\nd: 1.0e-3\ne: true\nf: 12\ng: null\nh: -0.5\ni: 0'
    expected = {"a": "1e-3", "b": "no", "c": "12:30", "d": 0.001, "e": True, "f": 12, "g": None, "h": -0.5, "i": 0}
    assert load_yaml(text, "x") == expected


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match=r"none\.yaml is not there"):
        read_yaml(tmp_path / "none.yaml")


def test_bytes_that_are_not_utf8_are_said(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(b"a: \xff")
    with pytest.raises(ConfigError, match="not UTF-8"):
        read_yaml(tmp_path / "a.yaml")


def test_a_byte_order_mark_is_no_part_of_the_first_key(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(b"\xef\xbb\xbfa: 1")
    assert read_yaml(tmp_path / "a.yaml") == {"a": 1}
