"""Reads what webhooks and the API write in the same shape: pull requests, and the names of roles."""

from __future__ import annotations

from bot.domain.events import Change, RepoRef
from bot.domain.people.permissions import Role
from bot.forges.fields import flag, look, number, optional_number, optional_text, sha, text, texts

GHOST = "ghost"
ROLES = {
    "none": Role.NONE,
    "read": Role.READ,
    "triage": Role.PLAN,
    "write": Role.WRITE,
    "maintain": Role.WRITE,
    "admin": Role.ADMIN,
}


def read_change(repo: RepoRef, source: object, at: str = "") -> Change:
    """Return the pull request at a path such as `pull_request.`; Invalid names the field that is wrong."""
    mergeable = look(source, f"{at}mergeable")
    return Change(
        repo=repo,
        number=number(source, f"{at}number"),
        title=optional_text(source, f"{at}title") or "",
        # Somebody who deleted the account; GitHub shows them as @ghost too.
        author=optional_text(source, f"{at}user.login") or GHOST,
        head_sha=sha(source, f"{at}head.sha"),
        head_branch=text(source, f"{at}head.ref"),
        base_branch=text(source, f"{at}base.ref"),
        from_fork=_from_fork(source, at),
        url=optional_text(source, f"{at}html_url") or "",
        open=text(source, f"{at}state") == "open",
        merged=_merged(source, at),
        draft=flag(source, f"{at}draft"),
        mergeable=mergeable if isinstance(mergeable, bool) else None,
        default_branch=optional_text(source, f"{at}base.repo.default_branch") or "",
        # Before the merge it names a commit that GitHub only tries the merge with.
        merge_sha=(optional_text(source, f"{at}merge_commit_sha") or "") if _merged(source, at) else "",
        asked=read_asked(repo, source, at),
    )


def read_asked(repo: RepoRef, source: object, at: str = "") -> tuple[str, ...]:
    """Return who was asked for a review and has not given one: people, then teams with their organisation."""
    organisation = repo.path.partition("/")[0]
    teams = (f"{organisation}/{slug}" for slug in texts(source, f"{at}requested_teams", "slug"))
    return (*texts(source, f"{at}requested_reviewers", "login"), *teams)


def _merged(source: object, at: str) -> bool:
    """Return whether it is merged. In a list of pull requests, only the time of the merge says so."""
    return flag(source, f"{at}merged") or optional_text(source, f"{at}merged_at") is not None


def _from_fork(source: object, at: str) -> bool:
    """Return whether the commits come from a fork. If it is unknown, it counts as a fork (promise 5)."""
    head = optional_number(source, f"{at}head.repo.id")
    return head is None or head != optional_number(source, f"{at}base.repo.id")
