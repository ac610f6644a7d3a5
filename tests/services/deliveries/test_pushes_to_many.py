"""A push to many workspaces creates its runs in parts, each once, and each for the same few queries."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from bot.domain.changes.delivery_decisions import DecisionKind
from bot.domain.runs.run import Run
from bot.domain.workspaces.workspace import Workspace
from bot.services.deliveries.pushed_runs import AT_ONCE
from tests.fakes.house import REPO, House

MANY = AT_ONCE + 20


class Killed(BaseException):
    """The process dies."""


def push_to(house: House, count: int, commit: str = "c1", **fields: Any) -> str:
    for number in range(count):
        house.workspace(f"w{number:03}", **fields)
    return house.push(commit, *[f"w{number:03}/x.tf" for number in range(count)], work=False)


def named(house: House, name: str) -> Workspace:
    with house.store.reading() as tx:
        return tx.workspaces.named(name)


def after_first_part(house: House, act: Callable[[], None]) -> None:
    """Do something once the runs of the first part are stored: when the first of them is enqueued."""
    advance = house.dispatch.advance

    def acting(run: Run, *, swept: bool = False) -> None:
        house.dispatch.advance = advance  # type: ignore[method-assign]
        act()
        advance(run, swept=swept)

    house.dispatch.advance = acting  # type: ignore[method-assign]


@contextmanager
def queries_of(house: House) -> Iterator[list[str]]:
    found: list[str] = []

    def asked(_: Any, __: Any, statement: str, *___: Any) -> None:
        found.append(statement)

    sa.event.listen(house.store._engine, "before_cursor_execute", asked)
    try:
        yield found
    finally:
        sa.event.remove(house.store._engine, "before_cursor_execute", asked)


@pytest.mark.parametrize("depends_on", [(), ("w000",)], ids=["on none", "on the first"])
def test_each_run_costs_a_few_queries(build: Callable[..., House], depends_on: tuple[str, ...]) -> None:
    counts = []
    for count in (10, 30):
        house = build()
        house.workspace("w000")
        for number in range(1, count):
            house.workspace(f"w{number:03}", depends_on=depends_on)
        house.push("c1", *[f"w{number:03}/x.tf" for number in range(count)], work=False)
        with queries_of(house) as queries:
            house.work("receive")
        assert len(house.runs()) == count
        counts.append(len(queries))
    assert (counts[1] - counts[0]) / 20 <= (13 if depends_on else 10)


def test_the_runs_of_all_parts_are_there_and_the_delivery_tells_of_each(house: House) -> None:
    delivery = push_to(house, MANY)
    house.work("receive")
    assert len(house.runs()) == MANY
    assert [decision.kind for decision in house.delivery(delivery).decisions] == [DecisionKind.RUN] * MANY
    with house.store.reading() as tx:
        head = tx.repo_watches.head(REPO, "main")
    assert head is not None
    assert head.commit == "c1"


@pytest.mark.parametrize(("count", "told"), [(1, 1), (MANY, 2)])
def test_the_first_part_is_reported_at_once_and_the_others_together(
    house: House, count: int, told: int
) -> None:
    delivery = push_to(house, count)
    asked: list[str] = []

    def report(subject: str, *, swept: bool = False) -> None:
        asked.append(subject)

    house.dispatch.report = report  # type: ignore[method-assign]
    house.intake.handle(delivery)
    assert len(asked) == told
    runs = [job.subject for job in house.dispatch.asked if job.queue == "plan"]
    assert len(set(runs)) == len(runs) == count


def test_a_process_that_dies_between_two_parts_leaves_the_rest_to_the_next(house: House) -> None:
    delivery = push_to(house, MANY)

    def die() -> None:
        raise Killed

    after_first_part(house, die)
    with pytest.raises(Killed):
        house.intake.handle(delivery)
    assert len(house.runs()) == AT_ONCE
    house.intake.handle(delivery)
    assert len({run.workspace_id for run in house.runs()}) == len(house.runs()) == MANY
    kinds = [decision.kind for decision in house.delivery(delivery).decisions]
    assert kinds == [DecisionKind.NOTHING] * AT_ONCE + [DecisionKind.RUN] * (MANY - AT_ONCE)


def test_an_older_commit_never_comes_after_a_newer_one(house: House) -> None:
    push_to(house, MANY)
    again = [f"w{number:03}/x.tf" for number in range(MANY)]

    def push_again() -> None:
        house.push("c2", *again, work=False)

    after_first_part(house, push_again)
    house.work("receive")
    commits: dict[str, list[str]] = {}
    for run in sorted(house.runs(), key=lambda run: run.sequence):
        commits.setdefault(run.workspace_id, []).append(run.commit)
    for number in range(MANY):
        found = commits[named(house, f"w{number:03}").id]
        assert found == (["c1", "c2"] if number < AT_ONCE else ["c2"])


def test_a_workspace_that_is_changed_between_two_parts_is_decided_again(house: House) -> None:
    push_to(house, MANY)
    last = named(house, f"w{MANY - 1:03}")

    def change() -> None:
        with house.store.transaction() as tx:
            tx.workspaces.put(replace(last, auto_apply=True))
            tx.workspaces.put(replace(named(house, f"w{MANY - 2:03}"), active=False))

    after_first_part(house, change)
    house.work("receive")
    by_workspace = {run.workspace_id: run for run in house.runs()}
    assert by_workspace[last.id].auto_apply
    assert named(house, f"w{MANY - 2:03}").id not in by_workspace
    assert len(house.runs()) == MANY - 1
