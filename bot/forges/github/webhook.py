"""Turns GitHub's deliveries into events, or into the reason why they lead to nothing. No I/O."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Sequence
from urllib.parse import parse_qs

from bot.domain.errors import Invalid
from bot.domain.events import (
    BranchPushed,
    ChangeAction,
    ChangeClosed,
    ChangeUpdated,
    CommentAdded,
    CommentEdited,
    ForgeEvent,
    GroupGone,
    GroupQueued,
    Ignored,
    RepoRef,
    ReviewersChanged,
    TagPushed,
)
from bot.forges.fields import (
    flag,
    json_object,
    look,
    moment,
    number,
    optional_number,
    optional_text,
    sha,
    shown,
    text,
)
from bot.forges.github.shapes import GHOST, read_asked, read_change

SIGNATURE_HEADER = "X-Hub-Signature-256"
EVENT_HEADER = "X-GitHub-Event"
DELIVERY_HEADER = "X-GitHub-Delivery"

_SIGNATURE = re.compile(r"sha256=([0-9a-f]{64})")
_QUEUE_BRANCH = re.compile(r"gh-readonly-queue/.+/pr-(?P<number>[1-9][0-9]{0,8})-[0-9a-f]{40,64}")
_FORM = "application/x-www-form-urlencoded"
_ACTIONS = {
    "opened": ChangeAction.OPENED,
    "reopened": ChangeAction.REOPENED,
    "synchronize": ChangeAction.NEW_COMMITS,
    "ready_for_review": ChangeAction.READY,
}
Outcome = ForgeEvent | Ignored


_VERDICTS = {("submitted", "approved"), ("submitted", "changes_requested")}


def verify(secrets: str | Sequence[str], body: bytes, signature: str | None) -> bool:
    """Return whether one of the secrets signed the raw body; there are several while one is being replaced.

    Takes the same time for every secret. A malformed header counts as a wrong signature.
    """
    match = _SIGNATURE.fullmatch(signature or "")
    if match is None:
        return False
    given, fits = match[1].encode(), False
    for secret in [secrets] if isinstance(secrets, str) else secrets:
        expected = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest().encode()
        # Anybody can sign with an empty secret: one that was forgotten in the settings opens no door.
        fits |= hmac.compare_digest(expected, given) and bool(secret)
    return fits


def parse(forge: str, event: str, body: bytes, content_type: str = "application/json") -> Outcome:
    """Return what a delivery means; `event` is its X-GitHub-Event header, `forge` our name for the instance.

    Raises Invalid, naming the field, if the body is malformed.
    """
    return understand(forge, event, load(body, content_type))


def understand(forge: str, event: str, payload: dict[str, object]) -> Outcome:
    """Return what a delivery's decoded body means. Raises Invalid."""
    if event == "ping":
        return Ignored("a ping: the webhook reaches this server")
    reader = _READERS.get(event)
    if reader is None:
        return Ignored(f"{shown(event)} events are ignored")
    return reader(forge, payload)


def concerns_us(event: str) -> bool:
    """Return whether an event, as the header names it, may lead to something."""
    return event in _READERS


def load(body: bytes, content_type: str) -> dict[str, object]:
    """Decode a delivery's body. Raises Invalid."""
    raw: bytes | str = body
    if content_type.partition(";")[0].strip().lower() == _FORM:
        try:
            fields = parse_qs(body.decode(), strict_parsing=True, max_num_fields=10)
        except ValueError:
            raise Invalid("the delivery's body is not JSON") from None
        raw = fields.get("payload", [""])[0]
    return json_object(raw)


def _push(forge: str, payload: dict[str, object]) -> Outcome:
    ref = text(payload, "ref")
    kind, _, name = ref.removeprefix("refs/").partition("/")
    if kind not in ("heads", "tags") or not name:
        return Ignored(f"a push to {shown(ref)} is not a push to a branch or a tag")
    after = sha(payload, "after")
    if flag(payload, "deleted") or not after.strip("0"):
        return Ignored(f"{'branch' if kind == 'heads' else 'tag'} {shown(name)} was deleted")
    repo = _repo(forge, payload)
    message = (optional_text(payload, "head_commit.message") or "").strip().partition("\n")[0].strip()
    pusher = optional_text(payload, "sender.login") or optional_text(payload, "pusher.name") or GHOST
    default_branch = text(payload, "repository.default_branch")
    if kind == "tags":
        # `after` of an annotated tag is the tag's own object, not the commit.
        commit = sha(payload, "head_commit.id") if look(payload, "head_commit.id") else after
        return TagPushed(repo, name, commit, pusher, message, default_branch)
    before = sha(payload, "before") if (optional_text(payload, "before") or "").strip("0") else ""
    return BranchPushed(repo, name, before, after, pusher, message, default_branch)


