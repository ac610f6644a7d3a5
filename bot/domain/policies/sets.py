"""Policy sets as plangate.yml names them: where each is, which workspaces it judges, who may override it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from bot.domain.events import RepoRef
from bot.domain.people.permissions import Person, Role
from bot.domain.policies.owners import NO_TEAMS, KnownTeams, Owner, why_no_owner
from bot.domain.policies.policy import EnforcementLevel, PolicyCheck
from bot.domain.workspaces.workspace import Workspace


@dataclass(frozen=True)
class SetOrigin:
    """Where a set's files are: a folder of the server, or one of a repository (`branch` empty: default)."""

    folder: str
    repo: RepoRef | None = None
    branch: str = ""

    def __str__(self) -> str:
        if self.repo is None:
            return self.folder
        branch = f"@{self.branch}" if self.branch else ""
        return f"{self.repo}{branch}" + (f":{self.folder}" if self.folder else "")


@dataclass(frozen=True)
class PolicyLimits:
    """What judging one plan by one set may take: seconds, and bytes of memory."""

    seconds: int = 300
    memory: int = 2 << 30


USUAL_LIMITS = PolicyLimits()
USUAL_NAMESPACES = ("main",)


@dataclass(frozen=True)
class PolicySet:
    """One set. `workspaces` are names and patterns of names; `owners` may override its policies.

    `level` is that of policies found by Conftest's convention, which has no levels of its own, and
    `namespaces` the packages where they are looked for. With `needs_opa` only OPA may evaluate the set.
    """

    name: str
    origin: SetOrigin
    everywhere: bool = False
    workspaces: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    owners: tuple[Owner, ...] = ()
    prevent_self_override: bool = False
    sticky_overrides: bool = False
    level: EnforcementLevel = EnforcementLevel.SOFT
    limits: PolicyLimits = USUAL_LIMITS
    namespaces: tuple[str, ...] = USUAL_NAMESPACES
    needs_opa: bool = False

    def judges(self, workspace: Workspace) -> bool:
        """Whether the set judges the plans of a workspace."""
        if _matches(workspace.name, self.exclude):
            return False
        tagged = bool(set(self.tags) & set(workspace.tags))
        return self.everywhere or tagged or _matches(workspace.name, self.workspaces)

    def teams(self, forge: str) -> tuple[Owner, ...]:
        """Return the teams of a forge that own the set."""
        return tuple(owner for owner in self.owners if owner.is_team and owner.forge == forge)

    def why_not_override(
        self, person: Person, authors: Iterable[str], forge: str, teams: KnownTeams = NO_TEAMS
    ) -> str:
        """Say why a person may not override this set's policies on a forge, empty if they may.

        Only the set's owners; if it names none, the owners of the server or the repository.
        Logins are compared without case, as forges do.
        """
        if self.owners:
            owners = [owner for owner in self.owners if owner.forge == forge]
            if why := why_no_owner(owners, person, teams):
                return f"{person.login} is not an owner of the policy set {self.name}; {why}"
        elif person.role < Role.OWNER:
            return (
                f"{person.login} may not override: the policy set {self.name} names no owners "
                "(`owners:` in plangate.yml), so that only an owner may"
            )
        authors = {author.casefold() for author in authors if author}
        if self.prevent_self_override and person.login.casefold() in authors:
            return (
                f"{person.login} is the author of this change, and the policy set {self.name} lets nobody "
                "override for a change of their own: another owner has to"
            )
        return ""


def sets_for(sets: Sequence[PolicySet], workspace: Workspace) -> tuple[PolicySet, ...]:
    """Return the sets that judge a workspace, in the file's order."""
    return tuple(each for each in sets if each.judges(workspace))


def why_not_override(
    sets: Sequence[PolicySet],
    checks: Iterable[PolicyCheck],
    person: Person,
    authors: Sequence[str],
    forge: str,
    teams: KnownTeams = NO_TEAMS,
) -> str:
    """Say why a person may not override these checks of a forge's run, empty if they may them all."""
    by_name = {each.name: each for each in sets}
    for check in checks:
        # A set that plangate.yml no longer names has no owners of its own any more.
        owned = by_name.get(check.set_name, PolicySet(check.set_name, SetOrigin("")))
        if why := owned.why_not_override(person, authors, forge, teams):
            return why
    return ""


def _matches(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)
