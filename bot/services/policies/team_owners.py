"""Asks the forge who is in the teams that own policy sets, and remembers it for a moment."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta

from bot.domain.errors import ForgeError, NotFound
from bot.domain.events import RepoRef
from bot.domain.policy_owners import Owner, TeamMembers, Teams, named
from bot.domain.policy_sets import PolicySet
from bot.services.ports import Clock, ForgeReviews

# Whoever leaves a team may override for so long yet.
_REMEMBERED = timedelta(seconds=60)
# So that nobody has a forge that is away asked again and again.
_FAILURE_REMEMBERED = timedelta(seconds=10)


class TeamOwners:
    """Who is in teams. One for the whole process; what it remembers is only a cache."""

    def __init__(self, clock: Clock, forges: Mapping[str, ForgeReviews]) -> None:
        self._clock = clock
        self._forges = forges
        self._known: dict[tuple[RepoRef, str], tuple[datetime, TeamMembers | str]] = {}

    def asked(self, sets: Iterable[PolicySet], repo: RepoRef, login: str) -> Teams:
        """Return who is in the teams of these sets on a repository's forge, asked as that repository may.

        Not of sets that name the person themselves. A forge that does not answer makes nobody an owner: why
        stands in `unknown`.
        """
        members: dict[Owner, TeamMembers] = {}
        unknown: dict[Owner, str] = {}
        for each in sets:
            if named([owner for owner in each.owners if owner.forge == repo.forge], login):
                continue
            for team in each.teams(repo.forge):
                found = self._members(repo, team)
                if isinstance(found, str):
                    unknown[team] = found
                else:
                    members[team] = found
        return Teams(members, unknown)

    def _members(self, repo: RepoRef, team: Owner) -> TeamMembers | str:
        now = self._clock.now()
        until, found = self._known.get((repo, team.name), (now, ""))
        if until <= now:
            found = self._ask(lambda: self._forges[repo.forge].team_members(repo, team.name))
            length = _FAILURE_REMEMBERED if isinstance(found, str) else _REMEMBERED
            self._known[repo, team.name] = (now + length, found)
        return found

    @staticmethod
    def _ask(members: Callable[[], TeamMembers]) -> TeamMembers | str:
        try:
            return members()
        except (ForgeError, NotFound) as error:
            return str(error)
