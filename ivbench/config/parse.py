"""Plain data into frozen pydantic models, with one-line errors that name the key's path and the nearest allowed key."""

from __future__ import annotations

import typing
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from ivbench.errors import ConfigError, did_you_mean

__all__ = ["Frozen", "parse"]

Model = TypeVar("Model", bound=BaseModel)


class Frozen(BaseModel):
    """Base of every configuration: frozen, unknown keys refused, no conversions between types but int to float."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


def parse(model: type[Model], data: Any, where: str) -> Model:
    """Validate plain data as a model.

    Args:
        model: the pydantic model.
        data: what YAML or JSON held: lists become tuples where the model asks for them.
        where: how messages call the source, as a rule its path.

    Returns:
        The frozen model.

    Raises:
        ConfigError: the first thing that's wrong: its path, what we got, what is allowed.
    """
    if not isinstance(data, dict):
        raise ConfigError(f"{where}: expected keys and values, got {_shown(data)}. Allowed: {_names(model)}.")
    try:
        return model.model_validate(_tupled(data))
    except ValidationError as error:
        problems = error.errors(include_url=False)
        unknown = [row for row in problems if row["type"] == "extra_forbidden"]
        more = f" ({len(problems) - 1} more)" if len(problems) > 1 else ""
        raise ConfigError(f"{where}: {_sentence(model, (unknown or problems)[0])}{more}") from error


def _tupled(value: Any) -> Any:
    """Lists as tuples, so that strict models take YAML's lists for their tuples."""
    if isinstance(value, dict):
        return {key: _tupled(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return tuple(_tupled(item) for item in value)
    return value


def _sentence(model: type[BaseModel], problem: Any) -> str:
    path = [part for part in problem["loc"] if not _is_tag(part)]
    dotted = ".".join(str(part) for part in path if part != "default")
    if problem["type"] == "extra_forbidden":
        owner = _owner(model, path[:-1])
        return f'unknown key "{dotted}".{did_you_mean(str(path[-1]), owner.model_fields if owner else [])}'
    if problem["type"] == "missing":
        return f'the key "{dotted}" is missing. Add it.'
    if problem["type"] == "too_short":
        context = problem["ctx"]
        return f"{dotted}: got {context['actual_length']} entries, allowed are {context['min_length']} or more."
    message = str(problem["msg"]).removeprefix("Value error, ").rstrip(".")
    got = f", got {_shown(problem['input'])}" if dotted and "got " not in message else ""
    return f"{dotted}: {message}{got}." if dotted else f"{message}."


def _is_tag(part: Any) -> bool:
    """Whether a part of pydantic's path names a validator or a union's branch, not a key of the file."""
    return isinstance(part, str) and (part.endswith("]") or part in ("int", "float", "str", "bool", "none"))


def _owner(model: type[BaseModel], path: list[Any]) -> type[BaseModel] | None:
    found: type[BaseModel] | None = model
    for part in path:
        if found is None:
            return None
        if isinstance(part, str) and part in found.model_fields:
            found = _model_in(found.model_fields[part].annotation)
    return found


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The first model inside an annotation: tuple[X, ...], X | None, dict[str, X]."""
    if isinstance(annotation, type):
        return annotation if issubclass(annotation, BaseModel) else None
    inner = (_model_in(argument) for argument in typing.get_args(annotation))
    return next((model for model in inner if model is not None), None)


def _names(model: type[BaseModel]) -> str:
    return ", ".join(sorted(model.model_fields))


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
