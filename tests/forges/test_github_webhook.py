"""GitHub's deliveries become events, or a reason why they lead to nothing."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.domain.errors import Invalid
from bot.domain.events import (
    BranchPushed,
    ChangeAction,
    ChangeClosed,
    ChangeUpdated,
    CommentAdded,
    CommentEdited,
    GroupGone,
    GroupQueued,
    Ignored,
    RepoRef,
    ReviewersChanged,
    TagPushed,
)
from bot.forges.github.webhook import parse, verify
from tests.support.contracts import CONTRACTS, manifest, needs_contracts, recorded

ROOT = Path(__file__).parents[2]
RECORDED = CONTRACTS / "github"
OWN = sorted((ROOT / "tests" / "payloads" / "github").glob("*.json"))
REPO = RepoRef("github", "acme/infra")
A, B, C = "a" * 40, "b" * 40, "c" * 40


def own(name: str) -> bytes:
    return (ROOT / "tests" / "payloads" / "github" / f"{name}.json").read_bytes()


def parsed(name: str) -> Any:
    return parse("github", name.partition("__")[0], own(name))


# What comes of our own payloads


def test_a_push_to_a_branch() -> None:
    assert parsed("push__branch") == BranchPushed(REPO, "main", A, B, "alice", "Widen the subnet", "main")


def test_a_new_branch_has_nothing_before_it() -> None:
    event = parsed("push__branch_created")
    assert (event.branch, event.before, event.after) == ("feature/subnet", "", B)


def test_an_annotated_tag_gives_its_commit_and_not_its_object() -> None:
    assert parsed("push__annotated_tag") == TagPushed(REPO, "v1.2.0", B, "alice", "Widen the subnet", "main")


def test_a_pull_request() -> None:
    event = parsed("pull_request__opened")
    assert isinstance(event, ChangeUpdated)
    assert (event.action, event.sender) == (ChangeAction.OPENED, "alice")
    change = event.change
    assert (change.repo, change.number, change.title, change.author) == (
        REPO, 7, "Widen the subnet", "alice",
    )  # fmt: skip
    assert (change.head_sha, change.head_branch, change.base_branch) == (B, "feature/subnet", "main")
    assert change.url == "https://forge.example.test/acme/infra/pull/7"
    assert (change.open, change.merged, change.draft, change.mergeable) == (True, False, False, None)
    assert not change.from_fork


@pytest.mark.parametrize(
    ("name", "action"),
    [
        ("pull_request__reopened", ChangeAction.REOPENED),
        ("pull_request__ready_for_review", ChangeAction.READY),
        ("pull_request__edited_base", ChangeAction.RETARGETED),
        ("pull_request__synchronize_fork_gone", ChangeAction.NEW_COMMITS),
    ],
)
def test_what_became_of_a_pull_request(name: str, action: ChangeAction) -> None:
    assert parsed(name).action is action


@pytest.mark.parametrize("name", ["pull_request__opened_from_fork", "pull_request__synchronize_fork_gone"])
def test_another_or_a_lost_head_repository_is_a_fork(name: str) -> None:
    assert parsed(name).change.from_fork


def test_a_fork_is_assumed_where_it_cannot_be_told() -> None:
    payload = json.loads(own("pull_request__opened"))
    del payload["pull_request"]["head"]["repo"]["id"], payload["pull_request"]["base"]["repo"]["id"]
    event = parse("github", "pull_request", json.dumps(payload).encode())
    assert isinstance(event, ChangeUpdated) and event.change.from_fork


def test_a_merged_pull_request() -> None:
    event = parsed("pull_request__closed_merged")
    assert isinstance(event, ChangeClosed)
    assert (event.change.open, event.change.merged) == (False, True)


def test_a_comment() -> None:
    assert parsed("issue_comment__apply") == CommentAdded(REPO, 7, "4001", "alice", False, "/apply\n")


def test_a_group_of_the_merge_queue() -> None:
    branch = f"gh-readonly-queue/release/1/pr-7-{A}"
    assert parsed("merge_group__checks_requested") == GroupQueued(REPO, 7, B, branch, A, "release/1", "main")
    assert parsed("merge_group__destroyed") == GroupGone(REPO, B, "merged")


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("head_ref", "refs/heads/gh-readonly-queue/main/pr-x-1", "names no pull request"),
        ("head_ref", f"refs/heads/gh-readonly-queue/main/pr-{10**12}-{A}", "names no pull request"),
        ("head_ref", f"refs/heads/topic/pr-7-{A}", "names no pull request"),
    ],
)
def test_a_group_that_names_no_pull_request(field: str, value: str, reason: str) -> None:
    payload = json.loads(own("merge_group__checks_requested"))
    payload["merge_group"][field] = value
    outcome = parse("github", "merge_group", json.dumps(payload).encode())
    assert isinstance(outcome, Ignored) and reason in outcome.reason


@pytest.mark.parametrize("name", ["issue_comment__by_bot", "issue_comment__through_app"])
def test_programs_are_told_from_people(name: str) -> None:
    assert parsed(name).author_is_bot


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("push__branch_deleted", "branch feature/subnet was deleted"),
        ("push__tag_deleted", "tag v1.2.0 was deleted"),
        ("push__notes", "a push to refs/notes/commits is not a push to a branch or a tag"),
        ("pull_request__edited_title", "only the pull request's title or description was edited"),
        (
            "pull_request__converted_to_draft",
            "a pull request that was converted to draft is planned as before",
        ),
        ("issue_comment__on_issue", "the comment is on an issue; only comments on pull requests are read"),
        ("issue_comment__author_gone", "the comment's author no longer has an account"),
        ("ping__hook", "a ping: the webhook reaches this server"),
        ("star__created", "star events are ignored"),
    ],
)
def test_what_leads_to_nothing_says_why(name: str, reason: str) -> None:
    assert parsed(name) == Ignored(reason)


def test_a_form_carries_the_same_payload() -> None:
    body = urlencode({"payload": own("push__branch").decode()}).encode()
    form = parse("github", "push", body, "application/x-www-form-urlencoded; charset=utf-8")
    assert form == parsed("push__branch")


# What was recorded elsewhere


@pytest.mark.parametrize("entry", recorded("github"))
def test_every_recorded_payload_is_an_event_or_has_a_reason(entry: dict[str, Any]) -> None:
    name = entry["headers"]["X-GitHub-Event"]
    body = (RECORDED / entry["file"]).read_bytes()
    outcome = parse("github", name, body)
    tags, action = set(entry["tags"]), entry["action"]
    payload = json.loads(body)
    match name, action:
        case "push", _ if payload["deleted"]:
            assert isinstance(outcome, Ignored) and "was deleted" in outcome.reason
        case "push", _ if payload["ref"].startswith("refs/tags/"):
            assert isinstance(outcome, TagPushed)
        case "push", _:
            assert isinstance(outcome, BranchPushed)
            assert (outcome.before == "") == payload["created"]
        case "pull_request", "opened" | "reopened" | "synchronize" | "ready_for_review":
            assert isinstance(outcome, ChangeUpdated)
            assert outcome.change.from_fork == ("fork" in tags)
        case "pull_request", "closed":
            assert isinstance(outcome, ChangeClosed)
            assert (outcome.change.from_fork, outcome.change.merged) == ("fork" in tags, "merged" in tags)
        case "pull_request", "review_requested" | "review_request_removed":
            number = payload["number"]
            repo = RepoRef("github", payload["repository"]["full_name"].lower())
            assert outcome == ReviewersChanged(repo, number, ("octocat",))
        case "pull_request_review", "submitted" | "dismissed" if payload["review"]["state"] != "commented":
            assert isinstance(outcome, ReviewersChanged) and outcome.judged
        case "merge_group", "checks_requested":
            assert isinstance(outcome, GroupQueued)
            assert f"/pr-{outcome.number}-{outcome.base_sha}" in outcome.head_branch
        case "issue_comment", "created" if "pull_request" in payload["issue"]:
            assert isinstance(outcome, CommentAdded)
            assert outcome.author_is_bot == ("bot_sender" in tags)
        case _:
            assert isinstance(outcome, Ignored) and len(outcome.reason.split()) > 3


@needs_contracts
def test_the_table_of_recorded_payloads_has_something_of_each() -> None:
    outcomes = [
        parse("github", e["headers"]["X-GitHub-Event"], (RECORDED / e["file"]).read_bytes())
        for e in manifest("github")
    ]
    seen = {type(outcome) for outcome in outcomes}
    assert seen == {
        BranchPushed, TagPushed, ChangeUpdated, ChangeClosed, CommentAdded, GroupQueued, Ignored,
        ReviewersChanged,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("people", "teams", "asked"),
    [
        ([{"login": "ben"}, {"login": "ben"}], [{"slug": "platform", "name": "The Platform"}],
         ("ben", "acme/platform")),
        ([], [], ()),
        (None, None, ()),
        ("ben", [{"name": "x"}, None, 7, {"slug": ""}], ()),
    ],
)  # fmt: skip
def test_who_is_asked_for_a_review(people: object, teams: object, asked: tuple[str, ...]) -> None:
    payload = json.loads(own("pull_request__opened"))
    payload["pull_request"] |= {"requested_reviewers": people, "requested_teams": teams}
    event = parse("github", "pull_request", json.dumps(payload).encode())
    assert isinstance(event, ChangeUpdated) and event.change.asked == asked
    for action in ("review_requested", "review_request_removed"):
        body = json.dumps(payload | {"action": action}).encode()
        assert parse("github", "pull_request", body) == ReviewersChanged(REPO, 7, asked)


@pytest.mark.parametrize(
    ("action", "state", "judged"),
    [
        ("submitted", "approved", True),
        ("submitted", "changes_requested", True),
        ("dismissed", "dismissed", True),
        ("submitted", "commented", False),
        ("edited", "approved", False),
    ],
)
def test_a_review_counts_if_it_has_a_verdict(action: str, state: str, judged: bool) -> None:
    payload = json.loads(own("pull_request__opened")) | {"action": action, "review": {"state": state}}
    payload["pull_request"] |= {"requested_reviewers": [{"login": "ben"}]}
    outcome = parse("github", "pull_request_review", json.dumps(payload).encode())
    expected = ReviewersChanged(REPO, 7, ("ben",), judged=True)
    assert outcome == (expected if judged else Ignored("the review has no verdict"))


# Malformed bodies


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b"9" * 5_000])
def test_a_body_that_is_no_json(body: bytes) -> None:
    with pytest.raises(Invalid, match="not JSON"):
        parse("github", "push", body)


@pytest.mark.parametrize("body", [b"[]", b"null", b'"push"', b"1"])
def test_a_body_that_is_no_object(body: bytes) -> None:
    with pytest.raises(Invalid, match="not a JSON object"):
        parse("github", "push", body)


def test_a_form_without_a_payload() -> None:
    with pytest.raises(Invalid, match="not JSON"):
        parse("github", "push", b"other=1", "application/x-www-form-urlencoded")


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [
        ("push__branch", "ref", None),
        ("push__branch", "after", 7),
        ("push__branch", "after", "--upload-pack=x"),
        ("push__branch", "before", "main"),
        ("push__branch", "repository.full_name", ["acme/infra"]),
        ("push__branch", "repository.default_branch", None),
        ("pull_request__opened", "action", None),
        ("pull_request__opened", "pull_request.number", "7"),
        ("pull_request__opened", "pull_request.number", True),
        ("pull_request__opened", "pull_request.number", 10**40),
        ("pull_request__opened", "pull_request.head.sha", ""),
        ("pull_request__opened", "pull_request.head.ref", None),
        ("pull_request__opened", "pull_request.base.ref", {}),
        ("pull_request__opened", "pull_request.state", None),
        ("merge_group__checks_requested", "merge_group.head_sha", "main"),
        ("merge_group__checks_requested", "merge_group.base_sha", None),
        ("merge_group__checks_requested", "merge_group.base_ref", 1),
        ("merge_group__checks_requested", "repository.default_branch", None),
        ("merge_group__destroyed", "merge_group.head_sha", None),
        ("issue_comment__apply", "issue.number", None),
        ("issue_comment__apply", "comment.id", "4001"),
        ("issue_comment__apply", "repository.full_name", None),
    ],
)
def test_a_field_that_is_missing_or_wrong_is_named(name: str, field: str, value: object) -> None:
    payload = json.loads(own(name))
    *way, last = field.split(".")
    place = payload
    for step in way:
        place = place[step]
    place[last] = value
    with pytest.raises(Invalid, match=f"at `{field}`"):
        parse("github", name.partition("__")[0], json.dumps(payload).encode())


@settings(deadline=None)
@given(event=st.sampled_from(["push", "pull_request", "issue_comment", "ping", "x"]), body=st.binary())
def test_any_bytes_at_all_are_refused_or_ignored(event: str, body: bytes) -> None:
    for content_type in ("application/json", "application/x-www-form-urlencoded"):
        try:
            assert isinstance(parse("github", event, body, content_type), Ignored)
        except Invalid as refusal:
            assert str(refusal)


_FIELDS = [
    *("action", "ref", "after", "before", "deleted", "head_commit", "message", "changes", "sender", "body"),
    *("repository", "full_name", "default_branch", "pull_request", "issue", "comment", "user", "login"),
    *("head", "base", "sha", "repo", "id", "number", "state"),
]
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
    | st.sampled_from(["created", "opened", "edited", "closed", "refs/heads/x", "refs/tags/x", A, "open"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(_FIELDS), inner, max_size=8),
    max_leaves=40,
)  # fmt: skip


@settings(deadline=None)
@given(event=st.sampled_from(["push", "pull_request", "issue_comment"]), payload=_json)
def test_any_json_at_all_is_an_event_or_ignored_or_refused(event: str, payload: object) -> None:
    try:
        outcome = parse("github", event, json.dumps(payload).encode())
    except Invalid as refusal:
        assert str(refusal)
    else:
        assert repr(outcome).isprintable()


@settings(deadline=None)
@given(data=st.data(), name=st.sampled_from([path.stem for path in OWN]))
def test_any_one_field_replaced_by_anything(data: st.DataObject, name: str) -> None:
    payload = json.loads(own(name))
    place: Any = payload
    while True:
        key = data.draw(st.sampled_from(sorted(place)))
        if not isinstance(place[key], dict) or not place[key] or data.draw(st.booleans()):
            break
        place = place[key]
    place[key] = data.draw(_json)
    try:
        outcome = parse("github", name.partition("__")[0], json.dumps(payload).encode())
    except Invalid as refusal:
        assert "`" in str(refusal)
    else:
        repr(outcome).encode()


def test_text_that_no_database_takes_is_made_fit() -> None:
    payload = json.loads(own("issue_comment__apply"))
    payload["comment"]["body"] = "/apply\0 \ud800"
    event = parse("github", "issue_comment", json.dumps(payload).encode())
    assert isinstance(event, CommentAdded)
    assert event.body == "/apply\N{REPLACEMENT CHARACTER} ?"


def test_a_reason_stays_in_one_short_line() -> None:
    outcome = parse("github", "x\n# forged" * 100, b"{}")
    assert isinstance(outcome, Ignored)
    assert "\n" not in outcome.reason and len(outcome.reason) < 150


# Signatures


def signed(secret: str, body: bytes) -> str:
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


@needs_contracts
def test_the_published_signature() -> None:
    vector = json.loads((CONTRACTS / "signature-vectors.json").read_text())["github"]
    assert verify(vector["secret"], vector["payload"].encode(), vector["value"])
    assert not verify(vector["secret"], vector["payload"].encode() + b" ", vector["value"])


def test_any_of_several_secrets_may_have_signed() -> None:
    assert verify(["new", "old"], b"body", signed("old", b"body"))
    assert verify(["new", "old"], b"body", signed("new", b"body"))
    assert not verify(["new", "old"], b"body", signed("older", b"body"))


def test_an_empty_secret_opens_no_door() -> None:
    assert not verify("", b"body", signed("", b"body"))
    assert not verify([], b"body", signed("", b"body"))


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "sha256=",
        "sha256=" + "0" * 64,
        "sha1=" + "0" * 40,
        "sha256=ä" + "0" * 63,
        signed("s", b"x")[7:],
    ],
)
def test_a_malformed_or_foreign_signature_does_not_fit(header: str | None) -> None:
    assert not verify("s", b"x", header)


@settings(deadline=None)
@given(body=st.binary(), header=st.text())
def test_no_header_raises(body: bytes, header: str) -> None:
    assert not verify("s", body, header)
    assert verify("s", body, signed("s", body))


@pytest.mark.parametrize(("name", "deleted"), [("edited", False), ("deleted", True)])
def test_a_comment_that_was_edited_or_deleted_may_be_ours(name: str, deleted: bool) -> None:
    repo = RepoRef("github", "acme/infra")
    ours = CommentEdited(repo, 7, "4001", "alice", deleted=deleted, by_author=True)
    assert parsed(f"issue_comment__{name}") == ours
    payload = json.loads(own(f"issue_comment__{name}"))
    payload["sender"]["login"] = "bob"
    others = parse("github", "issue_comment", json.dumps(payload).encode())
    assert others == replace(ours, editor="bob", by_author=False)
