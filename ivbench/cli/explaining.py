"""The way from the numbers of one results file to those of another, for `ivbench compare --explain`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ivbench.cli.recorded import RecordedFolders, RecordedPlan, recorded
from ivbench.errors import ConfigError, MissingFileError

if TYPE_CHECKING:
    from ivbench.check import Choices, Explained, Side
    from ivbench.results import Results
    from ivbench.results.schema import Score
    from ivbench.results.store import Store
    from ivbench.run import Reporter
    from ivbench.run.folder_scoring import FolderRequest
    from ivbench.run.rescoring_folders import Contents

__all__ = ["explained"]

Pair = tuple["Results", "Results"]


def explained(results: Pair, paths: tuple[Path, Path], store: Path | None) -> list[Explained]:
    """Every step between two files' numbers.

    Args:
        results: old and new.
        paths: where they were read.
        store: of videos and features; None: the one of the new file's command, or the default one.

    Raises:
        ConfigError: one file is of a suite and the other of folders, they are of folders and share no metric, or their
            commands plan something else now.
        MissingFileError: a folder that a command names is not there.
        IvbenchError: as `ivbench.check.explain`.
    """
    old, new = (recorded(one, path) for one, path in zip(results, paths, strict=True))
    if isinstance(old, RecordedPlan) and isinstance(new, RecordedPlan):
        return _of_suites(results, (old, new), store)
    if isinstance(old, RecordedFolders) and isinstance(new, RecordedFolders):
        _require_there(old.request, paths[0])
        _require_there(new.request, paths[1])
        return _of_folders(results, (old, new), store)
    folders, suite = paths if isinstance(old, RecordedFolders) else paths[::-1]
    raise ConfigError(f"{folders} was scored from folders, {suite} by a suite. Explained are two files of one kind.")


def _require_there(request: FolderRequest, path: Path) -> None:
    for folder in (request.generated, request.reference):
        if folder is not None and not folder.exists():
            raise MissingFileError(
                f"{folder} is not there, which the command of {path} names. Its paths start at the current folder: "
                "go to the one that it ran in."
            )


def _of_suites(results: Pair, made: tuple[RecordedPlan, RecordedPlan], store: Path | None) -> list[Explained]:
    from ivbench.check import explain, suite_sides
    from ivbench.cli.session import session
    from ivbench.plan import Plan
    from ivbench.run.rescoring import rescored

    _, new = made
    with session(new.cascade, store or new.store, new.device) as working:

        def rescore(plan: Plan, cell: str) -> Score | None:
            return rescored(plan, cell, working.store, working.models, working.reporter)

        sides = [suite_sides(one, by.plan, rescore) for one, by in zip(results, made, strict=True)]
        return explain(*sides)


def _of_folders(results: Pair, made: tuple[RecordedFolders, RecordedFolders], store: Path | None) -> list[Explained]:
    from rich.console import Console

    from ivbench.check import explain
    from ivbench.cli.session import default_store
    from ivbench.results.store import Store
    from ivbench.run import RichReporter
    from ivbench.run.rescoring_folders import Contents

    old, new = made
    if not set(old.request.metrics) & set(new.request.metrics):
        had = (", ".join(one.request.metrics) for one in made)
        raise ConfigError("the files share no metric: old has {}, new has {}.".format(*had))
    reporter = RichReporter(Console(stderr=True))
    with reporter.shown():
        kept, contents = Store(store or new.store or default_store(), on_problem=reporter.say), Contents()
        return explain(
            _folder_sides(results[0], old.request, new.request, contents, kept, reporter),
            _folder_sides(results[1], new.request, old.request, contents, kept, reporter),
        )


def _folder_sides(
    results: Results,
    request: FolderRequest,
    other: FolderRequest,
    contents: Contents,
    store: Store,
    reporter: Reporter,
) -> list[Side]:
    """The numbers of one file that the other has too."""
    from ivbench.check import FolderSide
    from ivbench.run.rescoring_folders import folder_choices, rescored_folders

    videos = contents.videos(request.generated)

    def side(cell: str, score: Score) -> Side:
        def rescore(choices: Choices) -> Score:
            return rescored_folders(choices, request, score.metric, contents, store, reporter)

        own = folder_choices(request, score.metric, other, contents)
        return FolderSide(cell, score, own, videos, rescore)

    return [side(cell.label, score) for cell in results.cells for score in cell.scores if score.metric in other.metrics]
