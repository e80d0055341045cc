"""What is packed, and where its data are found: in a wheel, in an editable install, in a checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CORE = ("annotated_types", "click", "numpy", "numpy.libs", "pydantic", "pydantic_core", "typing_*", "yaml", "_yaml")
"""The installed libraries that the wheel's environment borrows: light ones only."""


def build(hook: str, out: Path) -> Path:
    """Build the project by its own build backend, without an isolated environment; returns the file."""
    pytest.importorskip("hatchling")
    code = f"import sys; from hatchling.build import {hook}; print({hook}(sys.argv[1]))"
    done = subprocess.run(
        [sys.executable, "-c", code, str(out)], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return out / done.stdout.splitlines()[-1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("build_wheel", tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with the wheel, a few light libraries and no framework; returns its Python."""
    home = tmp_path_factory.mktemp("environment")
    venv.create(home, with_pip=False)
    python = home / ("Scripts" if os.name == "nt" else "bin") / "python"
    ask = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site = Path(subprocess.run([python, "-c", ask], capture_output=True, text=True, check=True).stdout.strip())
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    outer = Path(sysconfig.get_path("purelib"))
    for pattern in CORE:
        for path in outer.glob(pattern):
            (site / path.name).symlink_to(path)
    return python


def ask(python: Path, *arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "IVBENCH"))}
    return subprocess.run(
        [python, *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False
    )


def test_the_wheel_holds_the_shipped_data_under_the_package(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    cards = {path.relative_to(ROOT).as_posix() for path in (ROOT / "zoo").rglob("*.yaml")}
    assert cards
    assert {f"ivbench/_data/{card}" for card in cards} <= set(names)
    assert "ivbench/_data/reports/README.md" in names
    assert "ivbench/py.typed" in names


def test_the_wheel_puts_nothing_at_the_top_and_no_leavings_in(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {"ivbench"}
    assert not [name for name in names if name.endswith((".pt", ".ckpt", ".pyc", ".log", ".tmp", ".jsonl"))]


def test_an_editable_install_carries_no_copy_of_the_data(tmp_path: Path) -> None:
    names = zipfile.ZipFile(build("build_editable", tmp_path)).namelist()
    assert [name for name in names if name.endswith(".pth")]
    assert not [name for name in names if "_data" in name]


@pytest.mark.slow
def test_help_works_from_the_wheel_without_any_framework(installed: Path, tmp_path: Path) -> None:
    assert ask(installed, "-c", "import torch", folder=tmp_path).returncode == 1
    done = ask(installed, "-m", "ivbench", "--help", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Usage: ivbench" in done.stdout
    version = ask(installed, "-m", "ivbench", "--version", folder=tmp_path)
    assert version.stdout.startswith("ivbench "), version.stderr


@pytest.mark.slow
def test_the_zoo_of_a_wheel_is_the_wheels_own(installed: Path, tmp_path: Path) -> None:
    code = "from ivbench.zoo import find_zoo; import ivbench; print(find_zoo()); print(ivbench.__file__)"
    done = ask(installed, "-c", code, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    zoo, package = map(Path, done.stdout.splitlines())
    assert zoo == package.resolve().parent / "_data" / "zoo"
    assert (zoo / "recipes").is_dir()


@pytest.mark.slow
def test_a_wheel_in_site_packages_never_shadows_the_checkout(installed: Path) -> None:
    code = "from ivbench.zoo import find_zoo; print(find_zoo())"
    done = ask(installed, "-c", code, folder=ROOT)
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()) == ROOT / "zoo"
