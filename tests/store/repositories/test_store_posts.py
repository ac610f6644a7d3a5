"""What should stand on the forges: due until it does, tried again, given up, never out of date."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from hypothesis import HealthCheck, given, settings

from bot.domain.events import RepoRef
from bot.domain.ids import new_id
from bot.services.ports import Post
from bot.store import SqlStore
from tests.store.samples import AT, MINUTE, every, post

RED, GREEN = {"state": "failure"}, {"state": "success"}


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
    one = replace(one, subject=new_id("run"), key=new_id("key"))
    with store.transaction() as unit:
        unit.posts.derived(one.subject, 1, [one])
        assert unit.posts.undelivered(one.subject) == [one]


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
    derive(store, post(payload=RED))
    [one] = undelivered(store)
    assert due(store) == ["run-1"]
    delivered(store, one, "comment-9")
    assert due(store) == []
    assert undelivered(store) == []
    derive(store, post(payload=RED))
    assert undelivered(store) == [], "the same again stands already"
    derive(store, post(payload=GREEN))
    [other] = undelivered(store)
    assert (other.payload, other.remote_id) == (GREEN, "comment-9")
    assert other.posted, "what was posted stays known"


def test_a_payload_is_the_same_in_any_order(store: SqlStore) -> None:
    derive(store, post(payload={"a": "1", "b": "2"}))
    delivered(store, undelivered(store)[0])
    derive(store, post(payload={"b": "2", "a": "1"}))
    assert undelivered(store) == []


def test_what_changed_while_it_was_being_posted_is_still_due(store: SqlStore) -> None:
    derive(store, post(payload=RED))
    [on_its_way] = undelivered(store)
    derive(store, post(payload=GREEN))
    delivered(store, on_its_way, "comment-9")
    [one] = undelivered(store)
    assert (one.payload, one.remote_id) == (GREEN, "comment-9")
    assert due(store) == ["run-1"]


def test_an_older_derivation_does_not_undo_a_newer_one(store: SqlStore) -> None:
    old = mark(store)
    derive(store, post(payload=GREEN))
    with store.transaction() as unit:
        unit.posts.derived("run-1", old, [post(payload=RED), post("status:other")])
    assert [one.payload for one in undelivered(store)] == [GREEN]
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
    derive(store, post(payload=GREEN))
    [fresh] = undelivered(store)
    assert (fresh.attempts, fresh.error, fresh.not_before) == (0, "", None)


def test_a_failure_is_no_earlier_than_its_subject_for_others_that_wait(store: SqlStore) -> None:
    derive(store, post("status:1"), subject="run-1", at=AT)
    failed(store, undelivered(store)[0], AT + 5 * MINUTE)
    mark(store, "run-2", AT + MINUTE)
    assert due(store, AT + 9 * MINUTE) == ["run-2", "run-1"]


def test_given_up_until_its_payload_changes(store: SqlStore) -> None:
    derive(store, post(payload=RED))
    failed(store, undelivered(store)[0], None)
    derive(store, post(payload=RED))
    assert undelivered(store) == []
    assert due(store, AT + 9999 * MINUTE) == []
    derive(store, post(payload=GREEN))
    assert [(one.payload, one.attempts) for one in undelivered(store)] == [(GREEN, 0)]
    assert due(store) == ["run-1"]


def test_a_new_payload_does_not_go_round_the_forges_limit(store: SqlStore) -> None:
    derive(store, post(payload=RED))
    failed(store, undelivered(store)[0], AT + MINUTE)
    derive(store, post(payload=GREEN))
    [one] = undelivered(store)
    assert (one.payload, one.attempts, one.not_before) == (GREEN, 0, AT + MINUTE)
    assert due(store) == []


def test_the_failure_of_an_old_payload_does_not_give_up_the_new_one(store: SqlStore) -> None:
    derive(store, post(payload=RED))
    [on_its_way] = undelivered(store)
    derive(store, post(payload=GREEN))
    failed(store, on_its_way, None)
    assert [(one.payload, one.attempts) for one in undelivered(store)] == [(GREEN, 0)]


def test_a_key_is_one_post_in_its_repository(store: SqlStore) -> None:
    elsewhere = RepoRef("gitlab", "acme/infra")
    derive(store, post(payload=RED), post(repo=elsewhere, payload=RED))
    derive(store, post(payload=GREEN), subject="run-2")
    assert [one.repo for one in undelivered(store, "run-1")] == [elsewhere]
    assert [one.payload for one in undelivered(store, "run-2")] == [GREEN]


def test_posts_come_in_the_order_in_which_they_were_derived(store: SqlStore) -> None:
    derive(store, post("b"), post("a"), post("c"))
    assert [one.key for one in undelivered(store)] == ["b", "a", "c"]


def test_a_payload_keeps_any_text(store: SqlStore) -> None:
    derive(store, post(payload={"body": "a\x00b\ud800c 🎉"}))
    [one] = undelivered(store)
    assert one.payload == {"body": "a\x00b\ud800c 🎉"}
    delivered(store, one)
    assert undelivered(store) == []