def _pull_request(forge: str, payload: dict[str, object]) -> Outcome:
    action = text(payload, "action")
    known = _ACTIONS.get(action)
    if action == "edited":
        if not isinstance(look(payload, "changes.base"), dict):
            return Ignored("only the pull request's title or description was edited")
        known = ChangeAction.RETARGETED
    if action in ("review_requested", "review_request_removed"):
        repo = _repo(forge, payload)
        asked = read_asked(repo, payload, "pull_request.")
        return ReviewersChanged(repo, number(payload, "pull_request.number"), asked)
    if known is None and action != "closed":
        return Ignored(f"a pull request that was {shown(action.replace('_', ' '))} is planned as before")
    change = read_change(_repo(forge, payload), payload, "pull_request.")
    sender = optional_text(payload, "sender.login") or GHOST
    if known is None:
        return ChangeClosed(change, sender)
    return ChangeUpdated(change, known, sender, moment(payload, "pull_request.updated_at"))


def _review(forge: str, payload: dict[str, object]) -> Outcome:
    action = text(payload, "action")
    if action != "dismissed" and (action, optional_text(payload, "review.state")) not in _VERDICTS:
        return Ignored("the review has no verdict")
    repo = _repo(forge, payload)
    asked = read_asked(repo, payload, "pull_request.")
    return ReviewersChanged(repo, number(payload, "pull_request.number"), asked, judged=True)


def _merge_group(forge: str, payload: dict[str, object]) -> Outcome:
    action = text(payload, "action")
    whole = optional_text(payload, "repository.full_name")
    path = whole or f"{text(payload, 'repository.owner.login')}/{text(payload, 'repository.name')}"
    repo = RepoRef(forge, path.lower())
    head = sha(payload, "merge_group.head_sha")
    if action == "destroyed":
        return GroupGone(repo, head, shown(optional_text(payload, "reason") or "it was destroyed"))
    if action != "checks_requested":
        return Ignored(f"a group of the merge queue that was {shown(action)} needs no answer")
    branch = text(payload, "merge_group.head_ref").removeprefix("refs/heads/")
    named = _QUEUE_BRANCH.fullmatch(branch)
    if named is None:
        return Ignored(f"the merge queue's branch {shown(branch)} names no pull request")
    return GroupQueued(
        repo=repo,
        number=int(named["number"]),
        head_sha=head,
        head_branch=branch,
        base_sha=sha(payload, "merge_group.base_sha"),
        base_branch=text(payload, "merge_group.base_ref").removeprefix("refs/heads/"),
        default_branch=text(payload, "repository.default_branch"),
    )


def _issue_comment(forge: str, payload: dict[str, object]) -> Outcome:
    action = text(payload, "action")
    if action not in ("created", "edited", "deleted"):
        return Ignored(f"a comment was {shown(action)}; only new comments are read")
    if not isinstance(look(payload, "issue.pull_request"), dict):
        return Ignored("the comment is on an issue; only comments on pull requests are read")
    author = optional_text(payload, "comment.user.login")
    if action != "created":
        return CommentEdited(
            _repo(forge, payload),
            number(payload, "issue.number"),
            str(number(payload, "comment.id")),
            optional_text(payload, "sender.login") or GHOST,
            deleted=action == "deleted",
            by_author=author is not None and author == optional_text(payload, "sender.login"),
        )
    if author is None:
        return Ignored("the comment's author no longer has an account")
    return CommentAdded(
        repo=_repo(forge, payload),
        number=number(payload, "issue.number"),
        comment_id=str(number(payload, "comment.id")),
        author=author,
        author_is_bot=wrote_a_program(payload, author),
        body=optional_text(payload, "comment.body") or "",
        created_at=moment(payload, "comment.created_at"),
        author_id=str(optional_number(payload, "comment.user.id") or ""),
    )


def wrote_a_program(payload: dict[str, object], author: str) -> bool:
    """Return whether a program wrote it; this includes an app that writes in a person's name."""
    return (
        look(payload, "comment.user.type") == "Bot"
        or author.endswith("[bot]")
        or isinstance(look(payload, "comment.performed_via_github_app"), dict)
    )


def _repo(forge: str, payload: dict[str, object]) -> RepoRef:
    # GitHub ignores the case of paths; we compare them with plangate.yml, so both are normalised.
    return RepoRef(forge, text(payload, "repository.full_name").lower())


_READERS: dict[str, Callable[[str, dict[str, object]], Outcome]] = {
    "push": _push,
    "pull_request": _pull_request,
    "pull_request_review": _review,
    "issue_comment": _issue_comment,
    "merge_group": _merge_group,
}
