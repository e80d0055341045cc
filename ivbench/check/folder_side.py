"""The numbers of folders, as walks begin and end at them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ivbench.check.walk import Choices, Side
from ivbench.results.schema import Score

__all__ = ["FolderSide"]


@dataclass(frozen=True, eq=False)
class FolderSide(Side):
    """How one file of folders made one number.

    Attributes:
        cell, score: as of `Side`.
        own: its choices, but for the videos.
        videos: the generated ones, in words.
        rescore: computes the score of these videos under other choices.
    """

    cell: str
    score: Score
    own: Choices
    videos: str
    rescore: Callable[[Choices], Score]

    @property
    def choices(self) -> Choices:
        """In the order in which they are changed."""
        return {**self.own, "videos": self}

    def in_words(self) -> str:
        """The folder's name, and a digest of its videos."""
        return self.videos

    def rescored(self, choices: Choices) -> Score:
        """Features are computed where the store lacks them."""
        return self.rescore(choices)
