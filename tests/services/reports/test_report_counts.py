"""What a report costs does not grow with the workspaces that have not changed since the one before."""

from __future__ import annotations

import json
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy as sa

from bot.domain.runs.run import Run
from bot.rendering import Rendering
from bot.services.ports import ArtifactKind
from bot.services.reports.plan_facts import FactsMemory, PlanFacts
from tests.fakes.engine import change
from tests.fakes.house import REPO, House

Build = Callable[..., House]


class Counted:
    """A change in many workspaces, whose queries and decryptions are counted."""

    def __init__(self, house: House, workspaces: int) -> None:
        self.house = house
        self.names = [f"w{number:02}" for number in range(workspaces)]
        for name in self.names:
            house.workspace(name)
            house.engine.will_find(name, change(f"aws_s3_bucket.{name}", "create", after={"name": name}))
        house.open_change(1, "h1", *[f"{name}/x.tf" for name in self.names], work=False)
        house.work("receive")
        self.previews = house.runs()
        with house.store.reading() as tx:
            record = tx.changes.numbered(REPO, 1)
        assert record is not None
        self.subject = record.id

    def plan(self, *runs: Run) -> None:
        for run in runs:
            self.house.execution.advance(run.id)

    def report(self) -> Counter[str]:
        """Report once, and return what it cost."""
        self.house.clock.forward(seconds=10)
        with counting(self.house) as counts:
            self.house.report_delivery.report(self.subject)
        return counts


@contextmanager
def counting(house: House) -> Iterator[Counter[str]]:
    counts: Counter[str] = Counter()

    def asked(*_: Any) -> None:
        counts["queries"] += 1

    engine, decrypt = house.store._engine, house.vault.decrypt

    def decrypted(token: bytes) -> bytes:
        counts["decryptions"] += 1
        return decrypt(token)

    sa.event.listen(engine, "before_cursor_execute", asked)
    house.vault.decrypt = decrypted  # type: ignore[method-assign]
    before = Counter(house.forge.calls)
    try:
        yield counts
    finally:
        sa.event.remove(engine, "before_cursor_execute", asked)
        house.vault.decrypt = decrypt  # type: ignore[method-assign]
        counts["calls"] = sum((Counter(house.forge.calls) - before).values())


def forget(house: House) -> None:
    """Be another worker."""
    house.report_delivery._report_builder._memory = FactsMemory()


def counts_of(build: Build, workspaces: int) -> dict[str, Counter[str]]:
    world = Counted(build(texts=Rendering("https://plangate.test")), workspaces)
    world.plan(*world.previews[:-1])
    for _ in range(2):
        world.report()
    found = {"unchanged": world.report()}
    world.plan(world.previews[-1])
    found["one planned"] = world.report()
    forget(world.house)
    found["another worker"] = world.report()
    world.house.say(1, "/apply", work=False)
    world.house.work("receive")
    world.report()
    *applies, last = (run for run in world.house.runs() if not run.plan_only)
    world.plan(*applies)
    world.report()
    world.plan(last)
    found["one applied"] = world.report()
    return found


def test_a_report_costs_the_same_however_many_workspaces_have_not_changed(build: Build) -> None:
    few, many = counts_of(build, 3), counts_of(build, 13)
    for moment in ("unchanged", "one planned", "one applied"):
        assert few[moment] == many[moment], moment
    assert few["unchanged"]["calls"] == 0
    assert few["unchanged"]["decryptions"] == 0
    assert few["another worker"]["queries"] == many["another worker"]["queries"]
    assert many["another worker"]["decryptions"] == 13, "one for each plan that it has not seen"


def test_facts_of_a_plan_are_encrypted_and_those_of_another_plan_are_not_used(build: Build) -> None:
    world = Counted(build(texts=Rendering("https://plangate.test")), 1)
    house = world.house
    world.plan(*world.previews)
    world.report()
    [run] = house.runs()
    with house.store.reading() as tx:
        assert tx.artifacts.get(run.id, ArtifactKind.PLAN_FACTS)
    with house.store._engine.connect() as connection:
        query = "SELECT data FROM artifacts WHERE kind = 'plan facts'"
        [stored] = connection.execute(sa.text(query)).scalars()
    assert b"aws_s3_bucket" not in stored
    before = house.comments(1)
    with house.store.transaction() as tx:
        other = json.dumps(["another key", {}]).encode()
        tx.artifacts.put(run.id, ArtifactKind.PLAN_FACTS, zlib.compress(other))
        tx.posts.mark_due(house.clock.now(), world.subject)
    forget(house)
    world.report()
    assert house.comments(1) == before, "they are derived again"


@pytest.mark.parametrize("most", [0, 10_000, 10_000_000])
def test_the_memory_of_facts_is_bounded(build: Build, most: int) -> None:
    world = Counted(build(), 3)
    world.plan(*world.previews)
    memory = FactsMemory(most)
    runs = world.house.runs()
    for run in runs:
        memory.put(run, PlanFacts(diff="x" * 5000))
        memory.put(run, PlanFacts(diff="x" * 5000))
    known = [run for run in runs if memory.get(run) is not None]
    assert known == runs[len(runs) - min(most // 7000, 3) :]
