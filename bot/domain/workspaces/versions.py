"""Version constraints as Terraform writes them: `1.9.5`, `~> 1.9`, `>= 1.5, < 2.0`, `!= 1.6.0`; empty is any.

Source: https://developer.hashicorp.com/terraform/language/expressions/version-constraints
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from bot.domain.errors import EngineError

_VERSION = re.compile(r"v?(\d+(?:\.\d+){0,2})(?:-([0-9A-Za-z.-]+))?(?:\+[0-9A-Za-z.-]+)?")
_PART = re.compile(r"\s*(=|!=|>=|<=|>|<|~>)?\s*(\S+)\s*")


@dataclass(frozen=True)
class Version:
    """A version: its numbers, as many as were written, and its prerelease, empty for a release."""

    numbers: tuple[int, ...]
    prerelease: str = ""

    @classmethod
    def parse(cls, text: str) -> Version:
        """Read a version. Raises EngineError where it is none."""
        found = _VERSION.fullmatch(text.strip())
        if not found:
            raise EngineError(f"{text!r} is no version; write one like 1.9.5")
        return cls(tuple(int(number) for number in found[1].split(".")), found[2] or "")

    @property
    def full(self) -> tuple[int, ...]:
        """The three numbers; what was not written counts as 0."""
        return (*self.numbers, 0, 0)[:3]

    @property
    def order(self) -> tuple[Any, ...]:
        """What versions are sorted by: a prerelease comes before its release."""
        pieces = [(0, int(p), "") if p.isdigit() else (1, 0, p) for p in self.prerelease.split(".")]
        return (self.full, not self.prerelease, pieces)

    @property
    def name(self) -> str:
        """How releases spell it: all three numbers."""
        numbers = ".".join(str(number) for number in self.full)
        return f"{numbers}-{self.prerelease}" if self.prerelease else numbers

    def __str__(self) -> str:
        numbers = ".".join(str(number) for number in self.numbers)
        return f"{numbers}-{self.prerelease}" if self.prerelease else numbers


@dataclass(frozen=True)
class Constraint:
    """Which versions will do. Without an operator a version means exactly that one."""

    parts: tuple[tuple[str, Version], ...] = ()

    @classmethod
    def parse(cls, text: str) -> Constraint:
        """Read a constraint. Raises EngineError where it is none."""
        parts = []
        for piece in text.split(",") if text.strip() else ():
            found = _PART.fullmatch(piece)
            if not found:
                raise EngineError(
                    f"{text!r} is no version constraint; write one like 1.9.5, ~> 1.9, or >= 1.5, < 2.0"
                )
            parts.append((found[1] or "=", Version.parse(found[2])))
        return cls(tuple(parts))

    @property
    def exact(self) -> Version | None:
        """The one version that will do, None where there may be several."""
        named = [version for operator, version in self.parts if operator == "="]
        return named[0] if named and self.allows(named[0]) else None

    def allows(self, version: Version) -> bool:
        """Whether a version will do; a prerelease only where it is named exactly."""
        if version.prerelease and not any(
            operator == "=" and named.order == version.order for operator, named in self.parts
        ):
            return False
        return all(_holds(operator, version, named) for operator, named in self.parts)


def _holds(operator: str, version: Version, named: Version) -> bool:
    match operator:
        case "=":
            return version.order == named.order
        case "!=":
            return version.order != named.order
        case ">":
            return version.full > named.full
        case ">=":
            return version.full >= named.full
        case "<":
            return version.full < named.full
        case "<=":
            return version.full <= named.full
        case _:
            # `~>` lets the last number that is written grow, and no other.
            fixed = named.numbers[:-1]
            return version.full >= named.full and version.full[: len(fixed)] == fixed
