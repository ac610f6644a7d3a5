"""GitLab's deliveries become events, or reasons; and who may have sent them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.domain.errors import Invalid
from bot.domain.events import (
    BranchPushed,
    Change,
    ChangeAction,
    ChangeClosed,
    ChangeUpdated,
    CommentAdded,
    CommentEdited,
    ForgeEvent,
    GroupAsked,
    GroupGone,
    Ignored,
    RepoRef,
    ReviewersChanged,
    TagPushed,
)
from bot.forges.gitlab.receiver import WINDOW, GitLabHook
from bot.forges.gitlab.signing import TOLERANCE, verify
from bot.forges.gitlab.webhook import parse
from tests.support.contracts import CONTRACTS, needs_contracts, recorded

RECORDED = CONTRACTS / "gitlab"
REPO = RepoRef("lab", "platform/network/infra")
A, B, NONE = "a" * 40, "b" * 40, "0" * 40
NOW = 1_765_000_000.0
PROJECT = {"id": 7, "path_with_namespace": "Platform/network/infra", "default_branch": "main"}
USER = {"id": 3, "username": "ana", "name": "Ana"}


def push(**fields: object) -> dict[str, Any]:
    commits = [{"id": A, "message": "First\n"}, {"id": B, "message": "\n Widen \n\nmore"}]
    return {
        "object_kind": "push", "ref": "refs/heads/feature/x", "before": A, "after": B, "checkout_sha": B,
        "user_username": "ana", "project": PROJECT, "commits": commits, **fields,
    }  # fmt: skip


def merge_request(action: str | None, changes: object = None, **attributes: object) -> dict[str, Any]:
    named = {} if action is None else {"action": action}
    return {
        "object_kind": "merge_request", "user": USER, "project": PROJECT, "changes": changes or {},
        "object_attributes": {
            "iid": 12, "title": "Widen", "author_id": 3, "source_branch": "widen", "target_branch": "main",
            "source_project_id": 7, "target_project_id": 7, "state": "opened", "draft": False,
            "detailed_merge_status": "checking", "last_commit": {"id": B},
            "url": "https://git.example.test/x/-/merge_requests/12", **named, **attributes,
        },
    }  # fmt: skip


def note(**attributes: object) -> dict[str, Any]:
    return {
        "object_kind": "note", "user": USER, "project": PROJECT, "merge_request": {"iid": 12},
        "object_attributes": {
            "id": 99, "note": "/apply", "noteable_type": "MergeRequest", "system": False, **attributes,
        },
    }  # fmt: skip


def read(event: str, payload: object) -> ForgeEvent | Ignored:
    return parse("lab", event, json.dumps(payload).encode())


def reason(event: str, payload: object) -> str:
    outcome = read(event, payload)
    assert isinstance(outcome, Ignored)
    return outcome.reason


# Pushes


def test_a_push_to_a_branch() -> None:
    expected = BranchPushed(REPO, "feature/x", A, B, "ana", "Widen", "main")
    assert read("Push Hook", push()) == expected


def test_a_push_whose_last_commit_is_not_among_the_twenty_has_no_message() -> None:
    outcome = read("Push Hook", push(commits=[{"id": A, "message": "First"}]))
    assert isinstance(outcome, BranchPushed)
    assert outcome.message == ""


def test_a_new_branch_has_nothing_before_it_and_a_deleted_one_leads_to_nothing() -> None:
    outcome = read("Push Hook", push(before=NONE))
    assert isinstance(outcome, BranchPushed)
    assert outcome.before == ""
    assert reason("Push Hook", push(after=NONE, checkout_sha=None)) == "branch feature/x was deleted"


def test_an_annotated_tag_means_the_commit_that_it_is_on() -> None:
    tagged = push(ref="refs/tags/v1", after="c" * 40, before=NONE)
    assert read("Tag Push Hook", tagged) == TagPushed(REPO, "v1", B, "ana", "Widen", "main")
    assert reason("Tag Push Hook", push(ref="refs/tags/v1", after=NONE)) == "tag v1 was deleted"


# Merge requests


@pytest.mark.parametrize(
    ("payload", "action"),
    [
        (merge_request("open"), ChangeAction.OPENED),
        (merge_request("reopen"), ChangeAction.REOPENED),
        (merge_request("update", oldrev=A), ChangeAction.NEW_COMMITS),
        (merge_request("update", {"target_branch": {"previous": "x", "current": "main"}}),
         ChangeAction.RETARGETED),
        (merge_request("update", {"draft": {"previous": True, "current": False}}), ChangeAction.READY),
        (merge_request("update", {"work_in_progress": {"previous": True, "current": False}}),
         ChangeAction.READY),
        (merge_request("update", {"title": {"previous": "Draft: Widen", "current": "Widen"}}),
         ChangeAction.READY),
    ],
)  # fmt: skip
def test_a_merge_request_that_is_to_be_planned(payload: object, action: ChangeAction) -> None:
    change = Change(
        REPO, 12, "Widen", "ana", B, "widen", "main", False,
        "https://git.example.test/x/-/merge_requests/12", default_branch="main",
    )  # fmt: skip
    assert read("Merge Request Hook", payload) == ChangeUpdated(change, action, "ana")


def test_who_is_asked_for_a_review() -> None:
    ben = {"id": 4, "username": "ben"}
    outcome = read("Merge Request Hook", merge_request("open") | {"reviewers": [ben, {}, None]})
    assert isinstance(outcome, ChangeUpdated) and outcome.change.asked == ("ben",)
    for current, asked in ([ben], ("ben",)), ([], ()):
        update = merge_request("update", {"reviewers": {"previous": [], "current": current}})
        assert read("Merge Request Hook", update) == ReviewersChanged(REPO, 12, asked)
    pushed = merge_request("update", {"reviewers": {"previous": [], "current": [ben]}}, oldrev=A)
    assert isinstance(read("Merge Request Hook", pushed), ChangeUpdated)


@needs_contracts
def test_recorded_changes_of_reviewers_say_who_is_asked_now() -> None:
    names = "update__woodpecker-8a969fb7", "update__woodpecker-c7d9cbb1"
    bodies = [(RECORDED / f"merge_request.{name}.json").read_bytes() for name in names]
    outcomes = [parse("lab", "Merge Request Hook", body) for body in bodies]
    assert [isinstance(each, ReviewersChanged) and each.asked for each in outcomes] == [("real6543",), ()]


@pytest.mark.parametrize(("action", "merged"), [("close", False), ("merge", True)])
def test_a_merge_request_that_ended(action: str, merged: bool) -> None:
    outcome = read("Merge Request Hook", merge_request(action, state=f"{action}d".replace("ee", "e")))
    assert isinstance(outcome, ChangeClosed)
    assert (outcome.change.open, outcome.change.merged) == (False, merged)


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        (merge_request("update", {"labels": {}}), "nothing that a plan depends on was edited"),
        (merge_request("update", {"draft": {"previous": False, "current": True}}), "nothing that a plan"),
        (merge_request("update", {"title": {"previous": "A", "current": "Draft: A"}}), "nothing that a plan"),
        (merge_request(None), "does not say what happened"),
        (merge_request("sing"), "sing is planned as before"),
    ],
)
def test_a_merge_request_that_is_planned_as_before(payload: object, words: str) -> None:
    assert words in reason("Merge Request Hook", payload)


@pytest.mark.parametrize("action", ["approved", "approval", "unapproved", "unapproval"])
def test_a_verdict_on_a_merge_request(action: str) -> None:
    outcome = read("Merge Request Hook", merge_request(action))
    assert isinstance(outcome, ReviewersChanged)
    assert (outcome.number, outcome.asked, outcome.judged) == (12, None, True)


@pytest.mark.parametrize(
    ("attributes", "fork"),
    [({}, False), ({"source_project_id": 8}, True), ({"source_project_id": None}, True)],
)
def test_a_fork_is_told_by_its_project(attributes: dict[str, object], fork: bool) -> None:
    outcome = read("Merge Request Hook", merge_request("open", **attributes))
    assert isinstance(outcome, ChangeUpdated)
    assert outcome.change.from_fork is fork


@pytest.mark.parametrize(
    ("attributes", "mergeable"),
    [
        ({"detailed_merge_status": "mergeable"}, True),
        ({"detailed_merge_status": "ci_still_running"}, True),
        ({"detailed_merge_status": "not_approved"}, True),
        ({"detailed_merge_status": "not_approved", "has_conflicts": True}, False),
        ({"detailed_merge_status": "conflict"}, False),
        ({"detailed_merge_status": "need_rebase"}, False),
        ({"detailed_merge_status": "unchecked"}, None),
        ({"detailed_merge_status": None, "merge_status": "can_be_merged"}, True),
        ({"detailed_merge_status": None, "merge_status": "cannot_be_merged"}, False),
        ({"detailed_merge_status": None, "merge_status": "checking"}, None),
        ({"detailed_merge_status": None}, None),
    ],
)
def test_what_stands_in_the_way_of_a_merge(attributes: dict[str, object], mergeable: bool | None) -> None:
    outcome = read("Merge Request Hook", merge_request("open", **attributes))
    assert isinstance(outcome, ChangeUpdated)
    assert outcome.change.mergeable is mergeable


def test_the_author_of_a_change_that_somebody_else_edited_is_not_known() -> None:
    outcome = read("Merge Request Hook", merge_request("update", oldrev=A, author_id=4))
    assert isinstance(outcome, ChangeUpdated)
    assert (outcome.change.author, outcome.sender) == ("", "ana")


# Notes


@pytest.mark.parametrize("event", ["Note Hook", "Confidential Note Hook"])
@pytest.mark.parametrize("attributes", [{}, {"action": "create"}])
def test_a_comment_on_a_merge_request(event: str, attributes: dict[str, object]) -> None:
    assert read(event, note(**attributes)) == CommentAdded(
        REPO, 12, "99", "ana", False, "/apply", author_id="3"
    )


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        ({"noteable_type": "Issue"}, "not on a merge request"),
        ({"noteable_type": "Commit"}, "not on a merge request"),
        ({"system": True}, "GitLab itself"),
        ({"action": "resolve"}, "only new comments are read"),
    ],
)
def test_a_comment_that_is_not_read(attributes: dict[str, object], words: str) -> None:
    assert words in reason("Note Hook", note(**attributes))


@pytest.mark.parametrize(("author", "by_author"), [(3, True), (4, False)])
def test_a_comment_that_was_edited_may_be_ours(author: int, by_author: bool) -> None:
    edited = note(action="update", author_id=author)
    assert read("Note Hook", edited) == CommentEdited(REPO, 12, "99", "ana", by_author=by_author)


@pytest.mark.parametrize(
    ("login", "bot"),
    [
        ("ana", False),
        ("project_7_bot_1a2b3c", True),
        ("group_12_bot1", True),
        ("project_7_bot", True),
        ("projects_7_bot", False),
        ("my_project_7_bot", False),
    ],
)
def test_the_users_of_project_and_group_tokens_are_bots(login: str, bot: bool) -> None:
    outcome = read("Note Hook", note() | {"user": {"id": 5, "username": login}})
    assert isinstance(outcome, CommentAdded)
    assert outcome.author_is_bot is bot


# Whatever else comes


def test_other_hooks_lead_to_nothing_and_say_why() -> None:
    assert "add the webhook to the project" in reason("System Hook", push())
    assert "Job Hook" in reason("Job Hook", {})


def pipeline(status: str, **fields: object) -> dict[str, Any]:
    attributes = {"id": 9, "sha": A, "ref": "widen", "source": "merge_request_event", "status": status}
    change = {"iid": 12, "source_branch": "widen", "target_branch": "release/1"}
    return {"project": PROJECT, "merge_request": change, "object_attributes": attributes, **fields}


def test_a_pipeline_for_a_merge_request_may_be_its_merge_trains() -> None:
    for status in ("created", "pending", "running"):
        found = parse("lab", "Pipeline Hook", json.dumps(pipeline(status)).encode())
        assert found == GroupAsked(REPO, 12, A, "release/1", "main")
    assert "has ended" in reason("Pipeline Hook", pipeline("success"))
    for status, why in (("failed", "its pipeline failed"), ("canceled", "its pipeline was canceled")):
        found = parse("lab", "Pipeline Hook", json.dumps(pipeline(status)).encode())
        assert found == GroupGone(REPO, A, why)
    assert "not for a merge request" in reason("Pipeline Hook", pipeline("pending", merge_request=None))
    pushed = {"sha": A, "source": "push", "status": "pending"}
    assert "not for a merge request" in reason("Pipeline Hook", pipeline("x", object_attributes=pushed))


@pytest.mark.parametrize("body", [b"", b"[]", b"\xff", b'{"ref": 1}', b"[" * 100_000])
def test_a_malformed_body_is_refused_with_words(body: bytes) -> None:
    with pytest.raises(Invalid):
        parse("lab", "Push Hook", body)


# Recorded by somebody whose tool put a blank behind each name: nothing in it can be found.
MANGLED = "merge_request.merge__go-gitlab-920fbbd6.json"


@pytest.mark.parametrize("entry", recorded("gitlab"))
def test_every_recorded_delivery_is_an_event_or_has_a_reason(entry: dict[str, Any]) -> None:
    body = (RECORDED / entry["file"]).read_bytes()
    event = entry["headers"]["X-Gitlab-Event"]
    if entry["file"] == MANGLED:
        got = hook().read({"x-gitlab-event": event}, body)
        assert "could not be read: there should be" in hook().check(got, body).ignored
        return
    outcome = parse("lab", event, body)
    kinds = {
        "push": BranchPushed,
        "tag_push": TagPushed,
        "merge_request": ChangeUpdated,
        "note": CommentAdded,
        "pipeline": GroupGone,
    }
    kind: type = kinds.get(entry["event"], Ignored)
    if entry["event"] == "merge_request" and entry["action"] in ("close", "merge"):
        kind = ChangeClosed
    if entry["event"] == "merge_request" and "approv" in entry["action"]:
        assert isinstance(outcome, ReviewersChanged) and (outcome.asked, outcome.judged) == (None, True)
        kind = ReviewersChanged
    elif isinstance(outcome, ReviewersChanged):
        current = json.loads(body)["changes"]["reviewers"]["current"]
        assert outcome.asked == tuple(one["username"] for one in current)
        kind = ReviewersChanged
    if isinstance(outcome, Ignored):
        assert outcome.reason
        assert entry["event"] not in ("push", "tag_push") or "deleted" in outcome.reason
        assert entry["action"] not in ("open", "reopen", "close", "merge") or kind is Ignored
        assert "oldrev" not in entry["tags"]
        assert "on-MergeRequest" not in entry["tags"]
    else:
        assert isinstance(outcome, kind)


_words = st.sampled_from(["open", "update", "refs/heads/x", "refs/tags/x", A, NONE, "MergeRequest", "opened"])
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | _words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


@settings(deadline=None)
@given(
    data=st.data(), event=st.sampled_from(["Push Hook", "Tag Push Hook", "Merge Request Hook", "Note Hook"])
)
def test_any_one_field_replaced_by_anything(data: st.DataObject, event: str) -> None:
    bodies = {"Merge Request Hook": merge_request("update", oldrev=A), "Note Hook": note()}
    payload = json.loads(json.dumps(bodies.get(event, push())))
    place = payload
    while True:
        key = data.draw(st.sampled_from(sorted(place)))
        if not isinstance(place[key], dict) or not place[key] or data.draw(st.booleans()):
            break
        place = place[key]
    place[key] = data.draw(_json)
    try:
        outcome = read(event, payload)
    except Invalid as refusal:
        assert "`" in str(refusal)
    else:
        repr(outcome).encode()


# Who sent it


def signed(secret: str, body: bytes, *, at: float = NOW, delivery: str = "d-1") -> dict[str, str]:
    key = base64.b64decode(secret.removeprefix("whsec_"))
    message = f"{delivery}.{int(at)}.".encode() + body
    signature = base64.b64encode(hmac.new(key, message, hashlib.sha256).digest()).decode()
    return {
        "webhook-id": delivery,
        "webhook-timestamp": str(int(at)),
        "webhook-signature": f"v1,{signature}",
    }


KEY = "whsec_" + base64.b64encode(b"0123456789abcdef").decode()
OTHER = "whsec_" + base64.b64encode(b"fedcba9876543210").decode()


def test_any_of_several_secret_tokens_lets_a_delivery_in() -> None:
    for given_token, good in (("new", True), ("old", True), ("older", False), ("", False)):
        assert verify(["new", "old"], {"x-gitlab-token": given_token}, b"x", NOW) is good
    assert not verify(["new"], {}, b"x", NOW)
    assert not verify(["", "new"], {"x-gitlab-token": ""}, b"x", NOW)
    assert not verify([], {"x-gitlab-token": ""}, b"x", NOW)


def test_a_signed_delivery() -> None:
    assert verify([KEY], signed(KEY, b"x"), b"x", NOW)
    assert verify([OTHER, KEY], signed(KEY, b"x"), b"x", NOW)
    assert not verify([OTHER], signed(KEY, b"x"), b"x", NOW)
    assert not verify([KEY], signed(KEY, b"x"), b"y", NOW)
    assert not verify([KEY], signed(KEY, b"x") | {"webhook-id": "d-2"}, b"x", NOW)


def test_one_of_several_signatures_is_enough() -> None:
    headers = signed(KEY, b"x")
    both = f"v1,{base64.b64encode(b'no').decode()} v2,abc {headers['webhook-signature']}"
    assert verify([KEY], headers | {"webhook-signature": both}, b"x", NOW)


@pytest.mark.parametrize("off", [TOLERANCE + 1, -TOLERANCE - 1])
def test_an_old_delivery_or_one_of_the_future_is_refused(off: float) -> None:
    assert not verify([KEY], signed(KEY, b"x", at=NOW + off), b"x", NOW)
    assert verify([KEY], signed(KEY, b"x", at=NOW + off / 2), b"x", NOW)


@pytest.mark.parametrize("broken", ["", "v1,", "v1,AAAA", "v2,AAAA", "ä"])
def test_a_broken_signature_is_never_made_up_for_by_the_token(broken: str) -> None:
    headers = signed(KEY, b"x") | {"webhook-signature": broken, "x-gitlab-token": "token"}
    assert not verify(["token", KEY], headers, b"x", NOW)
    del headers["webhook-signature"]
    assert not verify(["token", KEY], headers, b"x", NOW)


def test_a_signing_token_is_no_secret_token() -> None:
    assert not verify([KEY], {"x-gitlab-token": KEY}, b"x", NOW)
    assert not verify(["whsec_", "whsec_!"], signed("whsec_", b"x"), b"x", NOW)


@needs_contracts
def test_the_published_signatures() -> None:
    vectors = json.loads((CONTRACTS / "signature-vectors.json").read_text())["gitlab_signing_token"]
    for one in vectors["vectors"]:
        headers = {name: value for name, value in one.items() if name.startswith("webhook-")}
        body, now = one["body"].encode(), float(one["webhook-timestamp"])
        assert verify([one["signing_token"]], headers, body, now)
        assert not verify([one["signing_token"]], headers, body + b" ", now)


@settings(deadline=None)
@given(body=st.binary(), values=st.lists(st.text(), min_size=4, max_size=4))
def test_no_header_raises(body: bytes, values: list[str]) -> None:
    names = ("webhook-id", "webhook-timestamp", "webhook-signature", "x-gitlab-token")
    assert not verify([KEY, "token"], dict(zip(names, values, strict=True)), body, NOW)


# The hook


def hook(at: float = NOW) -> GitLabHook:
    return GitLabHook(
        "lab", ("token",), lambda: datetime.fromtimestamp(at, UTC), "https://git.example.test/x"
    )


def test_the_id_is_the_webhooks_else_the_idempotency_key_else_of_the_body() -> None:
    event = {"x-gitlab-event": "Push Hook", "x-gitlab-event-uuid": "shared"}
    both = event | {"idempotency-key": "k-1", "webhook-id": "w-1"}
    assert hook().read(both, b"x").delivery_id == "w-1"
    assert hook().read(event | {"idempotency-key": "k-1"}, b"x").delivery_id == "k-1"
    digest = hook().read(event, b"x").delivery_id
    assert digest == hook(NOW + 1).read(event, b"x").delivery_id
    others = [
        hook(NOW + WINDOW).read(event, b"x"),
        hook().read(event, b"y"),
        hook().read({"x-gitlab-event": "Tag Push Hook"}, b"x"),
    ]
    assert digest not in {other.delivery_id for other in others}


@pytest.mark.parametrize(
    "headers", [{}, {"x-gitlab-event": "\n"}, {"x-gitlab-event": "A", "webhook-id": " "}]
)
def test_missing_or_malformed_headers_are_refused(headers: dict[str, str]) -> None:
    with pytest.raises(Invalid, match="header"):
        hook().read(headers, b"x")


def test_what_cannot_be_read_leads_to_nothing_for_gitlab_switches_off_hooks_that_are_refused() -> None:
    got = hook().read({"x-gitlab-event": "Push Hook"}, b"{}")
    assert "could not be read" in hook().check(got, b"{}").ignored
    checked = hook().check(got, json.dumps(push()).encode())
    assert (checked.repo, checked.ignored) == ("platform/network/infra", "")


def test_a_commit_has_a_page() -> None:
    assert hook().commit_url(REPO, A) == f"https://git.example.test/x/platform/network/infra/-/commit/{A}"
