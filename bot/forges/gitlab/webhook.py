"""Turns GitLab's deliveries into events, or into the reason why they lead to nothing. No I/O."""

from __future__ import annotations

import re
from collections.abc import Callable

from bot.domain.events import (
    BranchPushed,
    ChangeAction,
    ChangeClosed,
    ChangeUpdated,
    CommentAdded,
    CommentEdited,
    ForgeEvent,
    GroupAsked,
    GroupGone,
    Ignored,
    ReviewersChanged,
    TagPushed,
)
from bot.forges.fields import (
    json_object,
    look,
    moment,
    number,
    optional_number,
    optional_text,
    sha,
    shown,
    text,
    texts,
)
from bot.forges.gitlab.shapes import GHOST, delivered_change, project_path

EVENT_HEADER = "X-Gitlab-Event"
PROJECT = "project.path_with_namespace"
# The users that GitLab makes for project and group access tokens.
# Source: https://docs.gitlab.com/user/project/settings/project_access_tokens/#bot-users-for-projects
_TOKENS_USER = re.compile(r"(?:project|group)_\d+_bot(?:_?\w+)?")
_REVIEWERS = "changes.reviewers.current"
_DRAFT = re.compile(r"\s*(?:\[draft\]|\(draft\)|draft:|\[wip\]|wip:)", re.IGNORECASE)
Outcome = ForgeEvent | Ignored


def parse(forge: str, event: str, body: bytes) -> Outcome:
    """Return what a delivery means; `event` is its X-Gitlab-Event header, `forge` our name for the instance.

    Raises Invalid, naming the field, if the body is malformed.
    """
    return understand(forge, event, json_object(body))


def understand(forge: str, event: str, payload: dict[str, object]) -> Outcome:
    """Return what a delivery's decoded body means. Raises Invalid."""
    if event == "System Hook":
        # A system hook covers every project of the instance, with its own payloads.
        return Ignored("system hooks are ignored: add the webhook to the project or its group")
    reader = _READERS.get(event)
    if reader is None:
        return Ignored(f"events of the kind {shown(event)} are ignored")
    return reader(forge, payload)


def concerns_us(event: str) -> bool:
    """Return whether an event, as the header names it, may lead to something."""
    return event in _READERS


def is_a_tokens_user(login: str) -> bool:
    """Whether a login is that of an access token, and not of a person."""
    return _TOKENS_USER.fullmatch(login) is not None


def _push(forge: str, payload: dict[str, object]) -> Outcome:
    ref, after = text(payload, "ref"), sha(payload, "after")
    branch = ref.removeprefix("refs/heads/")
    if branch == ref or not branch:
        return Ignored(f"a push to {shown(ref)} is not a push to a branch")
    if not after.strip("0"):
        return Ignored(f"branch {shown(branch)} was deleted")
    before = sha(payload, "before") if (optional_text(payload, "before") or "").strip("0") else ""
    return BranchPushed(
        project_path(forge, payload, PROJECT),
        branch,
        before,
        after,
        _pusher(payload),
        _message(payload, after),
        text(payload, "project.default_branch"),
    )


def _tag(forge: str, payload: dict[str, object]) -> Outcome:
    ref, after = text(payload, "ref"), sha(payload, "after")
    tag = ref.removeprefix("refs/tags/")
    if tag == ref or not tag:
        return Ignored(f"a push to {shown(ref)} is not a push of a tag")
    if not after.strip("0"):
        return Ignored(f"tag {shown(tag)} was deleted")
    # `after` of an annotated tag is the tag's own object, not the commit.
    commit = sha(payload, "checkout_sha") if look(payload, "checkout_sha") else after
    repo, default_branch = project_path(forge, payload, PROJECT), text(payload, "project.default_branch")
    return TagPushed(repo, tag, commit, _pusher(payload), _message(payload, commit), default_branch)


def _pusher(payload: dict[str, object]) -> str:
    return optional_text(payload, "user_username") or optional_text(payload, "user_name") or GHOST


def _message(payload: dict[str, object], commit: str) -> str:
    """Return the commit's first line, empty if the delivery is without it: it has twenty at most."""
    commits = look(payload, "commits")
    for one in commits if isinstance(commits, list) else ():
        if look(one, "id") == commit:
            return (optional_text(one, "message") or "").strip().partition("\n")[0].strip()
    return ""


def _merge_request(forge: str, payload: dict[str, object]) -> Outcome:
    # The webhook's page in GitLab sends a trial without an action.
    action = optional_text(payload, "object_attributes.action") or ""
    change_action = _ACTIONS.get(action) or (_update(payload) if action == "update" else None)
    if change_action is None and action == "update" and isinstance(look(payload, _REVIEWERS), list):
        repo, asked = project_path(forge, payload, PROJECT), texts(payload, _REVIEWERS, "username")
        return ReviewersChanged(repo, number(payload, "object_attributes.iid"), asked)
    if action in _VERDICTS:
        repo = project_path(forge, payload, PROJECT)
        return ReviewersChanged(repo, number(payload, "object_attributes.iid"), None, judged=True)
    if change_action is None and action not in ("close", "merge"):
        return Ignored(_unplanned(action))
    change = delivered_change(project_path(forge, payload, PROJECT), payload, "object_attributes")
    sender = optional_text(payload, "user.username") or GHOST
    if change_action is None:
        return ChangeClosed(change, sender)
    return ChangeUpdated(change, change_action, sender, moment(payload, "object_attributes.updated_at"))


