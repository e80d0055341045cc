"""A page carries what it can: exact strips where they fit, lossy ones where they do not, and the first prompts."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ivbench.data.sprites import write_sprite
from ivbench.report.gallery import gallery
from ivbench.report.images import Images
from ivbench.report.sources import Source
from ivbench.results.schema import Results
from tests.report.fixtures import make_results


@pytest.fixture
def images(tmp_path: Path) -> Images:
    found = Images(budget=10**9)
    for index in range(12):
        noise = np.random.default_rng(index).normal(120, 25, (8, 24, 40, 3)).clip(0, 255).astype(np.uint8)
        write_sprite(noise, tmp_path / f"{index}.webp")
        assert found.add(tmp_path, f"{index}.webp", 8) is not None
    return found


def _content(uri: str) -> bytes:
    return base64.b64decode(uri.removeprefix("data:image/webp;base64,"))


GROUPS = [range(0, 4), range(4, 8), range(8, 12)]


def test_strips_that_fit_are_carried_as_they_are(images: Images) -> None:
    uris, quality = images.uris(GROUPS)
    assert quality is None
    assert [_content(uris[place]) for place in range(12)] == images.contents
    assert sum(map(len, uris.values())) <= images.weight


@pytest.mark.parametrize("share", [0.9, 0.5, 0.25])
def test_a_tight_budget_is_kept_with_loss_and_every_strip_still_has_its_frames(images: Images, share: float) -> None:
    images.budget = int(share * images.weight)
    uris, quality = images.uris(GROUPS)
    assert quality is not None
    assert sum(map(len, uris.values())) <= images.budget
    assert len(uris) == 12
    for place, uri in uris.items():
        with Image.open(io.BytesIO(_content(uri))) as image, Image.open(io.BytesIO(images.contents[place])) as exact:
            assert image.size == exact.size
            error = np.abs(np.asarray(image.convert("RGB"), float) - np.asarray(exact.convert("RGB"), float)).mean()
            assert error < 30


def test_a_hopeless_budget_leaves_out_the_last_groups_whole_and_keeps_the_first(images: Images) -> None:
    images.budget = 6_000
    uris, quality = images.uris(GROUPS)
    assert quality == 50
    assert len(uris) % 4 == 0
    assert set(range(4)) <= set(uris) < set(range(12))


def test_a_smaller_budget_never_carries_better_strips(images: Images) -> None:
    qualities = []
    for share in (1.0, 0.7, 0.4, 0.2, 0.1):
        images.budget = int(share * images.weight)
        qualities.append(images.uris(GROUPS)[1] or 100)
    assert qualities == sorted(qualities, reverse=True)
    assert qualities[0] == 100


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Results, Path]:
    folder = tmp_path_factory.mktemp("run")
    return make_results(folder), folder


def test_a_page_that_cannot_carry_all_prompts_says_how_many_it_left_out(run: tuple[Results, Path]) -> None:
    whole = gallery([Source("", *run)])
    assert (whole.quality, whole.left_out, len(whole.data["prompts"])) == (None, 0, 6)
    cut = gallery([Source("", *run)], budget=20_000)
    assert cut.quality is not None
    assert len(cut.data["prompts"]) + cut.left_out == 6
    assert 0 < cut.left_out < 6
    assert [prompt["index"] for prompt in cut.data["prompts"]] == list(range(len(cut.data["prompts"])))


def test_the_first_prompts_stages_are_always_carried(run: tuple[Results, Path]) -> None:
    cut = gallery([Source("", *run)], budget=20_000)
    assert cut.stages
    clip = cut.data["prompts"][0]["clips"][0]
    assert [stage["stage"] for stage in clip["stages"]] == ["base", "tsr1"]
    assert clip["stage"] == "ssr1"
    assert all(prompt["clips"][0]["stages"] == [] for prompt in cut.data["prompts"][1:])
    assert all(prompt["clips"][0]["stages"] for prompt in gallery([Source("", *run)]).data["prompts"])


def test_of_many_cells_a_dozen_are_shown_at_first_the_best_among_them(run: tuple[Results, Path]) -> None:
    cells = [
        run[0].cells[index % 4].model_copy(update={"id": f"{index:02}", "label": f"cell {index:02}"})
        for index in range(30)
    ]
    rows = gallery([Source("", run[0].model_copy(update={"cells": cells}), run[1])]).data["rows"]
    shown = [row["label"] for row in rows if row["shown"]]
    assert len(shown) == 13
    assert {"cell 00", "cell 01", "cell 29", "ground truth"} <= set(shown)


def test_stages_never_cost_another_prompt_its_place_or_its_exactness(run: tuple[Results, Path]) -> None:
    whole = gallery([Source("", *run)])
    clips = [clip for prompt in whole.data["prompts"] for clip in prompt["clips"]]
    first = whole.data["prompts"][0]["clips"]
    needed = {clip["image"] for clip in clips} | {stage["image"] for clip in first for stage in clip["stages"]}
    room = sum(len(whole.data["images"][place]) + 40 for place in needed)
    tight = gallery([Source("", *run)], budget=room)
    assert (tight.quality, tight.left_out) == (None, 0)
    assert tight.data["prompts"][0]["clips"][0]["stages"] != []
    assert tight.data["prompts"][-1]["clips"][0]["stages"] == []
