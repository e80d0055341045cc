"""Blocks and commands of a page."""

from __future__ import annotations

import re
import shlex
import textwrap
from pathlib import Path

__all__ = ["block", "commands"]

DOCS = Path(__file__).parents[2] / "docs"


def block(page: str, language: str, first: str) -> str:
    """The one block of a language that begins so."""
    blocks = [
        textwrap.dedent(text) for text in re.findall(rf"```{language}\n(.*?)```", (DOCS / page).read_text(), re.DOTALL)
    ]
    (found,) = [text for text in blocks if text.startswith(first)]
    return str(found)


def commands(page: str) -> list[list[str]]:
    """The page's ivbench commands, each as its words after `ivbench`."""
    blocks = re.findall(r"```sh\n(.*?)```", (DOCS / page).read_text(), re.DOTALL)
    lines = [line for text in blocks for line in text.splitlines() if line.startswith("ivbench ")]
    return [shlex.split(line, comments=True)[1:] for line in lines]
