"""Approvals, code owners and groups on GitLab, for the requirements of an apply.

GitLab stores who approved, but not what: an approval outlives new commits unless the project revokes it.
Here an approval counts for the version of the merge request that was the newest when it was given.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from operator import itemgetter

from bot.domain.changes.codeowners import CodeOwners
from bot.domain.changes.reviews import ApprovalRule, Review, Verdict
from bot.domain.errors import ForgeRefused, ForgeUnavailable, NotFound
from bot.domain.events import Change, RepoRef
from bot.forges.code_owners import first_text
from bot.forges.fields import flag, look, moment, optional_number, optional_text
from bot.forges.gitlab.api import Api
from bot.forges.gitlab.paths import group, project, segment

# GitLab takes the first of these that there is.
_PLACES = ("CODEOWNERS", "docs/CODEOWNERS", ".gitlab/CODEOWNERS")
# GitLab's own note on a merge request, the same in every language of its pages.
_APPROVED_NOTE = "approved this merge request"
_DEVELOPER = 30
_MOST_NAMES = 50
# Source: https://docs.gitlab.com/user/project/codeowners/reference/#add-a-role-as-a-code-owner
_ROLE = re.compile(r"@(developer|maintainer|owner)s?")
_LEVELS = {"developer": 30, "maintainer": 40, "owner": 50}
Moments = dict[int, datetime]


class Reviews:
    """Implements ForgeReviews through an API."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def reviews(self, repo: RepoRef, number: int) -> tuple[Review, ...]:
        """Return the current approvals, oldest first, then the requests for changes: three calls or more.

        Approvals that were taken back are gone. Older versions do not tell when one was given; the note that
        GitLab writes then does. Without either, an approval is of no commit that is known.
        """
        path, what = self._at(repo, number), f"approvals of {repo.path}!{number}"
        approvals = look(self._api.call("get", f"{path}/approvals", what).data, "approved_by")
        if not isinstance(approvals, list):
            raise self._api.unexpected(what)
        versions = self._versions(path, what)
        noted: Moments | None = None
        found: list[tuple[datetime, Review]] = []
        for approval in approvals:
            login, account = optional_text(approval, "user.username"), optional_number(approval, "user.id")
            given = moment(approval, "approved_at")
            if given is None:
                noted = self._noted(path, what) if noted is None else noted
                given = noted.get(account or 0)
            if login:
                commit = _newest_before(versions, given)
                found.append(
                    (given or datetime.min.replace(tzinfo=UTC), Review(login, Verdict.APPROVED, commit))
                )
        found.sort(key=itemgetter(0))
        head = versions[0][1] if versions else ""
        return (*(review for _, review in found), *self._objections(path, what, head))

    def approval_rules(self, repo: RepoRef, number: int) -> tuple[ApprovalRule, ...]:
        """Return the approval rules that require somebody, code owners included: one call.

        Empty if the tier has none.
        """
        what = f"approval rules of {repo.path}!{number}"
        try:
            state = self._api.call("get", f"{self._at(repo, number)}/approval_state", what).data
        except NotFound:
            return ()
        rules = look(state, "rules")
        if not isinstance(rules, list):
            raise self._api.unexpected(what)
        return tuple(rule for rule in map(_rule, rules) if rule.needed)

    def commits_behind(self, change: Change) -> int:
        """Return how many commits of the target branch a merge request lacks: one call."""
        what = f"merge request {change.number} of {change.repo.path}"
        query = {"include_diverged_commits_count": "true"}
        found = self._api.call("get", self._at(change.repo, change.number), what, query=query).data
        behind = look(found, "diverged_commits_count")
        if look(found, "sha") != change.head_sha:
            raise ForgeUnavailable(f"{self._api.where}: {what} has a newer commit by now")
        if optional_text(found, "detailed_merge_status") == "commits_status":
            # GitLab would count nothing without a branch to count from.
            raise ForgeRefused(f"{self._api.where}: the source branch of {what} is gone")
        if not isinstance(behind, int) or isinstance(behind, bool):
            raise self._api.unexpected(what)
        return behind

    def commit_authors(self, change: Change) -> frozenset[str]:
        """Return the members by whose names commits were written: a call, and one for each name.

        GitLab tells of a commit only what Git does, which is a name and an address, and shows no addresses
        of members: the name is what there is.
        """
        what = f"commits of {change.repo.path}!{change.number}"
        names = {
            optional_text(commit, f"{role}_name") or ""
            for page in self._api.pages(f"{self._at(change.repo, change.number)}/commits", what)
            for commit in page
            for role in ("author", "committer")
        }
        found = set()
        for name in sorted(names - {""})[:_MOST_NAMES]:
            path, about = f"{project(change.repo)}/members/all", f"members of {change.repo.path}"
            for page in self._api.pages(path, about, {"query": name}):
                for member in page:
                    login = optional_text(member, "username") or ""
                    if name.casefold() in (
                        login.casefold(),
                        (optional_text(member, "name") or "").casefold(),
                    ):
                        found.add(login.lower())
        return frozenset(found - {""})

    def code_owners(self, repo: RepoRef, branch: str) -> CodeOwners | None:
        """Return CODEOWNERS on a branch: up to three calls."""

        def read(place: str) -> object:
            path = f"{project(repo)}/repository/files/{segment(place)}"
            return self._api.call("get", path, f"{place} of {repo.path}", query={"ref": branch}).data

        with self._api.expecting(f"CODEOWNERS of {repo.path}"):
            found = first_text(_PLACES, read)
        return None if found is None else CodeOwners(found, sections=True)

    def team_members(self, repo: RepoRef, team: str) -> frozenset[str]:
        """Return who is meant by a name in CODEOWNERS, as GitLab counts owners: a call for each hundred.

        Of a group its direct members from Developer on; of a role (`@maintainer`) the project's that have it.
        A name without a slash that is not a group is a person.
        """
        role = _ROLE.fullmatch(team)
        if role:
            level = _LEVELS[role[1]]
            path, what = f"{project(repo)}/members", f"members of {repo.path}"
            return frozenset(login for login, has in self._members(path, what) if has == level)
        try:
            path, what = f"{group(repo, team)}/members", f"members of the group {team}"
            return frozenset(login for login, has in self._members(path, what) if has >= _DEVELOPER)
        except NotFound:
            if "/" in team:
                raise
            return frozenset({team})

    def _at(self, repo: RepoRef, number: int) -> str:
        return f"{project(repo)}/merge_requests/{number}"

    def _versions(self, path: str, what: str) -> list[tuple[datetime, str]]:
        """Return when each head became the merge request's, newest first."""
        found = []
        for page in self._api.pages(f"{path}/versions", what):
            for version in page:
                created, head = moment(version, "created_at"), optional_text(version, "head_commit_sha")
                if created is None or not head:
                    raise self._api.unexpected(what)
                found.append((created, head))
        return sorted(found, key=itemgetter(0), reverse=True)

    def _noted(self, path: str, what: str) -> Moments:
        """Return when each account has last approved, by the notes that GitLab writes itself."""
        found: Moments = {}
        query = {"sort": "asc", "order_by": "created_at", "activity_filter": "only_activity"}
        for page in self._api.pages(f"{path}/notes", what, query):
            for note in page:
                account, given = optional_number(note, "author.id"), moment(note, "created_at")
                approves = flag(note, "system") and optional_text(note, "body") == _APPROVED_NOTE
                if approves and account and given:
                    found[account] = max(given, found.get(account, given))
        return found

    def _objections(self, path: str, what: str, head: str) -> Iterator[Review]:
        """Yield people with an open request for changes; GitLab drops it when they approve."""
        for page in self._api.pages(f"{path}/reviewers", what):
            for reviewer in page:
                login = optional_text(reviewer, "user.username")
                if login and optional_text(reviewer, "state") == "requested_changes":
                    yield Review(login, Verdict.CHANGES_REQUESTED, head)

    def _members(self, path: str, what: str) -> Iterator[tuple[str, int]]:
        for page in self._api.pages(path, what):
            for member in page:
                login = optional_text(member, "username")
                active = (optional_text(member, "state") or "active") == "active"
                if login and active:
                    yield login.lower(), optional_number(member, "access_level") or 0


def _rule(rule: object) -> ApprovalRule:
    approved = look(rule, "approved_by")
    logins = (optional_text(one, "username") for one in (approved if isinstance(approved, list) else ()))
    kind = optional_text(rule, "rule_type") or ""
    name, section = optional_text(rule, "name") or kind, optional_text(rule, "section") or ""
    return ApprovalRule(
        f"{section}: {name}" if section and section != "codeowners" else name,
        optional_number(rule, "approvals_required") or 0,
        frozenset(login.lower() for login in logins if login),
        code_owners=kind == "code_owner",
    )


def _newest_before(versions: list[tuple[datetime, str]], given: datetime | None) -> str:
    """Return the head that was the newest at a moment. One that came at that very moment was not yet seen."""
    if given is None:
        return ""
    return next((head for created, head in versions if created < given), "")
