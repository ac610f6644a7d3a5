"""The stored form of posts: the one that databases hold already, told apart by kind."""

from __future__ import annotations

import pytest

from bot.domain.reports.posts import (
    CommentPost,
    LabelsPost,
    MergePost,
    PostContent,
    Reaction,
    ReactionPost,
    StatusPost,
    UnknownPost,
)
from bot.domain.reports.report import StatusReport, StatusState
from bot.domain.workspaces.merge_method import MergeMethod
from bot.store.encoding.post_content import content_hash, decoded, encoded

STATUS = StatusReport("c0ffee", "plangate/net/plan", StatusState.SUCCESS, "No changes", "https://x/1")
STORED_STATUS = {
    "kind": "status",
    "sha": "c0ffee",
    "context": "plangate/net/plan",
    "state": "success",
    "description": "No changes",
    "target_url": "https://x/1",
}
STORED_COMMENT = {"kind": "comment", "number": "7", "marker": "<!-- m -->", "body": "b"}
STORED: list[tuple[dict[str, str], PostContent]] = [
    (STORED_STATUS, StatusPost(STATUS)),
    ({**STORED_STATUS, "shows": "run-1 run-2"}, StatusPost(STATUS, ("run-1", "run-2"))),
    (STORED_COMMENT, CommentPost(7, "<!-- m -->", "b")),
    ({**STORED_COMMENT, "settled": "yes"}, CommentPost(7, "<!-- m -->", "b", settled=True)),
    (
        {**STORED_COMMENT, "settled": "no", "shows": "run-1"},
        CommentPost(7, "<!-- m -->", "b", settled=False, shows=("run-1",)),
    ),
    (
        {"kind": "reaction", "number": "7", "comment_id": "9", "reaction": "+1"},
        ReactionPost(7, "9", Reaction.DONE),
    ),
    ({"kind": "labels", "number": "7", "labels": "[]"}, LabelsPost(7, ())),
    ({"kind": "labels", "number": "7", "labels": '["a: b", "c: d"]'}, LabelsPost(7, ("a: b", "c: d"))),
    ({"kind": "merge", "number": "7", "sha": "", "method": ""}, MergePost(7, "")),
    (
        {"kind": "merge", "number": "7", "sha": "c0ffee", "method": "squash"},
        MergePost(7, "c0ffee", MergeMethod.SQUASH),
    ),
]


@pytest.mark.parametrize(("stored", "content"), STORED)
def test_the_form_that_databases_hold_is_read_and_written(
    stored: dict[str, str], content: PostContent
) -> None:
    assert decoded(stored) == content
    assert encoded(content) == stored


def test_the_hash_stays_so_that_an_upgrade_sends_nothing_again() -> None:
    assert content_hash(StatusPost(STATUS, ("run-1",))) == (
        "d279de93f73c2a22b5d9564e7e9ab5074a0ab54e25df22b337a7e85adceefeed"
    )


@pytest.mark.parametrize(
    "stored",
    [
        {},
        {"kind": "badge", "colour": "green"},
        {"kind": "comment", "number": "7"},
        {**STORED_COMMENT, "number": "seven"},
        {**STORED_COMMENT, "number": "007"},
        {**STORED_COMMENT, "thread": "3"},
        {**STORED_COMMENT, "settled": "maybe"},
        {**STORED_STATUS, "state": "skipped"},
        {**STORED_STATUS, "shows": " "},
    ],
)
def test_what_another_version_stored_is_kept_whole(stored: dict[str, str]) -> None:
    content = decoded(stored)
    assert content == UnknownPost(stored)
    assert encoded(content) == stored


def test_an_unknown_post_says_what_it_is_and_what_to_do() -> None:
    why = UnknownPost({"kind": "badge"}).why
    assert "'badge'" in why
    assert "run the same version on all workers" in why
