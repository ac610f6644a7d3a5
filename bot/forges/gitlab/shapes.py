"""Reads a merge request, which webhooks and the API write in nearly the same shape."""

from __future__ import annotations

from bot.domain.events import Change, RepoRef
from bot.forges.fields import flag, look, number, optional_number, optional_text, sha, text, texts

GHOST = "ghost"
# Some versions of a webhook give the state by number alone, or leave it to the action.
_STATES = {1: "opened", 2: "closed", 3: "merged", 4: "locked"}
_ENDED_BY = {"close": "closed", "merge": "merged"}
# Obstacles to a merge in Git itself. A running pipeline or a missing approval is not one of them: our own
# statuses are part of the pipeline, and wait for the apply that is about to be requested.
# Source: https://docs.gitlab.com/api/merge_requests/#merge-status
_UNMERGEABLE = frozenset({"broken_status", "conflict", "need_rebase", "commits_status", "cannot_be_merged"})
_UNDECIDED = frozenset(
    {"", "approvals_syncing", "checking", "preparing", "unchecked", "cannot_be_merged_recheck"}
)


def project_path(forge: str, source: object, at: str) -> RepoRef:
    """Return the project at a path such as `project.path_with_namespace`, groups within groups included.

    GitLab takes paths in any case; we compare them with those of plangate.yml, so both are kept in one.
    """
    return RepoRef(forge, text(source, at).lower())


def delivered_change(repo: RepoRef, payload: object, at: str) -> Change:
    """Return the merge request in a webhook; Invalid names the field that is wrong.

    A webhook names the author by number alone: the author is empty if somebody else has done something.
    """
    author_id = optional_number(payload, f"{at}.author_id")
    by_author = author_id is not None and author_id == optional_number(payload, "user.id")
    author = optional_text(payload, "user.username") if by_author else ""
    head, url = sha(payload, f"{at}.last_commit.id"), optional_text(payload, f"{at}.url") or ""
    return _change(repo, payload, f"{at}.", head, author or "", url)


def answered_change(repo: RepoRef, found: object, default_branch: str) -> Change:
    """Return the merge request in an answer of the API; Invalid names the field that is wrong."""
    # Somebody whose account is gone; GitLab calls them the ghost user.
    author = optional_text(found, "author.username") or GHOST
    change = _change(repo, found, "", sha(found, "sha"), author, optional_text(found, "web_url") or "")
    return Change(**{**vars(change), "default_branch": default_branch})


def _change(repo: RepoRef, source: object, at: str, head: str, author: str, url: str) -> Change:
    state = optional_text(source, f"{at}state") or _STATES.get(optional_number(source, f"{at}state_id") or 0)
    state = state or _ENDED_BY.get(optional_text(source, f"{at}action") or "", "opened")
    return Change(
        repo=repo,
        number=number(source, f"{at}iid"),
        title=optional_text(source, f"{at}title") or "",
        author=author,
        head_sha=head,
        head_branch=text(source, f"{at}source_branch"),
        base_branch=text(source, f"{at}target_branch"),
        from_fork=_from_fork(source, at),
        url=url,
        # `locked` is a merge request at the moment when it is merged.
        open=state == "opened",
        merged=state == "merged",
        draft=flag(source, f"{at}draft") or flag(source, f"{at}work_in_progress"),
        mergeable=_mergeable(source, at),
        default_branch=optional_text(source, "project.default_branch") or "",
        merge_sha=_merge_sha(source, at, head) if state == "merged" else "",
        # Both a webhook and an answer have them beside the merge request's own fields.
        asked=texts(source, "reviewers", "username"),
    )


def _merge_sha(source: object, at: str, head: str) -> str:
    """Return the branch's commit after a merge: a merge's, a squash's, or with a fast-forward the head."""
    made = (optional_text(source, f"{at}{kind}_commit_sha") for kind in ("merge", "squash"))
    return next((sha for sha in made if sha), head)


def _from_fork(source: object, at: str) -> bool:
    """Return whether the commits come from a fork. If it is unknown, it counts as a fork (promise 5)."""
    origin = optional_number(source, f"{at}source_project_id")
    return origin is None or origin != optional_number(source, f"{at}target_project_id")


def _mergeable(source: object, at: str) -> bool | None:
    if look(source, f"{at}has_conflicts") is True:
        return False
    # Before GitLab 15.6 there was only the undetailed one.
    state = optional_text(source, f"{at}detailed_merge_status") or optional_text(source, f"{at}merge_status")
    if (state or "") in _UNDECIDED:
        return None
    return state not in _UNMERGEABLE
