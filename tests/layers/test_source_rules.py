"""Rules of the source tree that no linter knows: framework imports, `__all__`, file length, marked ignores."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = sorted((ROOT / "ivbench").rglob("*.py"))
FRAMEWORK_OF = {"torch": "torch", "torchvision": "torch", "jax": "jax", "jaxlib": "jax"}
NEVER_AT_MODULE_LEVEL = {"transformers", "open_clip", "altair", "vl_convert", "av", "psutil"}


def module_level_imports(tree: ast.Module) -> set[str]:
    """The top-level packages that are imported as soon as the module is, `if TYPE_CHECKING` left out."""
    found: set[str] = set()
    todo: list[ast.stmt] = list(tree.body)
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Import):
            found.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found.add(node.module.partition(".")[0])
        elif isinstance(node, ast.If) and ast.unparse(node.test) not in {"TYPE_CHECKING", "typing.TYPE_CHECKING"}:
            todo += node.body + node.orelse
        elif isinstance(node, ast.Try):
            todo += node.body + node.orelse + node.finalbody + [line for h in node.handlers for line in h.body]
    return found


def identifier(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", MODULES, ids=identifier)
def test_a_framework_is_imported_at_module_level_only_by_files_named_for_it(path: Path) -> None:
    imported = module_level_imports(ast.parse(path.read_text()))
    for library in imported & FRAMEWORK_OF.keys():
        assert path.name.startswith(f"{FRAMEWORK_OF[library]}_"), f"{identifier(path)} imports {library}"
    if not path.name.startswith(("torch_", "jax_")):
        assert not imported & NEVER_AT_MODULE_LEVEL


@pytest.mark.parametrize("path", MODULES, ids=identifier)
def test_a_module_has_a_docstring_and_all_and_is_under_400_lines(path: Path) -> None:
    source = path.read_text()
    tree = ast.parse(source)
    assert ast.get_docstring(tree), "no docstring"
    assert len(source.splitlines()) < 400
    names = {
        target.id
        for node in tree.body
        if isinstance(node, (ast.Assign, ast.AnnAssign))
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name)
    }
    assert "__all__" in names, "no __all__"


@pytest.mark.parametrize("path", MODULES, ids=identifier)
def test_no_module_is_a_drawer_and_every_noqa_names_its_rule(path: Path) -> None:
    assert path.stem not in {"utils", "helpers", "misc", "common"}
    assert not re.search(r"#\s*noqa(?!:)|#\s*type:\s*ignore(?!\[)", path.read_text())


def test_the_layers_hold() -> None:
    pytest.importorskip("importlinter")
    done = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert " 0 broken" in done.stdout
