"""cascade.yaml: the stages of a cascade, read into `ivbench.spec.CascadeSpec`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ivbench.config.parse import parse
from ivbench.config.yaml import read_yaml
from ivbench.spec import CascadeSpec

__all__ = ["cascade_schema", "parse_cascade", "read_cascade"]


def read_cascade(path: Path) -> CascadeSpec:
    """Read a cascade.yaml.

    Raises:
        ConfigError: an unknown key, a wrong type, stages that don't fit together; names the key's path.
        MissingFileError: there's no such file.
    """
    return parse_cascade(read_yaml(path), str(path))


def parse_cascade(data: Any, where: str = "cascade") -> CascadeSpec:
    """Validate what a cascade.yaml held.

    Raises:
        ConfigError: as `read_cascade`.
    """
    return parse(CascadeSpec, data, where)


def cascade_schema() -> dict[str, Any]:
    """The JSON schema of a cascade file, for editors."""
    return CascadeSpec.model_json_schema(mode="validation")
