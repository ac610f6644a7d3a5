"""Who owns a policy set: people, and teams of a forge with all who are in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from bot.domain.people.permissions import Person


@dataclass(frozen=True)
class Owner:
    """A person by login, or a team (`acme/ops`; on GitLab a group's path), of one forge.

    Names mean something on their own forge alone: anybody may take the same one on another.
    """

    forge: str
    name: str
    is_team: bool = False

    def __str__(self) -> str:
        return f"the team {self.name}" if self.is_team else self.name


TeamMembers: TypeAlias = frozenset[str]
"""Logins in lower case."""


@dataclass(frozen=True)
class KnownTeams:
    """Who is in teams, as far as the forge was asked; `unknown` says why it is not known of a team."""

    members: Mapping[Owner, TeamMembers] = field(default_factory=dict)
    unknown: Mapping[Owner, str] = field(default_factory=dict)


NO_TEAMS = KnownTeams()


def named(owners: Sequence[Owner], login: str) -> bool:
    """Whether a person stands among owners by their own name. Compared without case, as forges do."""
    return any(not owner.is_team and owner.name.casefold() == login.casefold() for owner in owners)


def why_no_owner(owners: Sequence[Owner], person: Person, teams: KnownTeams) -> str:
    """Say why a person is none of the owners, empty if they are one.

    A team of which the forge did not say who is in it has nobody in it here.
    """
    asked = [owner for owner in owners if owner.is_team]
    login = person.login.casefold()
    if named(owners, login) or any(login in teams.members.get(team, ()) for team in asked):
        return ""
    why = f"its owners: {', '.join(map(str, owners)) or 'nobody on this forge'}"
    for team in asked:
        if team not in teams.members:
            unknown = teams.unknown.get(team, "the forge was not asked")
            why += f"; who is in the team {team.name} is not known: {unknown}"
    return why
