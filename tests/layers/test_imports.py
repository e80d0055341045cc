"""What an import loads: the light core and the help need no framework."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

FRAMEWORKS = {"torch", "torchvision", "jax", "jaxlib", "transformers", "open_clip", "tensorflow"}
HEAVY = {"numpy", "pandas", "scipy", "rich", "pydantic", "altair", "PIL"}


def loaded_by(code: str) -> set[str]:
    """The top-level modules that a fresh interpreter holds after running `code`."""
    report = "import json, sys; print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{report}"], capture_output=True, text=True, timeout=120, check=True
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_import_ivbench_loads_no_framework_and_nothing_heavy() -> None:
    loaded = loaded_by("import ivbench")
    assert "ivbench" in loaded
    assert not loaded & (FRAMEWORKS | HEAVY)


def test_help_loads_no_framework_and_nothing_heavy() -> None:
    loaded = loaded_by("from ivbench.cli.main import main\nmain(['--help'])")
    assert "click" in loaded
    assert not loaded & (FRAMEWORKS | HEAVY)


def test_the_probe_sees_a_module_that_was_loaded() -> None:
    assert "numpy" in loaded_by("import numpy")


@pytest.mark.parametrize("package", ["report", "check", "plan", "metrics", "diffusion", "data", "zoo", "results"])
def test_every_module_of_a_light_package_imports_no_framework(package: str) -> None:
    pytest.importorskip(f"ivbench.{package}", reason="not written yet", exc_type=ModuleNotFoundError)
    code = f"""
import importlib, pkgutil
package = importlib.import_module("ivbench.{package}")
for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
    importlib.import_module(module.name)
"""
    assert not loaded_by(code) & FRAMEWORKS


@pytest.mark.parametrize("command", ["plan", "report", "zoo"])
def test_a_light_command_imports_no_framework(command: str) -> None:
    assert not loaded_by(f"from ivbench.cli.main import COMMANDS\nCOMMANDS['{command}'].load()") & FRAMEWORKS
