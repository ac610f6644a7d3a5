"""Roles: what a person may do in a repository, by their role on the forge, or as an owner of Plangate.

Pages and comments use it for everything that they show and do. A role is cached for a minute. If the forge
does not answer, the person has no role and is told why (promise 7).
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

from bot.domain.errors import ForgeError
from bot.domain.events import NO_REPO, RepoRef
from bot.domain.people.accounts import Account
from bot.domain.people.permissions import Role
from bot.services.people.identities import Identities
from bot.services.ports import Clock, ForgeReader

log = logging.getLogger(__name__)

KEPT_FOR = timedelta(seconds=60)
"""How long a role is cached: a person who lost a role may use it for that long."""

MOST_KEPT = 20_000
AT_ONCE = 8
"""How many roles are asked for in parallel if a list needs many."""

_Key = tuple[tuple[str, str], RepoRef]


class Roles:
    """Asks forges for roles. `owners` own this Plangate, by the settings.

    `member` is the role of everybody who can sign in, in workspaces without a repository.
    """

    def __init__(
        self,
        forges: Mapping[str, ForgeReader],
        clock: Clock,
        owners: Collection[Account] = (),
        identities: Identities | None = None,
        member: Role = Role.NONE,
    ) -> None:
        self._member = member
        self._identities = identities
        self._forges = forges
        self._clock = clock
        self._owners = frozenset(owner.key for owner in owners)
        self._kept: dict[_Key, tuple[Role, datetime]] = {}

    def owns(self, account: Account) -> bool:
        """Whether an account may do everything everywhere."""
        return account.local or (account.key in self._owners and self._is_same(account))

    def in_organization(self, account: Account) -> Role:
        """Return a role in the workspaces that have no repository: owners and members of the organization."""
        if self.owns(account):
            return Role.OWNER
        return self._member if self._is_same(account) else Role.NONE

    def role(self, account: Account, repo: RepoRef) -> Role:
        """Return a role, at most one minute old. Raises ForgeUnavailable, ForgeRefused."""
        known = self._known(account, repo)
        return self.ask(account, repo) if known is None else known

    def ask(self, account: Account, repo: RepoRef) -> Role:
        """Ask the forge for a role now. Raises ForgeUnavailable, ForgeRefused."""
        if repo == NO_REPO:
            return self.in_organization(account)
        if self.owns(account):
            return Role.OWNER
        if account.forge != repo.forge or repo.forge not in self._forges:
            return Role.NONE
        if not self._is_same(account):
            return Role.NONE
        if self._identities is not None:
            self._identities.check(repo)
        role = self._forges[repo.forge].role(repo, account.login)
        self._keep((account.key, repo), role)
        return role

    def roles(self, account: Account, repos: Iterable[RepoRef]) -> Mapping[RepoRef, Role]:
        """Return the roles in many repositories, without those for which the forge gives no answer."""
        wanted = dict.fromkeys(repos)
        found = {repo: known for repo in wanted if (known := self._known(account, repo)) is not None}
        missing = [repo for repo in wanted if repo not in found]
        if missing:
            with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
                answers = pool.map(lambda repo: self._try(account, repo), missing)
                found |= {repo: role for repo, role in zip(missing, answers, strict=True) if role is not None}
        return found

    def _is_same(self, account: Account) -> bool:
        """Whether the login is the account's that had it at first sight."""
        return self._identities is None or self._identities.is_same(account)

    def _known(self, account: Account, repo: RepoRef) -> Role | None:
        if self.owns(account):
            return Role.OWNER
        if repo == NO_REPO:
            return self.in_organization(account)
        if account.forge != repo.forge or repo.forge not in self._forges:
            return Role.NONE
        role, until = self._kept.get((account.key, repo), (None, None))
        return role if until is not None and self._clock.now() < until else None

    def _try(self, account: Account, repo: RepoRef) -> Role | None:
        try:
            return self.ask(account, repo)
        except ForgeError as error:
            log.warning("what %s may see of %s is not known: %s", account, repo, error)
            return None

    def _keep(self, key: _Key, role: Role) -> None:
        if len(self._kept) >= MOST_KEPT:
            # Deleted cache entries are asked for again.
            self._kept.clear()
        self._kept[key] = role, self._clock.now() + KEPT_FOR
