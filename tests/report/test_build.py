"""The page as text: self-contained, escaped, and honest about what is missing."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest

import ivbench.report.svg as svg_module
from ivbench.data.sprites import write_sprite
from ivbench.errors import ConfigError
from ivbench.report import Source, build
from ivbench.report.charts import charts
from ivbench.report.gallery import gallery
from ivbench.results.schema import GalleryEntry, Results
from tests.report.fixtures import make_results

HOSTILE = [
    "<script>document.title='owned'</script>",
    "</script><img src=x onerror=\"document.title='owned'\">",
    "'\"`${7*7}{{7*7}}{% raw %} &amp; &lt; <!-- ]]>",
    "../../etc/passwd\\..\\..\\windows /abs/olute\x00nul",
    "x" * 10_000,
    "<svg/onload=document.title='owned'> \u2028\u202e right to left \N{PILE OF POO}",
]


class _Page(HTMLParser):
    """Collects the elements of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Results, Path]:
    folder = tmp_path_factory.mktemp("run")
    return make_results(folder), folder


@pytest.fixture(scope="module")
def page(run: tuple[Results, Path]) -> str:
    return build(*run)


def test_nothing_is_loaded_from_elsewhere(page: str) -> None:
    for _, attributes in _Page(page).found:
        for name in ("src", "href", "action", "data", "poster", "srcset"):
            assert (attributes.get(name) or "#").startswith(("#", "data:"))
    assert "url(" not in page
    assert "@import" not in page


