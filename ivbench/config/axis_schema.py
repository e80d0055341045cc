"""What a setting may be, as JSON schema: of suites as people write them, by stage or not, and of the grid's axes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ivbench import registry

__all__ = [
    "AUGMENTATION",
    "GAMMA",
    "GUIDANCE",
    "NULL",
    "PLAIN_THRESHOLDING",
    "STEPS",
    "TEXT",
    "THRESHOLDING",
    "one_of",
    "sampler",
    "setting",
    "type_axes",
]

Schema = dict[str, Any]


def _call(names: str, *numbers: str) -> Schema:
    """A text such as `name(1, 2)` or `name=1`; patterns of the names and of each number."""
    arguments = r"\s*,\s*".join(numbers)
    return {"type": "string", "pattern": rf"^\s*({names})\s*[(=]\s*{arguments}\s*\)?\s*$"}


_NUMBER = r"\+?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?"
_PERCENTILE = r"\+?(100(\.0*)?|[0-9]{1,2}(\.[0-9]*)?|\.[0-9]+)"

NULL: Schema = {"type": "null"}
TEXT: Schema = {"type": "string"}
GUIDANCE: tuple[Schema, ...] = (
    {"type": "number", "minimum": 0},
    _call("constant|w", _NUMBER),
    _call("oscillate", _NUMBER, _NUMBER),
)
STEPS: Schema = {"type": "integer", "minimum": 1}
GAMMA: Schema = {"type": "number", "minimum": 0, "maximum": 1}
PLAIN_THRESHOLDING: tuple[Schema, ...] = ({"enum": ["none", "static", "dynamic"]}, _call("dynamic", _PERCENTILE))
AUGMENTATION: tuple[Schema, ...] = ({"type": "number", "exclusiveMinimum": 0}, {"const": "none"})
THRESHOLDING: Schema = {
    "oneOf": [
        {"properties": {"kind": {"enum": ["none", "static"]}, "percentile": NULL}},
        {"properties": {"kind": {"const": "dynamic"}, "percentile": {"type": "number"}}, "required": ["percentile"]},
    ]
}
"""A percentile belongs to dynamic thresholding, and only to it."""


def one_of(**kinds: str) -> Schema:
    """Exactly one of some keys, each of a type; null stands for a key that is left out."""
    return {"oneOf": [{"required": [key], "properties": {key: {"type": kind}}} for key, kind in kinds.items()]}


def setting(*plain: Schema, by_stage: Sequence[Schema] = (), taken: Iterable[str] = ()) -> Callable[[Schema], None]:
    """For pydantic: the schema of a setting that is a value for all stages, or a mapping by stage.

    Args:
        plain: a value as people write it; the model that the mapping holds, where it holds one, is another.
        by_stage: what a value may also be inside a mapping.
        taken: keys of the model, which are no stages.
    """

    def describe(schema: Schema) -> None:
        mapping = next(branch for branch in schema["anyOf"] if branch.get("type") == "object")
        model = [mapping["additionalProperties"]] if "$ref" in mapping["additionalProperties"] else []
        mapping["additionalProperties"] = {"anyOf": [*model, *plain, *by_stage]}
        if taken:
            mapping["propertyNames"] = {"not": {"enum": list(taken)}}
        schema["anyOf"] = [mapping, *model, *plain, NULL]

    return describe


def sampler(schema: Schema) -> None:
    """For pydantic: the schema of the setting `sampler`, whose names are those of the registry."""
    names = registry.names("sampler")
    setting({"enum": names}, {"type": "string", "pattern": "^python:[^:]+:[^:]+$"})(schema)


def type_axes(schema: Schema, axes: Iterable[str]) -> None:
    """Say in a suite's schema what the values of the grid's axes and of `exclude` may be: what `Settings` takes.

    Args:
        schema: of a whole suite, with the definitions `Grid` and `Settings`; changed in place.
        axes: their names.
    """
    grid = schema["$defs"]["Grid"]["properties"]
    values = {axis: {"allOf": [{"$ref": f"#/$defs/Settings/properties/{axis}"}, {"not": NULL}]} for axis in axes}
    for axis, value in values.items():
        next(branch for branch in grid[axis]["anyOf"] if branch.get("type") == "array")["items"] = value
    entry = {"type": "object", "additionalProperties": False, "minProperties": 1, "properties": values}
    grid["exclude"]["items"] = entry
