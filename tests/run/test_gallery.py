"""The strips beside results.json: which prompts, and every stage of their samples."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ivbench.data.sprites import read_sprite
from ivbench.results.schema import Difference, Interval
from ivbench.results.store import Store
from ivbench.run.gallery import prompts_shown
from ivbench.run.sampling import VIDEO
from tests.run.toys import Ran, run_toy, toy_plan

PLAN = toy_plan()


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Ran]:
    folder = tmp_path_factory.mktemp("gallery")
    return folder, run_toy(PLAN, folder)


def test_every_earlier_stage_of_a_shown_sample_is_kept_as_it_was_made(finished: tuple[Path, Ran]) -> None:
    folder, ran = finished
    tasks, store = {task.id: task for task in PLAN.sample}, Store(folder / "store")
    cell = ran.outcome.results.cells[1]
    final = PLAN.final_samples(cell.id)[0]
    upsampled = tasks[str(final.input)]
    entry = cell.gallery[0]
    assert [(one.stage, one.frames, one.fps) for one in entry.stages] == [("base", 2, 3.0), ("tsr1", 4, 6.0)]
    for stage, task in ((entry.stages[0], tasks[str(upsampled.input)]), (entry.stages[1], upsampled)):
        arrays = store.get(task.id)
        assert arrays is not None
        wanted = np.rint(127.5 * np.clip(arrays[VIDEO][entry.prompt_index].astype(np.float32), -1, 1) + 127.5)
        strip = read_sprite(ran.outcome.path.parent / stage.sample, stage.frames)
        assert np.abs(strip.astype(float) - wanted).max() <= 1


def test_cells_that_share_a_stage_share_its_strips(finished: tuple[Path, Ran]) -> None:
    cells = {cell.label: cell for cell in finished[1].outcome.results.cells}
    files = {label: [one.sample for one in cell.gallery[0].stages] for label, cell in cells.items()}
    assert files["a"] == files["short"]
    assert not set(files["a"]) & set(files["guided"])


def test_the_first_prompts_are_shown_and_those_on_which_cells_differ_most(finished: tuple[Path, Ran]) -> None:
    results = finished[1].outcome.results
    shown = [entry.prompt_index for entry in results.cells[0].gallery]
    assert tuple(shown) == prompts_shown(PLAN, results.differences)
    assert shown[:2] == [0, 1]
    assert all([entry.prompt_index for entry in cell.gallery] == shown for cell in results.cells)
    assert [entry.prompt_index for entry in results.ground_truth_gallery] == shown


def _difference(metric: str, values: dict[int, float], prompts: int) -> Difference:
    return Difference(
        a="a",
        b="b",
        metric=metric,
        protocol=metric,
        value=0.0,
        interval=Interval(low=0.0, high=0.0, method="none"),
        significant=False,
        by_prompt=[values.get(index, 0.0) for index in range(prompts)],
    )


def test_metrics_of_different_scale_weigh_the_same() -> None:
    large, small = _difference("r", {5: 80.0, 7: -100.0}, 18), _difference("c", {9: -0.02, 11: 0.019}, 18)
    assert prompts_shown(PLAN, [large, small]) == (0, 1, 7, 9)


def test_without_values_by_prompt_the_first_prompts_are_shown() -> None:
    bare = _difference("fvd", {}, 18).model_copy(update={"by_prompt": []})
    assert prompts_shown(PLAN, []) == prompts_shown(PLAN, [bare]) == (0, 1)
    assert prompts_shown(PLAN, [_difference("c", {}, 18)]) == (0, 1)
