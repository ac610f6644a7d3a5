"""The outbox of notifications, on both databases."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.domain.errors import NotFound
from bot.domain.notifications.destinations import Trigger
from bot.domain.notifications.messages import Message, MessageLine, Notice, NotificationState
from bot.services.ports import DeliveryAttempt, Notification
from bot.store import SqlStore
from tests.store.samples import AT, MINUTE


def notice(key: str, destination: str = "ops", **fields: object) -> Notice:
    about = {"topic": "t", "trigger": Trigger.ERRORED, "workspace_id": "ws-1", "run_id": "run-1"}
    return Notice(key, destination, **{**about, "at": AT, "due_at": AT + MINUTE, **fields})  # type: ignore[arg-type]  # a test's own


def notification(name: str = "ntf-1", **fields: object) -> Notification:
    lines = (MessageLine(Trigger.ERRORED, AT, "net", "ws-1", "run-1", run_created_at=AT),)
    message = Message(name, "title", "https://x.test", lines, more=2)
    return Notification(name, "ops", "t", message, AT, **{"next_at": AT, **fields})  # type: ignore[arg-type]  # a test's own


def test_an_event_counts_once(store: SqlStore) -> None:
    with store.transaction() as tx:
        assert tx.notices.want([notice("a"), notice("b", "hook"), notice("a")]) == ("ops", "hook")
        assert tx.notices.want([notice("a", topic="other")]) == ()
    with store.reading() as tx:
        assert tx.notices.waiting("ops", 10) == [notice("a")]
        assert tx.notices.known(["a", "c"]) == {"a"}


def test_what_is_due_is_found_by_destination(store: SqlStore) -> None:
    with store.transaction() as tx:
        tx.notices.want([notice("a"), notice("b", "hook", due_at=AT + 3 * MINUTE)])
    with store.reading() as tx:
        assert tx.notices.due_destinations(AT) == frozenset()
        assert tx.notices.due_destinations(AT + MINUTE) == {"ops"}
    with store.transaction() as tx:
        tx.notices.told_by(notification(next_at=AT + 2 * MINUTE), [notice("a")])
    with store.reading() as tx:
        assert tx.notices.waiting("ops", 10) == []
        assert tx.notices.due_destinations(AT + MINUTE) == frozenset()
        assert tx.notices.due_destinations(AT + 3 * MINUTE) == {"ops", "hook"}
        assert tx.notices.due("ops", AT + MINUTE, 10) == []
        (due,) = tx.notices.due("ops", AT + 2 * MINUTE, 10)
    assert due == notification(next_at=AT + 2 * MINUTE)


def test_attempts_are_kept_and_old_messages_are_forgotten(store: SqlStore) -> None:
    with store.transaction() as tx:
        tx.notices.want([notice("a"), notice("b")])
        tx.notices.told_by(notification(), [notice("a")])
        tx.notices.told_by(notification("ntf-2"), [notice("b")])
        failed = DeliveryAttempt("ntf-1", AT, False, "away")
        tx.notices.attempted(replace(notification(), attempts=1, error="away"), failed)
        after = replace(notification(), attempts=2, state=NotificationState.SENT, next_at=None)
        done = DeliveryAttempt("ntf-1", AT + MINUTE, True, "200 OK")
        tx.notices.attempted(after, done)
    with store.reading() as tx:
        assert tx.notification_log.get("ntf-1") == after
        assert tx.notification_log.attempts(["ntf-1", "ntf-2"]) == {"ntf-1": [failed, done]}
        assert [each.id for each in tx.notification_log.find("ops", 1, 1)] == ["ntf-2"]
        assert tx.notification_log.find("hook", 10) == []
    with store.transaction() as tx:
        assert tx.notification_log.forget(AT, 10) == 0
        assert tx.notification_log.forget(AT + MINUTE, 10) == 1  # the other one still waits
    with store.reading() as tx:
        assert tx.notices.known(["a", "b"]) == {"b"}
        with pytest.raises(NotFound, match="ntf-1"):
            tx.notification_log.get("ntf-1")
