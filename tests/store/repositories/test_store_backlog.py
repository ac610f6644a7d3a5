"""What waits, counted."""

from __future__ import annotations

from datetime import timedelta

from bot.domain.runs.lifecycle import RunStatus
from bot.services.ports import RunsOfProject, WaitingWork
from bot.store import SqlStore
from tests.store.samples import AT, add, delivery, put, run, workspace


def test_unfinished_runs_are_counted_by_status_and_project(store: SqlStore) -> None:
    network = put(store, workspace("network", project="platform"))
    app, site = put(store, workspace("app", project="platform")), put(store, workspace("site"))
    for place in (network, app, site):
        add(store, run(place, plan_only=True))
    add(store, run(site, plan_only=True, status=RunStatus.PLANNING))
    add(store, run(site, plan_only=True, status=RunStatus.ERRORED))
    with store.reading() as tx:
        assert set(tx.backlog.runs()) == {
            RunsOfProject(RunStatus.PENDING, "platform", 2),
            RunsOfProject(RunStatus.PENDING, "", 1),
            RunsOfProject(RunStatus.PLANNING, "", 1),
        }


def test_deliveries_wait_until_they_are_handled(store: SqlStore) -> None:
    with store.reading() as tx:
        assert tx.backlog.deliveries() == WaitingWork(0, None)
    for number in range(3):
        store.accept(delivery(f"d-{number}", received_at=AT + timedelta(minutes=number)))
    with store.transaction() as tx:
        tx.deliveries.handled("d-0", AT + timedelta(hours=1), [])
    with store.reading() as tx:
        assert tx.backlog.deliveries() == WaitingWork(2, AT + timedelta(minutes=1))


def test_a_report_waits_since_its_first_mark_until_posts_are_derived(store: SqlStore) -> None:
    with store.transaction() as tx:
        tx.posts.mark_due(AT, "change:1", "change:2")
        tx.posts.mark_due(AT + timedelta(minutes=5), "change:1")
    with store.reading() as tx:
        assert tx.backlog.reports() == WaitingWork(2, AT)
        assert tx.backlog.report_since("change:1") == AT
        assert tx.backlog.report_since("change:3") is None
    with store.transaction() as tx:
        tx.posts.derived("change:1", tx.posts.due_mark("change:1"), [])
    with store.reading() as tx:
        assert tx.backlog.reports() == WaitingWork(1, AT)
