"""Identifies repositories and people by the forge's own numbers, because a name can be reused.

A repository may be deleted and created again under its name, and a login may be registered again. The number
is stored when a name is first seen. If the name has another number later, it gets no access to anything that
is stored here, until an owner of this Plangate confirms it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from bot.domain.errors import Forbidden, ForgeRefused, NotFound
from bot.domain.events import NO_REPO, RepoRef
from bot.domain.people.accounts import Account
from bot.domain.people.audit import AuditAction
from bot.domain.people.permissions import Person, Role
from bot.services.outbox.audit_log import done
from bot.services.people.recent_answers import RecentAnswers
from bot.services.ports import Clock, ForgeReader, Store
from bot.services.ports.people import Named

KEPT_FOR = timedelta(seconds=60)
"""How long the forge's answer is cached for everything but runs."""
JUST_NOW = timedelta(seconds=5)
"""How old an answer may be with which a run starts: an apply is checked right before it gets its job."""


class Identities:
    """Compares the number of a name with the one that was first seen."""

    def __init__(self, store: Store, clock: Clock, forges: Mapping[str, ForgeReader]) -> None:
        self._store = store
        self._clock = clock
        self._forges = forges
        self._asked: dict[RepoRef, tuple[str, datetime]] = {}
        self._recent = RecentAnswers(store, clock)

    def check(self, repo: RepoRef, within: timedelta = KEPT_FOR) -> None:
        """Make sure that a repository is still the one that was first seen, by an answer of this age at most.

        The answer may be another process's. Raises ForgeRefused if it is another one. Raises
        ForgeUnavailable, NotFound.
        """
        if repo == NO_REPO:
            return
        now = self._clock.now()
        uid, asked_at = self._asked.get(repo, ("", now - within))
        if now - asked_at < within:
            why = self._why_no_repository(repo, uid)
        else:
            why = self._recent.once(f"repository {repo.forge}:{repo.path}", within, lambda: self._ask(repo))
        if why:
            raise ForgeRefused(why)

    def _ask(self, repo: RepoRef) -> str:
        now = self._clock.now()
        uid = self._forges[repo.forge].repo_id(repo)
        self._asked[repo] = uid, now
        return self._why_no_repository(repo, uid)

    def _why_no_repository(self, repo: RepoRef, uid: str) -> str:
        return self._why_not(Named.REPOSITORY, repo.forge, repo.path, uid)

    def is_same(self, account: Account) -> bool:
        """Whether an account is the one first seen with its login. True if its number is unknown."""
        return not self._why_not(Named.ACCOUNT, account.forge, account.key[1], account.uid)

    def still_has_its_login(self, account: Account, repo: RepoRef) -> bool:
        """Ask the forge whether a login is still this account's. Raises ForgeUnavailable, ForgeRefused."""
        if not account.uid or account.forge != repo.forge:
            return True
        try:
            return self._forges[repo.forge].account_id(repo, account.login) == account.uid
        except NotFound:
            return False

    def confirm(self, kind: Named, forge: str, name: str, person: Person) -> None:
        """Accept the number that a name has now. Raises Forbidden, NotFound."""
        if person.role < Role.OWNER:
            raise Forbidden("only an owner of this Plangate can confirm a name that was reused")
        name = name.casefold()
        with self._store.transaction() as tx:
            known = tx.identities.get(kind, forge, name)
            if known is None or not known.doubted:
                raise NotFound(f"there is nothing to confirm for the {kind.value} {forge}:{name}")
            tx.identities.confirm(kind, forge, name, known.doubted, self._clock.now())
            about = f"{kind.value} {forge}:{name}"
            done(
                tx,
                self._clock,
                person,
                AuditAction.CONFIRM_IDENTITY,
                about,
                f"{known.uid} to {known.doubted}",
            )

    def _why_not(self, kind: Named, forge: str, name: str, uid: str) -> str:
        """Return why a name is not accepted: its number is another. Empty if it is accepted."""
        if not uid:
            return ""
        name = name.casefold()
        with self._store.reading() as tx:
            known = tx.identities.get(kind, forge, name)
        if known is None or uid not in (known.uid, known.doubted):
            with self._store.transaction() as tx:
                tx.identities.first(kind, forge, name, uid, self._clock.now())
                known = tx.identities.get(kind, forge, name)
                if known is not None and known.uid != uid:
                    tx.identities.doubt(kind, forge, name, uid)
        if known is None or known.uid == uid:
            return ""
        return (
            f"{name} on {forge} is not the {kind.value} that had this name before (its id was "
            f"{known.uid} and is now {uid}): if that is intended, an owner runs "
            f"`plangate confirm {kind.value} {forge}:{name}`"
        )
