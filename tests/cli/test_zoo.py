"""`ivbench zoo`, on a zoo that the test makes."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from ivbench.cli.main import main


@pytest.mark.usefixtures("zoo")
def test_list_has_a_plain_line_a_card(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["zoo", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines] == [["name", "kind"], ["tiny", "cascade"], ["seer", "probe"]]
    assert lines[1].endswith("A card of the test")


@pytest.mark.usefixtures("zoo")
def test_show_says_stages_files_and_details(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["zoo", "show", "tiny"]) == 0
    out = capsys.readouterr().out
    assert "licence: Apache-2.0" in out
    stage = next(line.split() for line in out.splitlines() if line.startswith("base"))
    assert stage[:4] == ["base", "base", "4x12x20", "3"]
    assert stage[-1] == "weights.safetensors"
    assert hashlib.sha256(b"12345").hexdigest() in out
    assert "measured:\n  colour: 0.97\nlimits:\n  - small\n  - slow" in out


@pytest.mark.usefixtures("zoo")
def test_show_suggests_the_nearest_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["zoo", "show", "tinny"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("Error: ")
    assert 'Did you mean "tiny"?' in error
    assert error.count("\n") == 1


@pytest.mark.usefixtures("zoo")
def test_verify_passes_an_intact_zoo(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["zoo", "verify"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_verify_names_the_altered_card_looks_at_the_others_and_exits_2(
    zoo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (zoo / "tiny" / "weights.safetensors").write_bytes(b"1234x")
    assert main(["zoo", "verify"]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("Error: tiny: ")
    assert captured.err.count("\n") == 1
    assert captured.out.startswith("seer: ")


def test_verify_looks_at_the_named_cards_only(zoo: Path) -> None:
    (zoo / "tiny" / "weights.safetensors").unlink()
    assert main(["zoo", "verify", "seer"]) == 0
    assert main(["zoo", "verify", "seer", "tiny"]) == 2


def test_verify_of_an_empty_zoo_fails_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("IVBENCH_ZOO", str(tmp_path))
    assert main(["zoo", "verify"]) == 2
    assert "nothing to verify" in capsys.readouterr().err


def test_digest_prints_what_a_card_lists(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "card.yaml").write_text("name: x")
    (tmp_path / "base.safetensors").write_bytes(b"12345")
    assert main(["zoo", "digest", str(tmp_path)]) == 0
    sha256 = hashlib.sha256(b"12345").hexdigest()
    assert capsys.readouterr().out == f"files:\n  base.safetensors:\n    sha256: {sha256}\n    bytes: 5\n"


def test_digest_of_an_empty_folder_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["zoo", "digest", str(tmp_path)]) == 2
    assert "holds no files" in capsys.readouterr().err


def test_a_card_that_cannot_be_read_is_said_and_the_others_are_listed(
    zoo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (zoo / "broken").mkdir()
    (zoo / "broken" / "card.yaml").write_text("name: broken\nkind: cascde\n")
    for command in (["zoo", "list"], ["zoo", "verify"]):
        assert main(command) == 2
        told = capsys.readouterr()
        assert "Error: " in told.err
        assert "broken" in told.err
        assert told.out.splitlines()
