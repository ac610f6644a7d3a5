"""A run for the tests of pages, whose worker is the test."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from bot.domain.plans.plan import Counts
from bot.domain.runs.lifecycle import RunStatus, StageStatus
from bot.domain.runs.run import RunEvent
from bot.services.plans.plan_text import packed_text
from bot.services.plans.views import packed
from bot.services.ports import ArtifactKind
from tests.browser.conftest import Site

PLANNED = {
    "status": RunStatus.PLANNED, "plan_status": StageStatus.FINISHED, "has_changes": True,
    "counts": Counts(2, 3, 2),
}  # fmt: skip


class Told:
    """A run whose worker is the test: it moves, says things, and is looked at."""

    def __init__(self, site: Site, name: str, **about: Any) -> None:
        self.world = site.world
        with self.world.services.store.reading() as tx:
            there = [each for each in tx.workspaces.all() if each.name == name]
        self.run = self.world.run(there[0] if there else self.world.workspace(name), **about)
        self.path = f"/runs/{self.run.id}"

    def move(self, *statuses: RunStatus, **changes: Any) -> None:
        clock = self.world.clock
        for status in statuses:
            clock.pass_by(timedelta(seconds=3))
            with self.world.services.store.transaction() as tx:
                run = tx.runs.get(self.run.id).move(status, clock.now(), **changes)
                tx.runs.save(run, RunEvent(run.id, clock.now(), status.value, "", ""))
            changes = {}

    def say(self, text: str, stage: str = "plan") -> None:
        with self.world.services.store.transaction() as tx:
            tx.artifacts.append_output(self.run.id, stage, text)

    def keep(self, document: dict[str, Any]) -> None:
        """Store a plan as a worker does: with what pages show of it."""
        with self.world.services.store.transaction() as tx:
            tx.artifacts.put(self.run.id, ArtifactKind.PLAN_JSON, json.dumps(document).encode())
            tx.artifacts.put(self.run.id, ArtifactKind.PLAN_VIEW, packed(document, ()))
            tx.artifacts.put(self.run.id, ArtifactKind.PLAN_TEXT, packed_text(document, (), "terraform"))

    @property
    def status(self) -> RunStatus:
        return self.world.reload(self.run).status
