"""A page in a headless browser, and what it did that it shouldn't."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]

PATIENCE = 180_000
"""Milliseconds; on a busy machine a browser takes a minute to start."""

LOADED = "[...document.querySelectorAll('#gallery canvas, #pairs canvas')].every(each => each.dataset.frame)"


@dataclass
class Visit:
    """An open page and its complaints: lines of the console, errors, requests that left the machine."""

    page: Any
    complaints: list[str] = field(default_factory=list)

    def watch(self) -> None:
        """Note what the page does that it shouldn't."""
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on(
            "request",
            lambda request: request.url.startswith(("data:", "file:")) or self.complaints.append(request.url),
        )


def until(page: Any, condition: str) -> None:
    """Wait for a condition; polled from here, since the page's policy forbids it to evaluate strings."""
    for _ in range(600):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(50)
    pytest.fail(f"never true: {condition}")
