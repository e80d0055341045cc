"""The videos that a cell lacks: counted by kind, and told one by one up to a number."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from ivbench.run.job import Job

__all__ = ["failure_notes", "in_words", "stop_empty_cells", "tally_of"]

_TOLD = 20
_WORDS = {"too_short": "too short"}


def tally_of(job: Job, cell: str) -> Counter[str]:
    """How many of a cell's videos there are not, by kind: failed, missing, too_short, undecodable, duplicate.

    Args:
        job: after sampling.
        cell: the cell's id.
    """
    return Counter(kind for kind, _ in _failed(job, cell))


def in_words(tally: Mapping[str, int]) -> str:
    """`2 too short, 1 undecodable`."""
    return ", ".join(f"{count} {_WORDS.get(kind, kind)}" for kind, count in tally.items())


def failure_notes(job: Job) -> list[str]:
    """One line a video that is not there, for the report; beyond 20 their number."""
    cells = [cell.id for cell in job.plan.cells]
    lines = list(dict.fromkeys(why for cell in cells for _, why in _failed(job, cell)))
    more = [f"... and {len(lines) - _TOLD} more."] if len(lines) > _TOLD else []
    return [*lines[:_TOLD], *more]


def stop_empty_cells(job: Job) -> None:
    """Stop the cells none of whose videos could be made or read."""
    for cell in job.plan.cells:
        failed = list(_failed(job, cell.id))
        asked = sum(len(task.prompts) for task in job.plan.final_samples(cell.id))
        if failed and len(failed) == asked:
            kinds = in_words(Counter(kind for kind, _ in failed))
            job.stop([cell.id], f"none of its videos can be used ({kinds}); the first: {failed[0][1].rstrip('.')}.")


def _failed(job: Job, cell: str) -> Iterator[tuple[str, str]]:
    """(kind, why) of each."""
    for task in job.plan.final_samples(cell):
        about = job.store.manifest(task.id) if job.store.has(task.id) else None
        for _, kind, why in (about or {}).get("failed", ()):
            yield kind, why
