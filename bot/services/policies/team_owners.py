"""The members of the teams that own policy sets, fetched from the forge and cached for a moment."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta

from bot.domain.errors import ForgeError, NotFound
from bot.domain.events import NO_REPO, RepoRef
from bot.domain.policies.owners import KnownTeams, Owner, TeamMembers, named
from bot.domain.policies.sets import PolicySet
from bot.services.ports import Clock, ForgeReviews

# A person who left a team may override for this long.
_REMEMBERED = timedelta(seconds=60)
# A forge that is down is not asked again for this long.
_FAILURE_REMEMBERED = timedelta(seconds=10)


class TeamOwners:
    """The members of teams. One per process. It is a cache, nothing more."""

    def __init__(self, clock: Clock, forges: Mapping[str, ForgeReviews]) -> None:
        self._clock = clock
        self._forges = forges
        self._known: dict[tuple[RepoRef, str], tuple[datetime, TeamMembers | str]] = {}

    def asked(self, sets: Iterable[PolicySet], repo: RepoRef, login: str) -> KnownTeams:
        """Return the members of the teams of these sets, as the repository's login may see them.

        Skips sets that name the person directly. If a forge does not answer, its teams have no members, and
        `unknown` says why.
        """
        members: dict[Owner, TeamMembers] = {}
        unknown: dict[Owner, str] = {}
        for each in sets if repo != NO_REPO else ():
            if named([owner for owner in each.owners if owner.forge == repo.forge], login):
                continue
            for team in each.teams(repo.forge):
                found = self._members(repo, team)
                if isinstance(found, str):
                    unknown[team] = found
                else:
                    members[team] = found
        return KnownTeams(members, unknown)

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
