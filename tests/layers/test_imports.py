"""What an import loads: the light core and the help need no framework."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
LIGHT = ("report", "check", "plan", "metrics", "diffusion", "data", "zoo", "results")
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


def test_the_modules_of_the_light_packages_import_no_framework() -> None:
    code = f"""
import importlib, importlib.util, pkgutil
for name in {LIGHT}:
    if importlib.util.find_spec("ivbench." + name) is None:
        continue
    package = importlib.import_module("ivbench." + name)
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        importlib.import_module(module.name)
"""
    loaded = loaded_by(code)
    assert "numpy" in loaded
    assert not loaded & FRAMEWORKS


def test_the_light_packages_are_under_the_contract() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    contract = next(entry for entry in settings["contracts"] if entry["type"] == "forbidden")
    present = {f"ivbench.{name}" for name in LIGHT if (ROOT / "ivbench" / name / "__init__.py").is_file()}
    assert present <= set(contract["source_modules"])


def test_the_light_commands_import_no_framework() -> None:
    code = "from ivbench.cli.main import COMMANDS\n"
    code += "".join(f"COMMANDS['{command}'].load()\n" for command in ("plan", "report", "zoo"))
    assert not loaded_by(code) & FRAMEWORKS
