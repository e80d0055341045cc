"""A suite's settings -> what a generator is told: only what it exposes; anything else is an error that lists that."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ivbench.config.settings import AXES, DEFAULT, OF_GENERATORS, GeneratorSampling, GuidanceConfig, Settings
from ivbench.errors import ConfigError
from ivbench.spec import GeneratorSpec, Scalar

__all__ = ["refuse_settings_of_generators", "resolve_generator"]

_OPTIONS = "options"


def resolve_generator(layers: Sequence[Settings], spec: GeneratorSpec) -> GeneratorSampling:
    """The settings of one cell of a generator.

    Args:
        layers: from strong to weak: the cell's, the suite's defaults; then come the generator's own.
        spec: lists what can be set.

    Raises:
        ConfigError: a setting that the generator does not expose, one by stage, or a value of another type.
    """
    found: dict[str, Scalar] = dict(spec.settings)
    for layer in reversed(layers):
        for name, value in _named(layer):
            if name not in spec.settings:
                raise ConfigError(f"{name}: {_why_not(name, spec)} Allowed: {_allowed(spec)}.")
            found[name] = _checked(name, value, spec)
    return GeneratorSampling(settings=found)


def refuse_settings_of_generators(layer: Settings, cascade: str) -> None:
    """Refuse, for a cascade, what only generators have.

    Raises:
        ConfigError: says which.
    """
    for axis in OF_GENERATORS:
        if getattr(layer, axis) is not None:
            allowed = ", ".join(name for name in AXES if name not in OF_GENERATORS)
            raise ConfigError(f'{axis} is a setting of generators, "{cascade}" is a cascade. Allowed: {allowed}.')


def _named(layer: Settings) -> Iterator[tuple[str, Any]]:
    """The settings that a layer has a value for."""
    for axis in AXES:
        values = getattr(layer, axis)
        if values is None:
            continue
        if axis == _OPTIONS:
            yield from _options(values)
        elif set(values) != {DEFAULT}:
            raise ConfigError(f"{axis} is given by stage ({', '.join(values)}). A generator takes one value.")
        else:
            yield axis, values[DEFAULT]


def _options(values: dict[str, Scalar]) -> Iterator[tuple[str, Scalar]]:
    for name, value in values.items():
        if name in AXES:
            raise ConfigError(f'options.{name}: "{name}" is a setting of its own. Write it outside of options.')
        yield name, value


def _checked(name: str, value: Any, spec: GeneratorSpec) -> Scalar:
    if isinstance(value, GuidanceConfig):
        if value.constant is None:
            raise ConfigError(f'guidance oscillates: generator "{spec.name}" takes a constant weight w.')
        value = value.constant
    default = spec.settings[name]
    kinds = (int, float) if isinstance(default, float) else (type(default),)
    if default is not None and (not isinstance(value, kinds) or isinstance(value, bool) != isinstance(default, bool)):
        raise ConfigError(
            f'{name} is {value!r}: generator "{spec.name}" takes a value of the type {type(default).__name__}.'
        )
    found: Scalar = float(value) if isinstance(default, float) or name == "guidance" else value
    return found


def _why_not(name: str, spec: GeneratorSpec) -> str:
    if name in spec.refuses:
        return f'generator "{spec.name}": {spec.refuses[name]}'
    return f'generator "{spec.name}" has no such setting.'


def _allowed(spec: GeneratorSpec) -> str:
    return ", ".join(name if name in AXES else f"options.{name}" for name in spec.settings) or "none"
