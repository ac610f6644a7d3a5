"""Approvals, kept."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings

from bot.domain.errors import NotFound
from bot.domain.ids import new_id
from bot.domain.people.permissions import Role
from bot.domain.runs.approval import ApprovalRecord, ApprovalState
from bot.store import SqlStore
from tests.store.samples import AT, every, put


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(every(ApprovalRecord))
def test_every_field_comes_back(store: SqlStore, record: ApprovalRecord) -> None:
    record = replace(record, id=new_id("apv"), workspace_id=put(store).id)
    with store.transaction() as unit:
        unit.approvals.add(record)
    with store.reading() as unit:
        assert unit.approvals.get(record.id) == record


def test_only_what_became_of_it_changes(store: SqlStore) -> None:
    workspace = put(store)
    first = ApprovalRecord("apv-1", workspace.id, 1, "c1", "d1", "run-1", "wren", Role.WRITE, AT)
    second = replace(first, id="apv-2", at=AT + timedelta(seconds=1))
    other = replace(first, id="apv-3", change_number=2)
    with store.transaction() as unit:
        for record in (first, second, other):
            unit.approvals.add(record)
        unit.approvals.save(
            replace(first, state=ApprovalState.USED, run_id="run-2", why="so", ended_at=AT, digest="d2")
        )
        found = unit.approvals.of_change(workspace.id, 1)
        with pytest.raises(NotFound):
            unit.approvals.get("apv-4")
    used = replace(first, state=ApprovalState.USED, run_id="run-2", why="so", ended_at=AT)
    assert list(found) == [second, used]
