"""Prompts: where they come from, and which texts are prompts.

A prompt is only ever text: it never becomes a file name, so markup and path separators are fine, and a text encoder
cuts what is too long. It is kept in its NFC form, and known by the sha256 of that.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import get_args

from ivbench.config import PromptsConfig, text_digest
from ivbench.data.shapes.attributes import Split
from ivbench.data.shapes.captions import prompts as shapes_prompts
from ivbench.errors import ConfigError, MissingFileError, did_you_mean

__all__ = ["check_prompts", "load_prompts", "prompt_digest", "read_prompts"]

_SHAPES = "shapes:"


def prompt_digest(text: str) -> str:
    """The sha256 of a prompt's NFC form in UTF-8; keys its noise and its tasks."""
    return text_digest(text)


def load_prompts(config: PromptsConfig) -> tuple[str, ...]:
    """The prompts of a suite, checked, in suite order.

    Args:
        config: texts, or a source: shapes:test, shapes:validation, or a text file; and how many.

    Raises:
        ConfigError: no such split, fewer prompts than asked for, or a text that is no prompt.
        MissingFileError: the file isn't there.
    """
    if config.texts is not None:
        texts, where = list(config.texts), "prompts.texts"
    else:
        where = str(config.source)
        texts = _shapes(where) if where.startswith(_SHAPES) else read_prompts(Path(where))
    if config.count is not None:
        if config.count > len(texts):
            raise ConfigError(f"{where} has {len(texts)} prompts, prompts.count asks for {config.count}. Lower it.")
        texts = texts[: config.count]
    return check_prompts(texts, where)


def read_prompts(path: Path) -> list[str]:
    """The lines of a UTF-8 text file, one prompt a line; empty lines are left out.

    Raises:
        ConfigError: not UTF-8.
        MissingFileError: there's no such file.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
        raise MissingFileError(
            f"{path} is not there. Give a text file with one prompt a line, or shapes:test."
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8 text (byte {error.start}). Save it as UTF-8.") from error
    except OSError as error:
        raise ConfigError(f"{path} can't be read: {error.strerror or error}. Check the path.") from error
    return [line.strip() for line in text.split("\n") if line.strip()]


def check_prompts(texts: Iterable[str], where: str = "prompts") -> tuple[str, ...]:
    """The texts in NFC form, if all of them are prompts.

    Args:
        texts: in suite order.
        where: how messages call their source.

    Raises:
        ConfigError: no prompts, an empty one, two equal ones, control characters, or half a surrogate pair.
    """
    checked: dict[str, int] = {}
    for number, text in enumerate(texts, start=1):
        prompt = unicodedata.normalize("NFC", text)
        _check_one(prompt, number, where)
        if prompt in checked:
            raise ConfigError(
                f"{where}: prompts {checked[prompt]} and {number} are equal ({_shown(prompt)}). "
                "Remove one; for more videos a prompt, set samples_per_prompt."
            )
        checked[prompt] = number
    if not checked:
        raise ConfigError(f"{where} has no prompts. At least one is needed.")
    return tuple(checked)


def _check_one(prompt: str, number: int, where: str) -> None:
    if not prompt.strip():
        raise ConfigError(f"{where}: prompt {number} is empty. Write a text, or remove it.")
    for character in prompt:
        if unicodedata.category(character) in ("Cc", "Cs"):
            raise ConfigError(
                f"{where}: prompt {number} has the control character U+{ord(character):04X} ({_shown(prompt)}). "
                "Remove it; a prompt is one line of text."
            )


def _shapes(source: str) -> list[str]:
    name = source.removeprefix(_SHAPES)
    split: Split
    for split in get_args(Split):
        if split == name:
            return shapes_prompts(split)
    raise ConfigError(f'prompts.source "{source}": no such split.{did_you_mean(name, get_args(Split))}')


def _shown(prompt: str) -> str:
    return ascii(prompt) if len(prompt) <= 40 else f"{prompt[:37]!a}..."
