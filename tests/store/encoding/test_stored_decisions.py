"""The stored form of decisions: the one that databases hold already."""

from __future__ import annotations

from dataclasses import replace

import pytest
import sqlalchemy as sa

from bot.domain.changes.delivery_decisions import DecisionKind, DeliveryDecision
from bot.store import SqlStore
from bot.store.encoding.decisions import decoded, encoded
from bot.store.schema.deliveries import deliveries
from tests.store.samples import AT, delivery

RUN = DeliveryDecision(DecisionKind.RUN, "a file in net", "network", "run-1")
STORED_RUN = {"outcome": "run", "reason": "a file in net", "workspace": "network", "run": "run-1"}


def test_the_form_that_databases_hold_is_read_and_written() -> None:
    assert encoded(RUN) == STORED_RUN
    assert decoded(STORED_RUN) == RUN


def test_what_is_empty_is_left_out() -> None:
    ping = DeliveryDecision(DecisionKind.NOTHING, "a ping")
    assert encoded(ping) == {"outcome": "nothing", "reason": "a ping"}
    assert decoded(encoded(ping)) == ping


@pytest.mark.parametrize("kind", DecisionKind)
def test_every_kind_comes_back(kind: DecisionKind) -> None:
    assert decoded(encoded(replace(RUN, kind=kind))) == replace(RUN, kind=kind)


@pytest.mark.parametrize(
    ("stored", "reason"),
    [
        ({"outcome": "teleported", "reason": "why"}, "another version of Plangate stored 'teleported': why"),
        ({"workspace": "network"}, "another version of Plangate stored ''"),
    ],
)
def test_a_word_of_another_version_says_so(stored: dict[str, str], reason: str) -> None:
    found = decoded(stored)
    assert (found.kind, found.reason) == (DecisionKind.UNKNOWN, reason)


def test_a_list_with_a_word_of_another_version_is_read_whole(store: SqlStore) -> None:
    with store.transaction() as unit:
        unit.deliveries.add(delivery("d-1"))
        unit.deliveries.handled("d-1", AT, [RUN])
        unit.deliveries._connection.execute(  # type: ignore[attr-defined]  # around the port
            sa.update(deliveries).values(decisions=[{"outcome": "teleported"}, STORED_RUN])
        )
    with store.reading() as unit:
        assert [each.kind for each in unit.deliveries.recent(1)[0].decisions] == ["unknown", "run"]
        assert unit.deliveries.get("d-1").decisions[1] == RUN
