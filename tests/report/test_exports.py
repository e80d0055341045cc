"""Results in the formats of other tools, read back by those tools where they are here."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivbench.cli.main import main
from ivbench.errors import ConfigError
from ivbench.registry import names
from ivbench.report.exports import export
from ivbench.report.exports.latex import escaped
from ivbench.report.exports.markdown import markdown_table
from ivbench.report.names import distinct
from ivbench.report.tables import total_nfe
from ivbench.results import Results, read_results, write_csv, write_results
from tests.report.fixtures import make_results, of_folders, with_published

HOSTILE = ["=cmd|' /C calc'!A0", "50% & $x_1$ {a} \\input{b} #1 ~^", "[x](javascript:alert(1))|<b>", "w=3 ddim 8"]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return make_results(tmp_path_factory.mktemp("results"))


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return make_results(tmp_path_factory.mktemp("hostile"), labels=HOSTILE)


def test_csv_has_the_rows_of_results_csv_and_a_name(results: Results, tmp_path: Path) -> None:
    write_csv(results, tmp_path / "results.csv")
    own = list(csv.DictReader(io.StringIO((tmp_path / "results.csv").read_text())))
    exported = list(csv.DictReader(io.StringIO(export("csv", [("a", results), ("b", results)]).decode())))
    assert [{key: row[key] for key in own[0]} for row in exported] == own * 2
    origin = {key: exported[0][key] for key in exported[0] if key not in own[0]}
    assert origin == {
        "results": "a",
        "suite": results.suite.name,
        "suite_digest": results.suite.digest,
        "cascade": results.cascade.name,
        "cascade_digest": results.cascade.digest,
        "created": results.created,
    }
    assert [row["results"] for row in exported] == ["a"] * len(own) + ["b"] * len(own)


def test_parquet_reads_back_with_types(results: Results, tmp_path: Path) -> None:
    (tmp_path / "x.parquet").write_bytes(export("parquet", [("a", results)]))
    table = pq.read_table(tmp_path / "x.parquet")
    kinds = {field.name: str(field.type) for field in table.schema}
    assert kinds["value"] == "double"
    assert kinds["generated"] == "int64"
    assert kinds["decisive"] == "bool"
    assert kinds["protocol"] == "string"
    assert (kinds["setting.w"], kinds["setting.steps"], kinds["setting.sampler"]) == ("double", "int64", "string")
    rows = [row for row in table.to_pylist() if row["row"] == "headline" and row["cell"] != "ground-truth"]
    expected = [score.value for cell in results.cells for score in cell.scores]
    assert [row["value"] for row in rows] == expected
    assert {(row["setting.w"], row["guidance_w"], row["scale_g"]) for row in rows} == {(0.0, 0.0, 1.0), (3.0, 3.0, 4.0)}


def with_settings(results: Results, values: list[Any]) -> Results:
    cells = [
        cell.model_copy(update={"settings": {"x": value}}) for cell, value in zip(results.cells, values, strict=True)
    ]
    return results.model_copy(update={"cells": cells})


@pytest.mark.parametrize(
    ("values", "kind", "read"),
    [
        ([1, None, 3, 4], "int64", {1, None, 3, 4}),
        ([1, 2.5, None, 4], "double", {1.0, 2.5, None, 4.0}),
        ([True, False, None, True], "bool", {True, False, None}),
        ([True, 1, None, 2], "string", {"True", "1", None, "2"}),
        ([1, "2/1", None, 2.5], "string", {"1", "2/1", None, "2.5"}),
        ([None, None, None, None], "string", {None}),
    ],
)
def test_a_setting_has_the_narrowest_type_that_holds_all_of_it(
    results: Results, values: list[Any], kind: str, read: set[Any]
) -> None:
    table = pq.read_table(io.BytesIO(export("parquet", [("a", with_settings(results, values))])))
    assert str(table.schema.field("setting.x").type) == kind
    assert set(table.column("setting.x").to_pylist()) == read | {None}  # the ground truth has no settings


def test_a_number_that_parquet_cannot_hold_is_said(results: Results) -> None:
    with pytest.raises(ConfigError, match=r"setting\.x does not fit into Parquet's int64"):
        export("parquet", [("a", with_settings(results, [2**70, 1, 2, 3]))])


def test_latex_has_a_row_a_cell_and_the_protocols(results: Results) -> None:
    text = export("latex", [("a", results)]).decode()
    body = text[text.index(r"\midrule") : text.index(r"\bottomrule")]
    rows = [line for line in body.splitlines() if line.endswith(r"\\")]
    assert len(rows) == len(results.cells) + 1
    assert len({row.count("&") for row in rows}) == 1
    assert r"0.187 $\pm$ 0.009" in rows[1]
    for score in results.cells[0].scores:
        assert escaped(score.protocol) in text
    assert rows[-1].strip().startswith("ground truth")


def test_latex_has_the_evaluations_of_suites_and_nothing_in_their_place_of_folders(results: Results) -> None:
    def ends(of: Results) -> list[str]:
        lines = [line for line in export("latex", [("a", of)]).decode().splitlines() if line.endswith(r"\\")]
        return [re.split(r" (?:& |\\\\)", line)[-2] for line in lines[: 1 + len(of.cells)]]

    usual = ends(results)
    assert usual[0] == "NFE"
    assert usual[1:] == [str(total_nfe(cell)) for cell in results.cells]
    assert ends(with_published(results)) == usual  # whose published time stands behind the costs
    folders = of_folders(results)
    head, row = ends(folders)
    assert head.startswith(escaped("CLIP R-Precision, %"))
    assert row.startswith(f"{folders.cells[0].scores[-1].value:.2f}")
    assert r"{lrrrr}" in export("latex", [("a", folders)]).decode()


def test_what_decides_nothing_has_its_footnote_in_latex(results: Results) -> None:
    score = results.cells[1].scores[2].model_copy(update={"decisive": False})
    cell = results.cells[1].model_copy(update={"scores": [*results.cells[1].scores[:2], score]})
    text = export("latex", [("a", results.model_copy(update={"cells": [results.cells[0], cell]}))]).decode()
    (mark,) = re.findall(r"\\textsuperscript\{(\d)\}~Too few samples to decide", text)
    assert rf"74.90 $\pm$ 0.30\textsuperscript{{{mark}}}" in text
    assert rf"61.40 $\pm$ 0.30\textsuperscript{{{mark}}}" not in text


def test_hostile_labels_stay_text(hostile: Results) -> None:
    text = export("latex", [("a", hostile)]).decode()
    assert r"\input" not in text
    rows = [line for line in text.splitlines() if (line.endswith(r"\\") and "calc" in line) or "input" in line]
    assert len(rows) == 2
    assert not re.search(
        r"(\\\\|\\midrule)\s*[\[*]", text
    )  # a row's beginning is no argument of what ends the row before
    marked = markdown_table(hostile)
    assert not re.search(r"(?<!\\)\]\(", marked)
    assert "<b>" not in marked.replace("\\<b\\>", "")
    assert len({line.replace("\\|", "").count("|") for line in marked.splitlines() if line.startswith("|")}) == 1
    assert hostile.cells[0].label in export("csv", [("a", hostile)]).decode()  # data stays as it is


@given(st.text(st.characters(codec="utf-8") | st.sampled_from('\\&%$#_{}^~<>|"[]*-`?!\n'), max_size=40))
def test_escaped_latex_has_no_active_character(text: str) -> None:
    found = escaped(text)
    plain = re.sub(r"\\text\w+\{\}|\\[&%$#_{}]|\{[][*]\}|-\{\}|\$(-|\\pm|\\uparrow|\\downarrow)\$", "", found)
    assert not set(plain) & set('\\&%$#_{}^<>|"[]*`\n')
    assert "~" not in plain.replace("~", "", text.count("\N{NO-BREAK SPACE}"))
    assert found.count("--") == text.count("\N{EN DASH}")


def test_lm_eval_has_what_the_harness_read(results: Results) -> None:
    """The golden sections are those that `make_table` of lm_eval read: a changed file must be read by it again."""
    golden = json.loads((Path(__file__).parents[1] / "golden" / "lm_eval.json").read_text())
    found = json.loads(export("lm-eval", [("a", results)]))
    assert {name: found[name] for name in golden["read"]} == golden["read"]


def test_lm_eval_keeps_protocols_counts_and_the_run(results: Results) -> None:
    found = json.loads(export("lm-eval", [("a", results)]))
    cell = results.cells[0]
    score, config = cell.scores[2], found["configs"][cell.label]["metadata"]
    assert found["n-samples"][cell.label] == {"original": score.counts.generated, "effective": score.counts.used}
    assert config["protocols"]["clip_score,shapes-clip shapes"] == score.protocol
    assert config["settings"] == cell.settings
    assert found["git_hash"] == results.environments[0].git
    assert found["config"]["random_seed"] == results.suite.seeds[0]
    assert found["config"]["stopped"] == {}


def test_lm_eval_keeps_two_profiles_two_labels_and_stopped_cells_apart(results: Results) -> None:
    one, two, *others = results.cells
    other = one.scores[2].model_copy(update={"protocol": "clip_score/other@1+0123456789ab", "value": 1.5})
    cells = [
        one.model_copy(update={"scores": [*one.scores, other]}),
        two.model_copy(update={"label": one.label}),
        others[0].model_copy(update={"label": "ground truth"}),
        others[1].model_copy(update={"scores": [], "complete": False, "problem": "NaN in ssr1."}),
    ]
    found = json.loads(export("lm-eval", [("a", results.model_copy(update={"cells": cells}))]))
    assert list(found["results"]) == [one.label, f"{one.label} (2)", "ground truth", "ground truth (2)"]
    assert found["results"][one.label]["clip_score,shapes-clip other"] == 1.5
    assert found["results"][one.label]["clip_score,shapes-clip shapes"] == one.scores[2].value
    assert found["results"][f"{one.label} (2)"]["fvd,shapes-video shapes"] == two.scores[1].value
    assert found["config"]["stopped"] == {others[1].label: "NaN in ssr1."}


@given(st.lists(st.sampled_from(["a", "a (2)", "a (3)", "b", ""]), max_size=8))
def test_distinct_labels_differ_and_a_label_of_its_own_stays(labels: list[str]) -> None:
    found = distinct(labels)
    assert len(set(found)) == len(labels)
    assert all(name == label for name, label in zip(found, labels, strict=True) if labels.count(label) == 1)


@pytest.mark.parametrize("kind", ["latex", "lm-eval", "torch-fidelity", "vbench"])
def test_a_format_of_one_file_refuses_two(results: Results, kind: str) -> None:
    with pytest.raises(ConfigError, match=r"got 2\. Export each by itself"):
        export(kind, [("a", results), ("b", results)])


@pytest.mark.parametrize(("kind", "name"), [("csv", "csv"), ("parquet", "parquet"), ("latex", "tex")])
def test_the_command_writes_beside_the_results(kind: str, name: str, results: Results, tmp_path: Path) -> None:
    write_results(results, tmp_path / "results.json")
    command = [sys.executable, "-m", "ivbench", "export", str(tmp_path), "--format", kind]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    path = tmp_path / f"results-export.{name}"
    assert done.stdout == f"{path}\n"
    written = read_results(tmp_path / "results.json")
    assert path.read_bytes() == export(kind, [(tmp_path.name, written)])
    assert written == results


@pytest.mark.parametrize("kind", names("export"))
def test_every_registered_format_is_a_choice(kind: str, results: Results, tmp_path: Path) -> None:
    write_results(results, tmp_path / "results.json")
    assert main(["export", str(tmp_path), "--format", kind, "--out", str(tmp_path / "out")]) == 0
    written = read_results(tmp_path / "results.json")
    assert (tmp_path / "out").read_bytes() == export(kind, [(tmp_path.name, written)])


def test_the_command_names_several_files_by_their_folders(
    results: Results, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        write_results(results, tmp_path / name / "results.json")
    out = tmp_path / "all.csv"
    arguments = ["export", str(tmp_path / "one"), str(tmp_path / "two"), "--format", "csv", "--out", str(out)]
    assert main(arguments) == 0
    assert {row["results"] for row in csv.DictReader(io.StringIO(out.read_text()))} == {"one", "two"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nothing", "--format", "csv"], "nothing is not there"),
        (["{folder}", "--format", "xlsx"], "'xlsx' is not one of"),
        (["{folder}", "--format", "csv", "--out", "{folder}/results.json"], "is what was read"),
        (["{folder}", "{folder}/results.json", "--format", "csv"], "is given twice"),
    ],
)
def test_a_mistake_is_one_line(
    arguments: list[str], said: str, results: Results, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_results(results, tmp_path / "results.json")
    assert main(["export", *(argument.format(folder=tmp_path) for argument in arguments)]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert len(error.splitlines()) == 1


def test_torch_fidelity_has_its_keys_and_says_whose_numbers_they_are(results: Results) -> None:
    cell = results.cells[0]
    probed = next(score for score in cell.scores if score.metric == "frame_fid")
    fid = probed.model_copy(update={"label": "frame FID"})
    kid = fid.model_copy(update={"metric": "kid", "value": 0.0125, "context": {"subset_std": 0.003}})
    recall = fid.model_copy(update={"metric": "recall", "value": 37.5, "unit": "%"})
    others = [score for score in cell.scores if score.metric != "frame_fid"]
    one = cell.model_copy(update={"scores": [fid, kid, recall, *others]})
    content = json.loads(export("torch-fidelity", [("a", results.model_copy(update={"cells": [one]}))]))
    told = content.pop("ivbench")
    assert content == {
        "frechet_inception_distance": fid.value,
        "kernel_inception_distance_mean": 0.0125,
        "kernel_inception_distance_std": 0.003,
        "recall": 0.375,
    }
    assert told["recall"] == {"label": recall.label, "protocol": recall.protocol}
    named = cell.model_copy(update={"scores": [probed]})
    content = json.loads(export("torch-fidelity", [("a", results.model_copy(update={"cells": [named]}))]))
    assert content[probed.label.replace("frame FID", "frechet_inception_distance")] == probed.value
    of_each = json.loads(export("torch-fidelity", [("a", results)]))
    assert set(of_each) == {cell.label for cell in results.cells if cell.scores}
    twice = cell.model_copy(update={"scores": [fid, fid.model_copy(update={"value": 2.0})]})
    with pytest.raises(ConfigError, match=r"would both be frechet_inception_distance"):
        export("torch-fidelity", [("a", results.model_copy(update={"cells": [twice]}))])
    none = cell.model_copy(update={"scores": others})
    with pytest.raises(ConfigError, match=r"no score has a key of torch-fidelity's"):
        export("torch-fidelity", [("a", results.model_copy(update={"cells": [none]}))])


@pytest.mark.parametrize(
    ("protocol", "label", "dimension"),
    [
        ("subject_consistency/vbench@1", "subject consistency", "subject_consistency"),
        ("subject_consistency/vbench@1", "subject consistency [dino]", "subject_consistency"),
        (
            "subject_consistency/vbench@1",
            "subject consistency [dino, unverified weights]",
            "subject_consistency [dino, unverified weights]",
        ),
        ("subject_consistency/ivbench@1", "subject consistency [frame-probe]", "subject consistency [frame-probe]"),
        ("subject_consistency/vbench@1", "subject consistency [frame-probe]", "subject_consistency [frame-probe]"),
        (
            "background_consistency/vbench@1",
            "background consistency [ViT-B-32-quickgelu openai]",
            "background_consistency",
        ),
        ("temporal_flickering/vbench@1", "temporal flickering", "temporal_flickering"),
        ("temporal_flickering/ivbench@1", "temporal flickering", "temporal flickering"),
        ("clip_score/vbench-appearance-style@1", "CLIP score [ViT-B-32-quickgelu openai]", "appearance_style"),
        ("clip_score/vbench@1", "CLIP score [ViT-B-32-quickgelu openai]", "CLIP score [ViT-B-32-quickgelu openai]"),
    ],
)
def test_vbenchs_names_are_for_its_own_choices(protocol: str, label: str, dimension: str, results: Results) -> None:
    score = results.cells[0].scores[2].model_copy(update={"protocol": f"{protocol}+0123456789ab", "label": label})
    cell = results.cells[0].model_copy(update={"scores": [score]})
    content = json.loads(export("vbench", [("a", results.model_copy(update={"cells": [cell]}))]))
    assert list(content) == [dimension]
    assert content[dimension][0] == score.value


def test_vbench_has_value_and_videos_of_one_cell(results: Results) -> None:
    one = results.model_copy(update={"cells": results.cells[:1]})
    content = json.loads(export("vbench", [("a", one)]))
    for score in one.cells[0].scores:
        value, videos = content[score.label]
        assert value == score.value
        expected = [value for row in score.by_prompt for value in row if value is not None]
        assert [video["video_results"] for video in videos] == expected
        if videos:
            assert videos[0]["video_path"] == f"{results.suite.prompts[0]}-0.mp4"
    assert any(videos for _, videos in content.values())
    assert json.loads(export("vbench", [("a", results)]))[results.cells[0].label] == content
