"""Profiles: named, versioned presets of the choices that a metric leaves open."""

from __future__ import annotations

from dataclasses import dataclass

from ivbench.errors import ConfigError, did_you_mean

__all__ = ["PROFILES", "Profile", "profile"]


@dataclass(frozen=True)
class Profile:
    """A named, versioned preset of choices; a changed choice is a new version.

    Attributes:
        name: as in suites, "ivbench".
        version: bumped whenever numbers move.
        ddof: of a Frechet metric's covariances: 1, or 0 as in StyleGAN-V and cd-fvd.
        candidates: of R-Precision: the true caption and this number less one of others.
    """

    name: str
    version: int
    ddof: int = 1
    candidates: int = 100

    def __post_init__(self) -> None:
        if self.ddof not in (0, 1):
            raise ConfigError(f'profile "{self.name}": ddof is {self.ddof}. Allowed: 0, 1.')
        if self.candidates < 2:
            raise ConfigError(f'profile "{self.name}": candidates is {self.candidates}. Allowed: 2 or more.')


PROFILES = {
    "ivbench": Profile("ivbench", 1),
    "ivbench-ddof0": Profile("ivbench-ddof0", 1, ddof=0),
}


def profile(name: str | None) -> Profile:
    """The profile of a name; None: ivbench's own.

    Raises:
        ConfigError: no such profile; says the nearest one.
    """
    if name is None:
        return PROFILES["ivbench"]
    if name not in PROFILES:
        raise ConfigError(f'no profile is called "{name}".{did_you_mean(name, PROFILES)}')
    return PROFILES[name]
