"""Webhook calls, kept: each accepted once, and due until they are handled (promise 3)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from bot.domain.changes.delivery_decisions import DecisionKind, DeliveryDecision
from bot.domain.errors import Conflict, NotFound, PlangateError
from bot.domain.events import Ignored
from bot.domain.ids import new_id
from bot.services.ports import Delivery, DeliveryQuery, DeliveryRecord, DeliveryStatus
from bot.store import SqlStore
from bot.store.encoding.meanings import from_document, to_document
from bot.vault import FernetVault, generate_key
from tests.store.conftest import Database
from tests.store.samples import AT, MINUTE, delivery, every

RUN = DeliveryDecision(DecisionKind.RUN, "a file in net")


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(every(Delivery))
def test_every_field_comes_back(store: SqlStore, one: Delivery) -> None:
    one = replace(one, id=new_id("d"))
    with store.transaction() as unit:
        assert unit.deliveries.add(one)
    with store.reading() as unit:
        assert unit.deliveries.get(one.id) == one


def test_a_delivery_is_accepted_once(store: SqlStore) -> None:
    with store.transaction() as unit:
        assert unit.deliveries.add(delivery())
    with store.transaction() as unit:
        assert not unit.deliveries.add(delivery(body=b"another"))
        # The transaction goes on.
        assert unit.deliveries.add(delivery("d-2"))
        assert unit.deliveries.get("d-1") == delivery()


def test_an_id_of_another_forge_is_no_repetition(store: SqlStore) -> None:
    with store.transaction() as unit:
        unit.deliveries.add(delivery())
        with pytest.raises(Conflict, match="another forge"):
            unit.deliveries.add(delivery(forge="gitlab"))


def test_due_until_handled_oldest_first(store: SqlStore) -> None:
    with store.transaction() as unit:
        for number in (3, 1, 2, 4):
            unit.deliveries.add(delivery(f"d-{number}", received_at=AT + number * MINUTE))
        assert unit.deliveries.due(AT + 4 * MINUTE, 10) == ["d-1", "d-2", "d-3"]
        assert unit.deliveries.due(AT + 4 * MINUTE, 2) == ["d-1", "d-2"]
        unit.deliveries.handled(
            "d-1", AT + 5 * MINUTE, [DeliveryDecision(DecisionKind.PREVIEW, "a file in net", "network")]
        )
        unit.deliveries.failed("d-2", "the forge is down")
        assert unit.deliveries.due(AT + 4 * MINUTE, 10) == ["d-2", "d-3"]
        handled, failed = unit.deliveries.get("d-1"), unit.deliveries.get("d-2")
    assert handled.handled_at == AT + 5 * MINUTE
    assert handled.decisions == (DeliveryDecision(DecisionKind.PREVIEW, "a file in net", "network"),)
    assert (failed.handled_at, failed.error, failed.attempts) == (None, "the forge is down", 1)


def test_handled_after_failures(store: SqlStore) -> None:
    with store.transaction() as unit:
        unit.deliveries.add(delivery())
        unit.deliveries.failed("d-1", "one")
        unit.deliveries.failed("d-1", "two")
        assert unit.deliveries.get("d-1").error == "two"
        assert unit.deliveries.get("d-1").attempts == 2
        unit.deliveries.handled("d-1", AT, [])
        assert unit.deliveries.get("d-1").error == ""
        unit.deliveries.failed("d-1", "a late try of another worker")
        assert unit.deliveries.get("d-1").error == ""
        unit.deliveries.handled("d-1", AT, [], "given up")
        assert unit.deliveries.get("d-1").error == "given up"


def test_recent_ones_newest_first(store: SqlStore) -> None:
    kept = [delivery(f"d-{number}", received_at=AT + number * MINUTE) for number in (2, 1, 3)]
    with store.transaction() as unit:
        for one in kept:
            unit.deliveries.add(one)
        unit.deliveries.handled("d-3", AT, [RUN], "but")
        unit.deliveries.failed("d-2", "not yet")
    with store.reading() as unit:
        assert unit.deliveries.recent(2) == [
            DeliveryRecord("d-3", "github", "push", AT + 3 * MINUTE, AT, (RUN,), "but", 0),
            DeliveryRecord("d-2", "github", "push", AT + 2 * MINUTE, None, (), "not yet", 1),
        ]
        assert [one.id for one in unit.deliveries.recent(2, offset=1)] == ["d-2", "d-1"]
        assert unit.deliveries.recent(2, offset=3) == []


def test_they_are_found_by_event_repository_outcome_and_words(store: SqlStore) -> None:
    with store.transaction() as unit:
        unit.deliveries.add(delivery("d-run", received_at=AT, event="push", repo="acme/infra"))
        unit.deliveries.add(
            delivery("d-none", received_at=AT + MINUTE, event="pull_request", repo="acme/app")
        )
        unit.deliveries.add(delivery("d-bad", received_at=AT + 2 * MINUTE, event="push"))
        unit.deliveries.add(delivery("d-waits", received_at=AT + 3 * MINUTE, event="push", repo="acme/infra"))
        made = DeliveryDecision(DecisionKind.RUN, "Über 100% of net/ changed", "network", "run-1")
        unit.deliveries.handled("d-run", AT, [made])
        unit.deliveries.handled(
            "d-none", AT, [DeliveryDecision(DecisionKind.NOTHING, "nothing in dns/ changed")]
        )
        unit.deliveries.handled(
            "d-bad", AT, [DeliveryDecision(DecisionKind.FAILED, "gave up")], "the forge: 404"
        )
    with store.reading() as unit:

        def found(**asked: Any) -> list[str]:
            return [one.id for one in unit.deliveries.recent(9, query=DeliveryQuery(**asked))]

        assert found() == ["d-waits", "d-bad", "d-none", "d-run"]
        assert {status: found(outcome=status) for status in DeliveryStatus if status} == {
            DeliveryStatus.RUN: ["d-run"],
            DeliveryStatus.NOTHING: ["d-none"],
            DeliveryStatus.FAILED: ["d-bad"],
            DeliveryStatus.WAITING: ["d-waits"],
        }
        assert found(event="pull") == ["d-none"]
        assert found(repo="INFRA") == ["d-waits", "d-run"]
        assert found(text="changed NET") == ["d-run"]
        assert found(text="Über 100%") == ["d-run"]
        assert (found(text="404"), found(text="d-bad")) == (["d-bad"], ["d-bad"])
        # What is only the form in which decisions are kept is no word of theirs.
        assert found(text="reason") == found(text='{"') == []
        assert found(repo="infra", outcome=DeliveryStatus.RUN) == ["d-run"]
    with store.transaction() as unit:
        unit.redeliveries.reopen("d-bad")
        assert unit.deliveries.recent(9, query=DeliveryQuery(text="gave")) == []


def test_overtaken_by_a_later_call_of_the_same_kind(store: SqlStore) -> None:
    one = delivery("d-1")
    others = [
        delivery("d-0", received_at=AT - MINUTE),
        delivery("d-2", received_at=AT + MINUTE, event="tag"),
        delivery("d-3", received_at=AT + MINUTE, forge="another"),
    ]
    with store.transaction() as unit:
        for other in (one, *others):
            unit.deliveries.add(other)
        assert not unit.deliveries.overtaken(one)
        unit.deliveries.add(delivery("d-4", received_at=AT + MINUTE))
        assert unit.deliveries.overtaken(one)


def test_a_list_opens_no_body(store: SqlStore, database: Database) -> None:
    with store.transaction() as unit:
        unit.deliveries.add(delivery("d-1"))
    blind = SqlStore(database.url, FernetVault([generate_key()]))
    with blind.reading() as unit:
        assert [one.id for one in unit.deliveries.recent(9)] == ["d-1"]
        with pytest.raises(PlangateError, match="none of the encryption keys fits"):
            unit.deliveries.get("d-1")
    blind.close()


def test_what_is_not_there_is_not_found(store: SqlStore) -> None:
    with store.transaction() as unit:
        with pytest.raises(NotFound, match="d-none"):
            unit.deliveries.get("d-none")
        with pytest.raises(NotFound, match="d-none"):
            unit.deliveries.handled("d-none", AT, [])


@pytest.mark.parametrize(
    "document", [b'{"kind": "Renamed", "reason": "x"}', b'{"kind": "Ignored", "words": "x"}']
)
def test_a_meaning_of_another_version_is_read_as_none(document: bytes) -> None:
    """The body is stored beside it: whoever needs the meaning parses that."""
    assert from_document(to_document(Ignored("x"))) == Ignored("x")
    assert from_document(document) is None