# `approval` is one of several that are needed, `approved` the last of them.
_VERDICTS = ("approved", "approval", "unapproved", "unapproval")
_ACTIONS = {"open": ChangeAction.OPENED, "reopen": ChangeAction.REOPENED}


def _update(payload: dict[str, object]) -> ChangeAction | None:
    """Return what an update was about, None if nothing of it concerns a plan."""
    # Only where the code changed.
    if (optional_text(payload, "object_attributes.oldrev") or "").strip("0"):
        return ChangeAction.NEW_COMMITS
    if isinstance(look(payload, "changes.target_branch"), dict):
        return ChangeAction.RETARGETED
    return ChangeAction.READY if _became_ready(payload) else None


def _became_ready(payload: dict[str, object]) -> bool:
    for field in ("changes.draft", "changes.work_in_progress"):
        if isinstance(look(payload, field), dict):
            return look(payload, f"{field}.current") is False
    # Older versions send only the title, which contains the draft mark.
    before = optional_text(payload, "changes.title.previous") or ""
    after = optional_text(payload, "changes.title.current") or ""
    return bool(_DRAFT.match(before)) and bool(after) and not _DRAFT.match(after)


def _unplanned(action: str) -> str:
    if action == "update":
        return "nothing that a plan depends on was edited in the merge request"
    if not action:
        return "the delivery does not say what happened to the merge request"
    return f"a merge request whose action is {shown(action)} is planned as before"


def _note(forge: str, payload: dict[str, object]) -> Outcome:
    if optional_text(payload, "object_attributes.noteable_type") != "MergeRequest":
        return Ignored("the comment is not on a merge request; only comments there are read")
    if look(payload, "object_attributes.system") is True:
        return Ignored("GitLab itself wrote the comment")
    # Older versions send no action, and only new comments.
    action = optional_text(payload, "object_attributes.action") or "create"
    if action == "update":
        author = optional_number(payload, "object_attributes.author_id")
        return CommentEdited(
            project_path(forge, payload, PROJECT),
            number(payload, "merge_request.iid"),
            str(number(payload, "object_attributes.id")),
            optional_text(payload, "user.username") or GHOST,
            by_author=author is not None and author == optional_number(payload, "user.id"),
        )
    if action != "create":
        return Ignored(f"the comment's action is {shown(action)}; only new comments are read")
    name = optional_text(payload, "user.username")
    if name is None:
        return Ignored("the comment's author no longer has an account")
    return CommentAdded(
        repo=project_path(forge, payload, PROJECT),
        number=number(payload, "merge_request.iid"),
        comment_id=str(number(payload, "object_attributes.id")),
        author=name,
        author_is_bot=is_a_tokens_user(name),
        body=optional_text(payload, "object_attributes.note") or "",
        created_at=moment(payload, "object_attributes.created_at"),
        author_id=str(optional_number(payload, "user.id") or ""),
    )


def _pipeline(forge: str, payload: dict[str, object]) -> Outcome:
    """Read a pipeline: one for a merge request may be its merge train's, which only GitLab's API tells.

    GitLab takes a commit off its train if the pipeline fails or is canceled. For another's than a train's
    there are no plans that could be stopped by it.
    """
    status = optional_text(payload, "object_attributes.status") or ""
    source = optional_text(payload, "object_attributes.source") or ""
    if source != "merge_request_event" or optional_number(payload, "merge_request.iid") is None:
        return Ignored("the pipeline is not for a merge request")
    repo, commit = project_path(forge, payload, PROJECT), sha(payload, "object_attributes.sha")
    if status in _LOST:
        return GroupGone(repo, commit, _LOST[status])
    if status not in _UNFINISHED:
        return Ignored("nothing is planned for a pipeline that has ended")
    return GroupAsked(
        repo,
        number(payload, "merge_request.iid"),
        commit,
        text(payload, "merge_request.target_branch"),
        text(payload, "project.default_branch"),
    )


_UNFINISHED = frozenset({"created", "waiting_for_resource", "preparing", "pending", "running"})
_LOST = {"failed": "its pipeline failed", "canceled": "its pipeline was canceled"}
_READERS: dict[str, Callable[[str, dict[str, object]], Outcome]] = {
    "Push Hook": _push,
    "Tag Push Hook": _tag,
    "Merge Request Hook": _merge_request,
    "Note Hook": _note,
    "Pipeline Hook": _pipeline,
    # The same for an internal note. GitLab is still asked what its author may do.
    "Confidential Note Hook": _note,
}
