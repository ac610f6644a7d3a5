"""What is forgotten when it is old, and what never is."""

from __future__ import annotations

from bot.domain.events import RepoRef
from bot.services.ports import ArtifactKind
from bot.services.ports.failed_deliveries import FailedDelivery, HookWatch
from bot.services.runs.transitions import lease_of
from tests.fakes.engine import change
from tests.fakes.house import REPO, WRITER, House


def kept(house: House, run_id: str) -> set[str]:
    with house.store.reading() as tx:
        found = {kind.value for kind in ArtifactKind if tx.artifacts.get(run_id, kind)}
        return found | ({"output"} if tx.artifacts.output(run_id, "plan") else set())


def test_old_previews_of_closed_changes_lose_output_and_plans_and_applies_lose_nothing(house: House) -> None:
    house.engine.will_find("net", change("aws_vpc.main"))
    house.workspace("net")
    house.open_change(1, "h1", "net/main.tf")
    house.open_change(2, "h2", "net/main.tf")
    house.push("c1", "net/main.tf")
    closed, open_, applied = house.runs()
    house.controls.confirm(applied.id, WRITER)
    house.work()
    house.close_change(1)
    whole = kept(house, applied.id)
    assert {"saved plan", "plan json", "output", "variables"} <= whole

    house.sweep(days=31)

    assert kept(house, closed.id) == {"variables"}
    assert {"plan json", "output"} <= kept(house, open_.id)
    assert "saved plan" not in kept(house, open_.id), "it is too old to be taken over"
    assert kept(house, applied.id) == whole
    assert house.output(applied, "apply")
    assert house.run(closed.id).status.value == "planned_and_finished"
    house.report_delivery.report(_subject(house))


def test_deliveries_go_once_they_are_done_with_and_old(house: House) -> None:
    house.workspace("net")
    old = house.push("c1", "net/main.tf")
    house.clock.forward(days=60)
    new = house.push("c2", "net/main.tf", before="c1")
    undone = house.push("c3", "net/main.tf", before="c2", work=False)
    house.dispatch.lose_everything()
    house.clock.forward(days=31)
    house.sweeping._retention_job.run()
    with house.store.reading() as tx:
        left = {record.id for record in tx.deliveries.recent(10)}
    assert left == {new, undone}
    assert old not in left


def test_it_is_done_once_an_hour_and_leases_of_old_runs_go(house: House) -> None:
    house.workspace("net")
    house.push("c1", "net/main.tf")
    run = house.only_run()
    house.sweep(days=31)
    with house.store.transaction() as tx:
        fence = tx.leases.take(lease_of(run.id), "somebody", house.clock.now(), house.limits.lease)
    assert fence == 1, "the lease had begun anew"
    house.sweep(minutes=30)
    with house.store.transaction() as tx:
        assert tx.leases.take(lease_of(run.id), "another", house.clock.now(), house.limits.lease) == 2


def test_trees_of_killed_workers_are_removed_but_none_that_somebody_works_in(house: House) -> None:
    house.engine.trees = {"run-lost", "run-held"}
    with house.store.transaction() as tx:
        tx.leases.take(lease_of("run-held"), "another", house.clock.now(), house.limits.lease)
    house.sweeping.tidy(house.engine)
    assert house.engine.tidied == 1
    assert house.engine.trees == {"run-held"}


def _subject(house: House) -> str:
    with house.store.reading() as tx:
        record = tx.changes.numbered(REPO, 1)
        assert record is not None
        return record.id


def test_old_failed_deliveries_and_webhooks_that_nobody_follows_go(house: House) -> None:
    at, hook = house.clock.now(), RepoRef("github", "")
    with house.store.transaction() as tx:
        tx.hook_watches.put(HookWatch(hook, at, at))
        for number in range(450):
            tx.failed_deliveries.add(FailedDelivery(hook, f"d-{number}", "1", "push", at, None))
    house.sweep(days=7)
    with house.store.reading() as tx:
        assert len(tx.failed_deliveries.since(at)) == 450
    house.sweep(days=2)
    with house.store.reading() as tx:
        assert (tx.failed_deliveries.since(at), len(tx.hook_watches.all())) == ([], 1)
    house.sweep(days=25)
    with house.store.reading() as tx:
        assert tx.hook_watches.all() == []