def test_the_policy_names_script_and_style_by_hash(page: str) -> None:
    policy = next(
        row["content"] for row in _Page(page).all("meta") if row.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy is not None
    assert "unsafe" not in policy
    assert policy.startswith("default-src 'none'")
    for tag in ("style", "script"):
        inline = re.search(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        assert inline is not None
        digest = base64.b64encode(hashlib.sha256(inline[1].encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy


def test_no_element_carries_style_or_handlers(page: str) -> None:
    for _, attributes in _Page(page).found:
        assert not [name for name in attributes if name == "style" or name.startswith("on")]


def test_hostile_text_adds_no_element(tmp_path: Path, page: str) -> None:
    results = make_results(tmp_path, HOSTILE, [*HOSTILE[:2], '"><b>c</b>', "d"])
    results = results.model_copy(update={"disclosures": HOSTILE, "notes": HOSTILE[:1], "command": HOSTILE[0]})
    text = build(results, tmp_path)
    wanted, got = _Page(page), _Page(text)
    for tag in ("script", "img", "svg", "b", "iframe", "style", "details", "canvas", "dl"):
        assert len(got.all(tag)) == len(wanted.all(tag)), tag
    for prompt in HOSTILE[:2]:
        assert prompt not in text
    assert "x" * 10_000 in text


def test_hostile_prompts_come_back_whole_from_the_data(tmp_path: Path) -> None:
    text = build(make_results(tmp_path, HOSTILE), tmp_path)
    data = re.search(r'<script type="application/json" id="gallery-data">(.*?)</script>', text, re.DOTALL)
    assert data is not None
    assert [prompt["text"] for prompt in json.loads(data[1])["prompts"]] == HOSTILE


def test_notes_on_the_origin_of_values_are_folded_whole(run: tuple[Results, Path]) -> None:
    results, folder = run
    weights = [f'Weights "step-{i}": cascade step-{i}, ac9614613f64.' for i in range(12)]
    text = build(results.model_copy(update={"notes": ["A part was sampled."], "origins": weights}), folder)
    warned = re.search(r'<ul class="warnings".*?</ul>', text, re.DOTALL)
    assert warned is not None
    assert warned[0].count("<li>") == 1
    told = re.search(r"<summary>Whose weights stand in.*?</details>", text, re.DOTALL)
    assert told is not None
    assert all(f"cascade step-{i}, ac9614613f64." in told[0] for i in range(12))


def test_a_space_stands_between_sentences(page: str) -> None:
    without_data = re.sub(r"<(script|style|svg)\b.*?</\1>", "", page, flags=re.DOTALL)
    sentences = re.sub(r"</?(a|b|code|em|small|span|sup|time)\b[^>]*>", "", without_data)
    assert re.findall(r"[a-z)][.;][A-Z][a-z ]", sentences) == []


def test_building_twice_gives_the_same_bytes(run: tuple[Results, Path], page: str) -> None:
    assert build(*run) == page


def test_the_page_is_small(page: str) -> None:
    assert len(page.encode()) < 260_000


def test_a_sample_outside_the_folder_is_refused(run: tuple[Results, Path]) -> None:
    results, folder = run
    for sample in ("../secret.webp", "/etc/passwd", "samples/../../secret.webp"):
        entry = results.cells[0].gallery[0].model_copy(update={"sample": sample})
        cell = results.cells[0].model_copy(update={"gallery": [entry]})
        with pytest.raises(ConfigError, match="leads out of"):
            gallery([Source("", results.model_copy(update={"cells": [cell]}), folder)])


@pytest.mark.parametrize("content", [None, b"", b"no image", b"\x89PNG\r\n\x1a\n"])
def test_a_missing_or_broken_sample_is_a_blank_that_is_counted(
    tmp_path: Path, run: tuple[Results, Path], content: bytes | None
) -> None:
    if content is not None:
        (tmp_path / "clip.webp").write_bytes(content)
    entry = GalleryEntry(prompt="a", prompt_index=0, sample="clip.webp", frames=8, fps=6.0)
    cell = run[0].cells[0].model_copy(update={"gallery": [entry]})
    bare = run[0].model_copy(update={"cells": [cell], "ground_truth_gallery": []})
    shown = gallery([Source("", bare, tmp_path)])
    assert shown.missing == 1
    assert shown.data["prompts"][0]["clips"] == [None]
    assert "could not be read" in build(bare, tmp_path)


def test_the_same_clip_is_embedded_once(tmp_path: Path, run: tuple[Results, Path]) -> None:
    import numpy as np

    write_sprite(np.zeros((8, 2, 2, 3), np.uint8), tmp_path / "clip.webp")
    entry = GalleryEntry(prompt="a", prompt_index=0, sample="clip.webp", frames=8, fps=6.0)
    cells = [cell.model_copy(update={"gallery": [entry, entry]}) for cell in run[0].cells]
    shown = gallery([Source("", run[0].model_copy(update={"cells": cells, "ground_truth_gallery": []}), tmp_path)])
    assert len(shown.data["images"]) == 1
    assert [prompt["sample"] for prompt in shown.data["prompts"]] == [0, 1]


def test_charts_are_named_and_leave_colour_to_the_page(run: tuple[Results, Path]) -> None:
    drawn = charts([Source("", *run)])
    assert [chart.title for chart in drawn] == [score.label for score in run[0].cells[0].scores]
    for chart in drawn:
        root = ElementTree.fromstring(chart.svg)
        children = [child.tag.rpartition("}")[2] for child in root]
        assert root.get("role") == "img"
        assert children[:2] == ["title", "desc"]
        assert not re.search(r"#[0-9a-fA-F]{3,6}\b|style=|url\(", chart.svg)


def test_cells_differ_by_shape_and_label(run: tuple[Results, Path]) -> None:
    root = ElementTree.fromstring(charts([Source("", *run)])[0].svg)
    shapes = [each.get("d") for each in root.iter() if (each.get("class") or "") == "fill-point" and each.get("d")]
    texts = [each.text for each in root.iter("{http://www.w3.org/2000/svg}text")]
    assert len(set(shapes)) == len(run[0].cells)
    assert {f"{index}  {cell.label}" for index, cell in enumerate(run[0].cells, 1)} <= set(texts)


def test_charts_fall_back_to_flops_when_nothing_was_timed(run: tuple[Results, Path]) -> None:
    cells = [
        cell.model_copy(update={"costs": [cost.model_copy(update={"seconds": None}) for cost in cell.costs]})
        for cell in run[0].cells
    ]
    assert "GFLOPs a video" in charts([Source("", run[0].model_copy(update={"cells": cells}), run[1])])[0].svg


def test_a_page_without_the_chart_libraries_says_what_to_install(
    run: tuple[Results, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(svg_module, "find_spec", lambda name: None)
    text = build(*run)
    assert "The charts are left out" in text
    assert "<svg" not in text


def test_a_page_without_scores_samples_or_environments_builds(run: tuple[Results, Path]) -> None:
    cells = [
        cell.model_copy(update={"scores": [], "gallery": [], "costs": [], "problem": "x"}) for cell in run[0].cells
    ]
    bare = {"cells": cells, "ground_truth": [], "ground_truth_gallery": [], "differences": [], "environments": []}
    text = build(run[0].model_copy(update=bare), run[1])
    assert 'id="gallery"' not in text
    assert "has no scores: x" in text
