"""Results in the formats of other tools, read back by those tools where they are here."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

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
from ivbench.results import Results, read_results, write_csv, write_results
from tests.report.fixtures import make_results

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
    assert [{key: value for key, value in row.items() if key != "results"} for row in exported] == own * 2
    assert [row["results"] for row in exported] == ["a"] * len(own) + ["b"] * len(own)


def test_parquet_reads_back_with_types(results: Results, tmp_path: Path) -> None:
    (tmp_path / "x.parquet").write_bytes(export("parquet", [("a", results)]))
    table = pq.read_table(tmp_path / "x.parquet")
    kinds = {field.name: str(field.type) for field in table.schema}
    assert kinds["value"] == "double"
    assert kinds["generated"] == "int64"
    assert kinds["decisive"] == "bool"
    assert kinds["protocol"] == "string"
    rows = [row for row in table.to_pylist() if row["row"] == "headline" and row["cell"] != "ground-truth"]
    expected = [score.value for cell in results.cells for score in cell.scores]
    assert [row["value"] for row in rows] == expected


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


def test_hostile_labels_stay_text(hostile: Results) -> None:
    text = export("latex", [("a", hostile)]).decode()
    assert r"\input" not in text
    rows = [line for line in text.splitlines() if (line.endswith(r"\\") and "calc" in line) or "input" in line]
    assert len(rows) == 2
    marked = markdown_table(hostile)
    assert not re.search(r"(?<!\\)\]\(", marked)
    assert "<b>" not in marked.replace("\\<b\\>", "")
    assert len({line.replace("\\|", "").count("|") for line in marked.splitlines() if line.startswith("|")}) == 1
    assert hostile.cells[0].label in export("csv", [("a", hostile)]).decode()  # data stays as it is


@given(st.text(max_size=40))
def test_escaped_latex_has_no_active_character(text: str) -> None:
    plain = re.sub(r"\\text\w+\{\}|\\[&%$#_{}]|\$(-|\\pm|\\uparrow|\\downarrow)\$", "", escaped(text))
    assert not set(plain.replace("~", "")) & set('\\&%$#_{}^<>|"')


def test_lm_eval_has_the_shape_that_the_harness_reads(results: Results) -> None:
    """Read by `make_table` of lm_eval 0.4.13 when this was written; these are the keys that it reads."""
    found = json.loads(export("lm-eval", [("a", results)]))
    cell = results.cells[0]
    task = found["results"][cell.label]
    assert task["alias"] == cell.label
    score = cell.scores[2]
    assert task["clip_score,shapes-clip"] == score.value
    assert task["clip_score_stderr,shapes-clip"] == score.stderr
    assert all(isinstance(value, float) for key, value in task.items() if "," in key)
    assert found["higher_is_better"][cell.label]["frame_fid"] is False
    assert found["n-samples"][cell.label] == {"original": score.counts.generated, "effective": score.counts.used}
    assert found["configs"][cell.label]["metadata"]["protocols"]["clip_score,shapes-clip"] == score.protocol
    for key in ("versions", "n-shot", "group_subtasks"):
        assert set(found[key]) == {cell.label for cell in results.cells}


@pytest.mark.parametrize("kind", ["latex", "lm-eval"])
def test_a_format_of_one_file_refuses_two(results: Results, kind: str) -> None:
    with pytest.raises(ConfigError, match=r"got 2\. Export each by itself"):
        export(kind, [("a", results), ("b", results)])


@pytest.mark.parametrize("kind", names("export"))
def test_the_command_writes_each_format(
    kind: str, results: Results, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_results(results, tmp_path / "results.json")
    assert main(["export", str(tmp_path), "--format", kind]) == 0
    path = Path(capsys.readouterr().out.strip())
    assert path.parent == tmp_path
    assert path.stat().st_size > 500
    assert read_results(tmp_path / "results.json") == results


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
        (["{folder}", "{folder}", "--format", "latex"], "Export each by itself"),
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
