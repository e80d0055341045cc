"""Which texts are prompts."""

from __future__ import annotations

from pathlib import Path

import pytest

from ivbench.config import PromptsConfig
from ivbench.data.prompts import check_prompts, load_prompts, prompt_digest
from ivbench.errors import ConfigError, MissingFileError


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        ([], "has no prompts"),
        (["a", ""], "prompt 2 is empty"),
        ([" \u00a0"], "prompt 1 is empty"),
        (["a", "b", "a"], "prompts 1 and 3 are equal"),
        (["e\u0301", "\u00e9"], "prompts 1 and 2 are equal"),
        (["a\nb"], "control character U+000A"),
        (["a\0b"], "control character U+0000"),
        (["\x1b[31m"], "control character U+001B"),
        (["\ud800"], "control character U+D800"),
    ],
)
def test_what_is_no_prompt_is_one_line(texts: list[str], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check_prompts(texts)
    assert said in str(caught.value)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "text", ["x" * 10_000, "<script>alert(1)</script>", "../../etc/passwd", "C:\\a|b?", "\U0001f642"]
)
def test_long_texts_markup_and_separators_are_prompts(text: str) -> None:
    assert check_prompts([text]) == (text,)


def test_prompts_are_kept_composed_and_known_by_that() -> None:
    assert check_prompts(["e\u0301"]) == ("\u00e9",)
    assert prompt_digest("e\u0301") == prompt_digest("\u00e9") != prompt_digest("e")


def test_the_shapes_splits_are_sources() -> None:
    test = load_prompts(PromptsConfig(source="shapes:test", count=32))
    validation = load_prompts(PromptsConfig(source="shapes:validation"))
    assert (len(test), len(validation)) == (32, 160)
    assert not set(test) & set(validation)


def test_a_misspelt_split_is_said() -> None:
    with pytest.raises(ConfigError, match='Did you mean "test"'):
        load_prompts(PromptsConfig(source="shapes:tets"))


def test_more_prompts_than_there_are_is_said() -> None:
    with pytest.raises(ConfigError, match=r"has 1 prompts, prompts\.count asks for 2"):
        load_prompts(PromptsConfig(texts=("a",), count=2))


def test_a_file_has_a_prompt_a_line(tmp_path: Path) -> None:
    path = tmp_path / "p.txt"
    path.write_bytes("\ufeffa red ball\r\n\n  two  \n".encode())
    assert load_prompts(PromptsConfig(source=str(path))) == ("a red ball", "two")
    path.write_bytes(b"")
    with pytest.raises(ConfigError, match="has no prompts"):
        load_prompts(PromptsConfig(source=str(path)))
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="not UTF-8"):
        load_prompts(PromptsConfig(source=str(path)))
    with pytest.raises(MissingFileError):
        load_prompts(PromptsConfig(source=str(tmp_path / "none.txt")))
