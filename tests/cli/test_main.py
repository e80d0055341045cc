"""The group `ivbench`: help, unknown commands, errors and exit codes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest

from ivbench.cli.lazy import LazyCommand
from ivbench.cli.main import COMMANDS, ivbench, main
from ivbench.errors import ConfigError


def ivbench_process(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ivbench", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **environment},
        check=False,
    )


@pytest.fixture
def command_that(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], None]:
    """Registers a command `probe` with a body of the test's choice."""

    def register(body: Callable[[], object]) -> None:
        entry = LazyCommand("unused:unused", "A command of the test")
        monkeypatch.setattr(LazyCommand, "load", lambda _self: click.Command("probe", callback=body))
        monkeypatch.setitem(ivbench.lazy, "probe", entry)

    return register


def raising(error: BaseException) -> Callable[[], None]:
    def body() -> None:
        raise error

    return body


def test_help_lists_every_command_and_imports_none(capsys: pytest.CaptureFixture[str]) -> None:
    before = set(sys.modules)
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    for name, entry in COMMANDS.items():
        assert f"  {name} " in out
        assert entry.help.split()[0] in out
    assert not {name for name in set(sys.modules) - before if name.startswith("ivbench.cli.")}


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_loads_and_its_help_agrees_with_the_table(name: str) -> None:
    command = COMMANDS[name].load()
    assert command.name == name
    assert command.help is not None
    assert command.help.split("\n")[0].rstrip(".").startswith(COMMANDS[name].help)


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_has_help_and_exits_0(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name, "--help"]) == 0
    assert f"Usage: ivbench {name}" in capsys.readouterr().out


def test_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("ivbench 0.")


def test_no_command_shows_the_help_and_exits_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "Usage: ivbench" in capsys.readouterr().err


def test_a_misspelt_command_gets_a_suggestion_and_exit_code_2() -> None:
    done = ivbench_process("pln")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.splitlines() == ['Error: no command is called "pln". Did you mean "plan"? See: ivbench --help']


def test_an_unknown_command_gets_the_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["xyzzy"]) == 2
    error = capsys.readouterr().err
    assert f"Allowed: {', '.join(sorted(COMMANDS))}." in error


def test_an_unknown_option_is_one_line_and_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--no-such-option"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("Error: ")
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ConfigError("got 3,\n  allowed 1 or 2."), "Error: got 3, allowed 1 or 2."),
        (FileNotFoundError(2, "No such file or directory", "a.yaml"), "Error: No such file or directory: a.yaml"),
        (click.ClickException("bad"), "Error: bad"),
        (
            ModuleNotFoundError("No module named 'torch'", name="torch"),
            'Error: torch is needed for this and is not installed. Run: pip install "ivbench[zoo]"',
        ),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    error: Exception,
    line: str,
    command_that: Callable[[Callable[[], object]], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    command_that(raising(error))
    assert main(["probe"]) == 2
    captured = capsys.readouterr()
    assert captured.err.splitlines() == [line]
    assert captured.out == ""


def test_an_interruption_is_one_line_and_exit_code_130(
    command_that: Callable[[Callable[[], object]], None], capsys: pytest.CaptureFixture[str]
) -> None:
    command_that(raising(KeyboardInterrupt()))
    assert main(["probe"]) == 130
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("Interrupted.")


def test_a_fault_of_ours_shows_its_traceback_and_is_no_regression(
    command_that: Callable[[Callable[[], object]], None], capsys: pytest.CaptureFixture[str]
) -> None:
    command_that(raising(ZeroDivisionError("oops")))
    assert main(["probe"]) == 70
    error = capsys.readouterr().err
    assert "ZeroDivisionError: oops" in error
    assert "fault in ivbench" in error


def test_a_missing_module_of_ours_is_a_fault(
    command_that: Callable[[Callable[[], object]], None], capsys: pytest.CaptureFixture[str]
) -> None:
    command_that(raising(ModuleNotFoundError("No module named 'ivbench.x'", name="ivbench.x")))
    assert main(["probe"]) == 70


def test_a_command_chooses_its_exit_code(command_that: Callable[[Callable[[], object]], None]) -> None:
    command_that(lambda: 3)
    assert main(["probe"]) == 3


def test_a_command_that_returns_nothing_passes(command_that: Callable[[Callable[[], object]], None]) -> None:
    command_that(lambda: None)
    assert main(["probe"]) == 0


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {}], ids=["NO_COLOR", "pipe"])
def test_help_in_a_pipe_is_plain(environment: dict[str, str]) -> None:
    done = ivbench_process("--help", **environment)
    assert done.returncode == 0
    assert "\x1b" not in done.stdout
    assert done.stderr == ""


def test_a_reader_that_goes_away_is_no_regression() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "ivbench", "zoo", "list"], stdout=writing, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")


def test_an_output_that_knows_no_arrows_is_no_crash(tmp_path: Path) -> None:
    from ivbench.results import write_results
    from tests.report.fixtures import make_results

    write_results(make_results(tmp_path), tmp_path / "results.json")
    script = "from pathlib import Path; from ivbench.report import print_table;"
    script += "from ivbench.results import read_results; from ivbench.cli import main as m; m.main(['--version']);"
    script += f"print_table(read_results(Path({str(tmp_path / 'results.json')!r})))"
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    assert "?" in done.stdout


@pytest.mark.parametrize("command", ["report", "compare", "plan"])
def test_nothing_is_written_over_what_was_read(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from ivbench.results import write_results
    from tests.unit.check.results import results

    file = tmp_path / "results.json"
    write_results(results({"a": []}), file)
    suite = tmp_path / "suite.yaml"
    suite.write_text("name: s\nprompts: {texts: [a]}\n")
    arguments = {
        "report": ["report", str(file), "--out", str(file)],
        "compare": ["compare", str(tmp_path), str(tmp_path), "--json", str(file)],
        "plan": ["plan", "--suite", str(suite), "--out", str(suite)],
    }[command]
    before = file.read_bytes(), suite.read_bytes()
    assert main(arguments) == 2
    assert "is what was read" in capsys.readouterr().err
    assert (file.read_bytes(), suite.read_bytes()) == before


def test_an_interruption_while_the_modules_load_is_one_line_too() -> None:
    code = """
import sys
class Impatient:
    def find_spec(self, name, path=None, target=None):
        if name == "ivbench.cli.main":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Impatient())
from ivbench.__main__ import run
sys.exit(run())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (130, "Interrupted before anything began.\n")
