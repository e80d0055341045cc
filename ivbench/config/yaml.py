"""YAML without surprises: `safe_load` that refuses what YAML 1.1 reads otherwise than people do.

YAML reads `no` as False, `12:30` as 750, `010` as 8, `1e-3` as text and keeps the last of two equal keys in silence.
Each is an error here that names the line and says what to write.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from ivbench.errors import ConfigError, MissingFileError

__all__ = ["load_yaml", "read_yaml"]

_BARE_EXPONENT = re.compile(r"[-+]?(\d[\d_]*\.?\d*|\.\d+)[eE][-+]?\d+")
_MAX_BYTES = 4 << 20
_MAX_DEPTH = 50


class _Loader(yaml.SafeLoader):
    """SafeLoader with the traps turned into errors."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Refuse aliases, which can blow a small file up to any size, and nesting that no file of ours has."""
        if self.check_event(yaml.AliasEvent):
            event: Any = self.peek_event()  # type: ignore[no-untyped-call]
            raise _Trap(event.start_mark, "aliases (*name) are not allowed", "write the value out")
        if self.depth == _MAX_DEPTH:
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise _Trap(mark, f"nested over {_MAX_DEPTH} levels deep", "check the brackets")
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


class _Trap(Exception):
    """A trap of YAML: where it is, what's wrong, what to write."""

    def __init__(self, mark: Any, problem: str, remedy: str) -> None:
        super().__init__(f"line {mark.line + 1}: {problem}; {remedy}")


def _boolean(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> bool:
    if node.value.lower() not in ("true", "false"):
        raise _Trap(
            node.start_mark, f"YAML reads {node.value} as true or false", f'write true, false, or "{node.value}"'
        )
    return bool(loader.construct_yaml_bool(node))


def _integer(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> int:
    value = int(loader.construct_yaml_int(node))
    if not re.fullmatch(r"[-+]?(0|[1-9][0-9_]*)", node.value):
        raise _Trap(
            node.start_mark, f"YAML reads {node.value} as {value}", f'write {value}, or "{node.value}" for the text'
        )
    return value


def _float(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> float:
    value = float(loader.construct_yaml_float(node))
    if ":" in node.value:
        raise _Trap(
            node.start_mark, f"YAML reads {node.value} as {value}", f'write {value}, or "{node.value}" for the text'
        )
    if value in (float("inf"), float("-inf")) or value != value:
        raise _Trap(node.start_mark, f"{node.value} is not a finite number", "write a finite number")
    return value


def _text(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> str:
    value = str(loader.construct_yaml_str(node))
    if node.style is None and _BARE_EXPONENT.fullmatch(value):
        raise _Trap(
            node.start_mark, f"YAML reads {value} as text", f'write {float(value)!r} in full, or "{value}" for the text'
        )
    return value


def _mapping(loader: yaml.SafeLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    keys = set()
    for key_node, _ in node.value:
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, str):
            raise _Trap(key_node.start_mark, f"the key {key_node.value} is not text", "write it in quotes")
        if key in keys:
            raise _Trap(key_node.start_mark, f'the key "{key}" stands twice', "remove one")
        keys.add(key)
    return loader.construct_mapping(node, deep=True)


_CONSTRUCTORS: dict[str, Any] = {"bool": _boolean, "int": _integer, "float": _float, "str": _text, "map": _mapping}
for _tag, _constructor in _CONSTRUCTORS.items():
    _Loader.add_constructor(f"tag:yaml.org,2002:{_tag}", _constructor)


def load_yaml(text: str, where: str) -> Any:
    """Read a YAML text.

    Args:
        text: the YAML.
        where: how messages call it, as a rule its path.

    Returns:
        Plain dicts with text keys, lists, texts, numbers, booleans, None.

    Raises:
        ConfigError: not YAML, or one of YAML's traps; names the line.
    """
    try:
        return yaml.load(text, Loader=_Loader)
    except _Trap as trap:
        raise ConfigError(f"{where}, {trap}.") from trap
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise ConfigError(f"{where}{line}: not valid YAML: {error.problem or error.context}.") from error
    except Exception as error:  # a tag on a value of another kind makes PyYAML fail in any way
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise ConfigError(f"{where}: not valid YAML: {reason}.") from error


def read_yaml(path: Path) -> Any:
    """Read a YAML file of at most 4 MiB.

    Raises:
        ConfigError: not UTF-8, not YAML, too large, or one of YAML's traps; names file and line.
        MissingFileError: there's no such file.
    """
    try:
        data = path.read_bytes()
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
        raise MissingFileError(f"{path} is not there. Check the path.") from error
    except OSError as error:
        raise ConfigError(f"{path} can't be read: {error.strerror}.") from error
    if len(data) > _MAX_BYTES:
        raise ConfigError(f"{path} has {len(data)} bytes, at most {_MAX_BYTES} are allowed. Is it the right file?")
    try:
        return load_yaml(data.decode("utf-8-sig"), str(path))
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8 text (byte {error.start}). Save it as UTF-8.") from error
