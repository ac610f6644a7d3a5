"""What is forgotten when it is old, and what never is."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from bot.domain.events import RepoRef
from bot.services.ports import ArtifactKind
from bot.services.ports.failed_deliveries import FailedDelivery, HookWatch
from bot.services.runs.transitions import lease_of
from bot.services.upkeep.retention import RetentionPeriods
from tests.fakes.engine import change
from tests.fakes.house import REPO, WRITER, House
from tests.store.samples import version


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


def _applied_twice(house: House, name: str) -> list[str]:
    """Apply two runs in a workspace, 20 days apart; return their ids."""
    house.workspace(name)
    for commit in ("c1", "c2"):
        house.engine.will_find(name, change(f"aws_vpc.{commit}"))
        house.push(f"{name}-{commit}", f"{name}/main.tf")
        house.controls.confirm(house.runs(house.find_workspace(name))[-1].id, WRITER)
        house.work()
        house.clock.forward(days=20)
    return [run.id for run in house.runs(house.find_workspace(name))]


def test_files_and_output_of_old_applies_go_if_a_setting_says_so_but_never_the_newest(
    build: Callable[..., House],
) -> None:
    house = build(keeping=RetentionPeriods(runs=timedelta(days=30), logs=timedelta(days=60)))
    first, second = _applied_twice(house, "net")
    house.sweep(days=15)
    assert kept(house, first) == {"variables", "output"}
    assert {"plan json", "output"} <= kept(house, second)
    house.sweep(days=365)
    assert kept(house, first) == {"variables"}
    assert {"plan json", "output"} <= kept(house, second), "nothing was applied after it"
    assert house.run(first).status.value == house.run(second).status.value == "applied"


def test_a_workspace_under_a_legal_hold_keeps_everything(build: Callable[..., House]) -> None:
    day = timedelta(days=7)
    house = build(keeping=RetentionPeriods(runs=day, logs=day, states=day, held=("held",)))
    first, _ = _applied_twice(house, "held")
    other, _ = _applied_twice(house, "free")
    versions = _states(house, "held", 3)
    _states(house, "free", 3)
    whole = kept(house, first)
    house.sweep(days=100)
    assert kept(house, first) == whole
    assert kept(house, other) == {"variables"}
    assert _serials(house, "held") == list(range(len(versions), 0, -1))
    assert _serials(house, "free") == [3]


def test_everything_may_be_under_a_legal_hold(build: Callable[..., House]) -> None:
    day = timedelta(days=7)
    house = build(keeping=RetentionPeriods(runs=day, logs=day, states=day, held=("*",)))
    first, _ = _applied_twice(house, "net")
    whole = kept(house, first)
    house.sweep(days=100)
    assert kept(house, first) == whole


def test_a_state_stays_for_as_long_as_it_was_current_within_the_time_and_the_current_one_always(
    build: Callable[..., House],
) -> None:
    house = build(keeping=RetentionPeriods(states=timedelta(days=30)))
    house.workspace("net")
    _states(house, "net", 2, apart=timedelta(days=100))
    # The first one was current until yesterday.
    house.sweep(days=1)
    assert _serials(house, "net") == [2, 1]
    house.sweep(days=31)
    assert _serials(house, "net") == [2]
    house.sweep(days=3650)
    assert _serials(house, "net") == [2]


def test_without_a_setting_states_and_applies_stay_for_ever(house: House) -> None:
    first, _ = _applied_twice(house, "net")
    _states(house, "net", 3)
    whole = kept(house, first)
    house.sweep(days=10_000)
    assert kept(house, first) == whole
    assert _serials(house, "net") == [3, 2, 1]


def _states(house: House, name: str, count: int, apart: timedelta = timedelta(0)) -> list[str]:
    place = house.find_workspace(name)
    assert place is not None
    made = []
    for serial in range(1, count + 1):
        if serial > 1:
            house.clock.forward(seconds=apart.total_seconds())
        one = version(place, serial, created_at=house.clock.now())
        with house.store.transaction() as tx:
            tx.states.add(one, b"{}")
        made.append(one.id)
    return made


def _serials(house: House, name: str) -> list[int]:
    place = house.find_workspace(name)
    assert place is not None
    with house.store.reading() as tx:
        return [each.serial for each in tx.states.versions(place.id)]
