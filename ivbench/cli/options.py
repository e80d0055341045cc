"""Options that several commands share, and what they stand for."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ivbench.errors import ConfigError

if TYPE_CHECKING:
    from ivbench.plan import Plan

__all__ = ["plan_of", "suite_options"]

Command = TypeVar("Command", bound=Callable[..., Any])


def suite_options(command: Command) -> Command:
    """Add `--suite`, `--cascade`, `--device` and `--dtype`: what `plan_of` takes."""
    for option in reversed(
        (
            click.option("--suite", default="quick", show_default=True, help="A packaged suite, or a YAML file."),
            click.option("--cascade", help="A card of the zoo, or a folder with one.  [default: the suite's]"),
            click.option("--device", default="cpu", show_default=True, help="Type of device: cpu, cuda, mps, tpu."),
            click.option(
                "--dtype",
                type=click.Choice(["float32", "bfloat16", "float16"]),
                default="float32",
                show_default=True,
                help="Of the networks.",
            ),
        )
    ):
        command = option(command)
    return command


def plan_of(suite: str, cascade: str | None, device: str, dtype: str) -> Plan:
    """Work out the plan that a command's options ask for.

    Args:
        suite: a packaged suite's name, or the path of a suite file.
        cascade: a card's name or folder; None: the suite's own.
        device: type of device.
        dtype: of the networks.

    Raises:
        ConfigError: neither the options nor the suite name a cascade, or one of them is wrong.
        MissingFileError: a file that was named is not there.
    """
    from ivbench.config import read_suite
    from ivbench.plan import Execution, build_plan, cascade_source
    from ivbench.zoo import read_card

    wanted = read_suite(suite)
    name = cascade or wanted.cascade
    if name is None:
        raise ConfigError(f'suite "{wanted.name}" names no cascade. Give one with --cascade; see: ivbench zoo list')
    return build_plan(wanted, cascade_source(read_card(name)), Execution(device=device, dtype=dtype))
