"""What should stand on the forges: due until it does, tried again, given up, never out of date."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from hypothesis import HealthCheck, given, settings

from bot.domain.events import RepoRef
from bot.domain.ids import new_id
from bot.domain.reports.posts import CommentPost, StatusPost, UnknownPost
from bot.domain.reports.report import StatusState
from bot.services.ports import Post
from bot.store import SqlStore
from tests.store.samples import AT, MINUTE, every, post, status

RED, GREEN = status("red", StatusState.FAILURE), status("green")


def mark(store: SqlStore, subject: str = "run-1", at: datetime = AT) -> int:
    with store.transaction() as unit:
        unit.posts.mark_due(at, subject)
        return unit.posts.due_mark(subject)


def derive(store: SqlStore, *posts: Post, subject: str = "run-1", at: datetime = AT) -> None:
    number = mark(store, subject, at)
    with store.transaction() as unit:
        unit.posts.derived(subject, number, posts)


def due(store: SqlStore, now: datetime = AT, limit: int = 10) -> list[str]:
    with store.reading() as unit:
        return list(unit.posts.due(now, limit))


def undelivered(store: SqlStore, subject: str = "run-1") -> list[Post]:
    with store.reading() as unit:
        return list(unit.posts.undelivered(subject))


def delivered(store: SqlStore, one: Post, remote_id: str = "") -> None:
    with store.transaction() as unit:
        unit.posts.delivered(one, remote_id)


def failed(store: SqlStore, one: Post, not_before: datetime | None) -> None:
    with store.transaction() as unit:
        unit.posts.failed(one, "the forge is down", not_before)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(every(Post))
def test_every_field_comes_back(store: SqlStore, one: Post) -> None:
    one = replace(one, progress=False)  # it is not stored
    if isinstance(one.content, StatusPost | CommentPost):
        ids = tuple(new_id("run") for _ in one.content.shows)
        one = replace(one, content=replace(one.content, shows=ids))
    if isinstance(one.content, CommentPost):
        one = replace(
            one, content=replace(one.content, lists=tuple(new_id("run") for _ in one.content.lists))
        )
    one = replace(one, subject=new_id("run"), key=new_id("key"))
    with store.transaction() as unit:
        unit.posts.derived(one.subject, 1, [one])
        unit.shown.keep(one, one.shown, one.listed, one.text_hash)
        assert unit.posts.undelivered(one.subject) == [one]
        assert unit.shown.get(one.repo, one.key) == one


def test_many_are_marked_at_once_and_each_as_if_alone(store: SqlStore) -> None:
    mark(store, "run-7")
    derive(store, subject="run-8", at=AT - MINUTE)
    names = [f"run-{number}" for number in range(500)]
    with store.transaction() as unit:
        unit.posts.mark_due(AT + MINUTE, *names, "run-7")
        assert unit.posts.due_mark("run-7") == unit.posts.due_mark("run-8") == 2
        assert unit.posts.due_mark("run-499") == 1
    waiting = due(store, limit=600)
    assert waiting[0] == "run-7", "it waits since its first mark"
    assert sorted(waiting) == sorted(names)


def test_marks_grow_and_a_subject_is_due_until_derived(store: SqlStore) -> None:
    with store.reading() as unit:
        assert unit.posts.due_mark("run-1") == 0
    first = mark(store)
    second = mark(store)
    assert second > first > 0
    assert due(store) == ["run-1"]
    with store.transaction() as unit:
        unit.posts.derived("run-1", first, [])
    assert due(store) == ["run-1"], "it was marked again since"
    with store.transaction() as unit:
        unit.posts.derived("run-1", second, [])
    assert due(store) == []
    mark(store)
    assert due(store) == ["run-1"]


def test_longest_waiting_first_whether_to_derive_or_to_deliver(store: SqlStore) -> None:
    mark(store, "run-3", AT + 3 * MINUTE)
    mark(store, "run-1", AT + MINUTE)
    mark(store, "run-1", AT + 9 * MINUTE)
    derive(store, post("status:2"), subject="run-2", at=AT + 2 * MINUTE)
    assert due(store, AT + 10 * MINUTE) == ["run-1", "run-2", "run-3"]
    assert due(store, AT + 10 * MINUTE, limit=2) == ["run-1", "run-2"]


def test_a_subject_waits_anew_after_it_was_derived(store: SqlStore) -> None:
    derive(store, subject="run-1", at=AT)
    mark(store, "run-2", AT + MINUTE)
    mark(store, "run-1", AT + 2 * MINUTE)
    assert due(store) == ["run-2", "run-1"]


def test_a_post_is_due_until_it_stands(store: SqlStore) -> None:
    derive(store, post(content=RED))
    [one] = undelivered(store)
    assert due(store) == ["run-1"]
    delivered(store, one, "comment-9")
    assert due(store) == []
    assert undelivered(store) == []
    derive(store, post(content=RED))
    assert undelivered(store) == [], "the same again stands already"
    derive(store, post(content=GREEN))
    [other] = undelivered(store)
    assert (other.content, other.remote_id) == (GREEN, "comment-9")
    assert other.posted, "what was posted stays known"


def test_what_changed_while_it_was_being_posted_is_still_due(store: SqlStore) -> None:
    derive(store, post(content=RED))
    [on_its_way] = undelivered(store)
    derive(store, post(content=GREEN))
    delivered(store, on_its_way, "comment-9")
    [one] = undelivered(store)
    assert (one.content, one.remote_id) == (GREEN, "comment-9")
    assert due(store) == ["run-1"]


def test_an_older_derivation_does_not_undo_a_newer_one(store: SqlStore) -> None:
    old = mark(store)
    derive(store, post(content=GREEN))
    with store.transaction() as unit:
        unit.posts.derived("run-1", old, [post(content=RED), post("status:other")])
    assert [one.content for one in undelivered(store)] == [GREEN]
    delivered(store, undelivered(store)[0])
    assert due(store) == [], "nor does it make the subject due again"


def test_a_failure_is_tried_again_in_its_time(store: SqlStore) -> None:
    derive(store, post())
    failed(store, undelivered(store)[0], AT + MINUTE)
    assert due(store, AT + MINUTE - MINUTE / 60) == []
    assert due(store, AT + MINUTE) == ["run-1"]
    [one] = undelivered(store)
    assert (one.attempts, one.error, one.not_before) == (1, "the forge is down", AT + MINUTE)
    failed(store, one, AT + 5 * MINUTE)
    assert undelivered(store)[0].attempts == 2
    delivered(store, one)
    derive(store, post(content=GREEN))
    [fresh] = undelivered(store)
    assert (fresh.attempts, fresh.error, fresh.not_before) == (0, "", None)


def test_a_failure_is_no_earlier_than_its_subject_for_others_that_wait(store: SqlStore) -> None:
    derive(store, post("status:1"), subject="run-1", at=AT)
    failed(store, undelivered(store)[0], AT + 5 * MINUTE)
    mark(store, "run-2", AT + MINUTE)
    assert due(store, AT + 9 * MINUTE) == ["run-2", "run-1"]


def test_given_up_until_its_content_changes(store: SqlStore) -> None:
    derive(store, post(content=RED))
    failed(store, undelivered(store)[0], None)
    derive(store, post(content=RED))
    assert undelivered(store) == []
    assert due(store, AT + 9999 * MINUTE) == []
    derive(store, post(content=GREEN))
    assert [(one.content, one.attempts) for one in undelivered(store)] == [(GREEN, 0)]
    assert due(store) == ["run-1"]


def test_new_content_does_not_go_round_the_forges_limit(store: SqlStore) -> None:
    derive(store, post(content=RED))
    failed(store, undelivered(store)[0], AT + MINUTE)
    derive(store, post(content=GREEN))
    [one] = undelivered(store)
    assert (one.content, one.attempts, one.not_before) == (GREEN, 0, AT + MINUTE)
    assert due(store) == []


def test_the_failure_of_old_content_does_not_give_up_the_new_one(store: SqlStore) -> None:
    derive(store, post(content=RED))
    [on_its_way] = undelivered(store)
    derive(store, post(content=GREEN))
    failed(store, on_its_way, None)
    assert [(one.content, one.attempts) for one in undelivered(store)] == [(GREEN, 0)]


def test_a_key_is_one_post_in_its_repository(store: SqlStore) -> None:
    elsewhere = RepoRef("gitlab", "acme/infra")
    derive(store, post(content=RED), post(repo=elsewhere, content=RED))
    derive(store, post(content=GREEN), subject="run-2")
    assert [one.repo for one in undelivered(store, "run-1")] == [elsewhere]
    assert [one.content for one in undelivered(store, "run-2")] == [GREEN]


def test_posts_come_in_the_order_in_which_they_were_derived(store: SqlStore) -> None:
    derive(store, post("b"), post("a"), post("c"))
    assert [one.key for one in undelivered(store)] == ["b", "a", "c"]


def test_a_comment_keeps_any_text(store: SqlStore) -> None:
    comment = CommentPost(7, "<!-- m -->", "a\x00b\ud800c 🎉")
    derive(store, post(content=comment))
    [one] = undelivered(store)
    assert one.content == comment
    delivered(store, one)
    assert undelivered(store) == []


def test_a_post_of_a_later_version_is_kept_as_it_is_and_hides_no_other(store: SqlStore) -> None:
    later = UnknownPost({"kind": "badge", "colour": "green"})
    derive(store, post("badge:1", later), post("status:1", GREEN))
    assert [one.content for one in undelivered(store)] == [later, GREEN]
    failed(store, undelivered(store)[0], None)
    assert [one.content for one in undelivered(store)] == [GREEN]


def test_progress_is_spaced_and_the_last_word_is_not(store: SqlStore) -> None:
    derive(store, replace(post(content=RED), progress=True, edit_after=AT + MINUTE))
    [held] = undelivered(store)
    assert (held.edit_after, held.due_at, held.not_before) == (AT + MINUTE, AT + MINUTE, None)
    assert due(store) == []
    assert due(store, AT + MINUTE) == ["run-1"]
    derive(store, post(content=GREEN))
    [last] = undelivered(store)
    assert (last.content, last.due_at) == (GREEN, None)
    assert due(store) == ["run-1"]


def test_what_was_delivered_spaces_the_progress_after_it(store: SqlStore) -> None:
    derive(store, post(content=RED))
    with store.transaction() as unit:
        unit.posts.delivered(undelivered(store)[0], "", AT + MINUTE)
    derive(store, replace(post(content=GREEN), progress=True))
    assert undelivered(store)[0].due_at == AT + MINUTE
    failed(store, undelivered(store)[0], AT + 5 * MINUTE)
    assert undelivered(store)[0].due_at == AT + 5 * MINUTE, "the forge's limit is the later one"
    assert due(store, AT + 2 * MINUTE) == []
    derive(store, post(content=RED))
    assert undelivered(store) == [], "it stands there"


def test_the_names_of_comments(store: SqlStore) -> None:
    keys = ("comment:7:outcome:run-1", "comment:7:summary", "comment:7:apply:1", "status:c0ffee:outcome:")
    derive(store, *(post(key) for key in keys))
    with store.reading() as unit:
        assert unit.shown.comment_names("run-1", "outcome:") == ["outcome:run-1"]
        assert unit.shown.comment_names("run-2", "outcome:") == []
