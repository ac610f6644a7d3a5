"""Versions and constraints as Terraform writes them: `1.9.5`, `~> 1.9`, `>= 1.5, < 2.0`; empty allows any.

The one grammar for both: the configuration refuses what an engine would refuse, and nothing else.
Source: https://developer.hashicorp.com/terraform/language/expressions/version-constraints
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from bot.domain.errors import Invalid

# Digits are bounded, and are ASCII only: what is read here comes from files and servers of others.
_VERSION = re.compile(
    r"v?([0-9]{1,9}(?:\.[0-9]{1,9}){0,2})(?:-([0-9A-Za-z.-]{1,100}))?(?:\+[0-9A-Za-z.-]{1,100})?"
)
_PART = re.compile(r"\s*(=|!=|>=|<=|>|<|~>)?\s*(\S+)\s*")
# Characters of a constraint.
_LONGEST = 500


@dataclass(frozen=True)
class Version:
    """A version: its numbers, as many as were written, and its prerelease, empty for a release."""

    numbers: tuple[int, ...]
    prerelease: str = ""

    @classmethod
    def parse(cls, text: str) -> Version:
        """Read a version. Raises Invalid if it is not valid."""
        found = _VERSION.fullmatch(text.strip())
        if not found:
            raise Invalid(f"{text[:_LONGEST]!r} is not a version; write one like 1.9.5")
        return cls(tuple(int(number) for number in found[1].split(".")), found[2] or "")

    @property
    def full(self) -> tuple[int, ...]:
        """The three numbers; a number that was not written counts as 0."""
        return (*self.numbers, 0, 0)[:3]

    @property
    def order(self) -> tuple[Any, ...]:
        """The key to sort by: a prerelease comes before its release."""
        pieces = [(0, int(p), "") if p.isdigit() else (1, 0, p) for p in self.prerelease.split(".")]
        return (self.full, not self.prerelease, pieces)

    @property
    def name(self) -> str:
        """The version as releases spell it: all three numbers."""
        numbers = ".".join(str(number) for number in self.full)
        return f"{numbers}-{self.prerelease}" if self.prerelease else numbers

    def __str__(self) -> str:
        numbers = ".".join(str(number) for number in self.numbers)
        return f"{numbers}-{self.prerelease}" if self.prerelease else numbers


@dataclass(frozen=True)
class Constraint:
    """Which versions are allowed. A version without an operator allows only that version."""

    parts: tuple[tuple[str, Version], ...] = ()

    @classmethod
    def parse(cls, text: str) -> Constraint:
        """Read a constraint. Raises Invalid if it is not valid."""
        pieces = text.split(",") if text.strip() else []
        if len(text) > _LONGEST:
            raise _no_constraint(text)
        parts = []
        for piece in pieces:
            found = _PART.fullmatch(piece)
            if not found or not _VERSION.fullmatch(found[2]):
                raise _no_constraint(text)
            parts.append((found[1] or "=", Version.parse(found[2])))
        return cls(tuple(parts))

    @property
    def exact(self) -> Version | None:
        """The only version that is allowed, None if there may be several."""
        named = [version for operator, version in self.parts if operator == "="]
        return named[0] if named and self.allows(named[0]) else None

    def allows(self, version: Version) -> bool:
        """Whether a version is allowed; a prerelease only if it is named exactly."""
        if version.prerelease and not any(
            operator == "=" and named.order == version.order for operator, named in self.parts
        ):
            return False
        return all(_holds(operator, version, named) for operator, named in self.parts)


def _no_constraint(text: str) -> Invalid:
    wanted = "write one like 1.9.5, ~> 1.9, or >= 1.5, < 2.0"
    return Invalid(f"{text[:_LONGEST]!r} is not a version constraint; {wanted}")


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
            # `~>` allows the last number that is written to grow, and no other.
            fixed = named.numbers[:-1]
            return version.full >= named.full and version.full[: len(fixed)] == fixed
