"""Rules of the source tree that no linter knows: framework imports, `__all__`, file length, marked ignores."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = sorted((ROOT / "ivbench").rglob("*.py"))
FRAMEWORK_OF = {"torch": "torch", "torchvision": "torch", "jax": "jax", "jaxlib": "jax", "ray": "ray"}
NEVER_AT_MODULE_LEVEL = {
    *("transformers", "open_clip", "timm", "altair", "vl_convert", "av", "psutil"),
    *("tensorflow", "onnxruntime", "pooch", "mlflow", "pyarrow", "tensorboard", "wandb"),
}


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


def offenders(breaks: Callable[[Path, str, ast.Module], bool]) -> list[str]:
    """The modules that break a rule."""
    read = ((path, path.read_text(encoding="utf-8")) for path in MODULES)
    return [identifier(path) for path, source in read if breaks(path, source, ast.parse(source))]


def test_only_files_named_for_a_framework_import_it_at_module_level() -> None:
    def breaks(path: Path, _source: str, tree: ast.Module) -> bool:
        imported = module_level_imports(tree)
        own = path.name.partition("_")[0]
        foreign = {library for library in imported & FRAMEWORK_OF.keys() if FRAMEWORK_OF[library] != own}
        return bool(foreign or (own not in {"torch", "jax"} and imported & NEVER_AT_MODULE_LEVEL))

    assert offenders(breaks) == []


def test_every_module_has_a_docstring() -> None:
    assert offenders(lambda _path, _source, tree: ast.get_docstring(tree) is None) == []


def test_every_module_has_all() -> None:
    def breaks(_path: Path, _source: str, tree: ast.Module) -> bool:
        assigned = (node for node in tree.body if isinstance(node, ast.Assign | ast.AnnAssign))
        targets = [t for node in assigned for t in (node.targets if isinstance(node, ast.Assign) else [node.target])]
        return "__all__" not in {target.id for target in targets if isinstance(target, ast.Name)}

    assert offenders(breaks) == []


def test_every_module_is_under_400_lines() -> None:
    assert offenders(lambda _path, source, _tree: len(source.splitlines()) >= 400) == []


def test_no_module_is_a_drawer() -> None:
    assert offenders(lambda path, _source, _tree: path.stem in {"utils", "helpers", "misc", "common"}) == []


def test_every_ignore_names_its_rule() -> None:
    bare = re.compile(r"#\s*noqa(?!:)|#\s*type:\s*ignore(?!\[)")
    assert offenders(lambda _path, source, _tree: bool(bare.search(source))) == []


def test_every_folder_with_modules_is_a_package() -> None:
    assert [folder for folder in {path.parent for path in MODULES} if not (folder / "__init__.py").is_file()] == []


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
