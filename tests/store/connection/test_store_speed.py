"""No question that is asked all the time reads a whole table: SQLite's own plan says so."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import sqlalchemy as sa
from sqlalchemy import event

from bot.domain.runs import lifecycle
from bot.domain.runs.lifecycle import RunStatus
from bot.services.ports import RunQuery, Transaction
from bot.store import SqlStore
from tests.store.conftest import Database
from tests.store.samples import AT, REPO

QUESTIONS: dict[str, Callable[[Transaction], object]] = {
    "queue": lambda unit: unit.runs.queue("ws-1"),
    "sweep of runs": lambda unit: unit.runs.find(RunQuery(statuses=lifecycle.WORKING | {RunStatus.PENDING})),
    "runs of a commit": lambda unit: unit.runs.find(RunQuery(commit="c")),
    "runs of a change": lambda unit: unit.runs.find(RunQuery(repo=REPO, change_number=7)),
    "newest runs": lambda unit: unit.runs.find(RunQuery()),
    "workspaces of a repository": lambda unit: unit.workspaces.of_repo(REPO),
    "timeline": lambda unit: unit.runs.timeline("run-1"),
    "output": lambda unit: unit.artifacts.output("run-1", "plan", 1000),
    "due deliveries": lambda unit: unit.deliveries.due(AT, 10),
    "recent deliveries": lambda unit: unit.deliveries.recent(10),
    "due reports": lambda unit: unit.posts.due(AT, 10),
    "undelivered": lambda unit: unit.posts.undelivered("run-1"),
    "change": lambda unit: unit.changes.numbered(REPO, 7),
    "current state": lambda unit: unit.states.current("ws-1"),
    "states": lambda unit: unit.states.versions("ws-1"),
    "variables": lambda unit: unit.variables.of_workspace("ws-1"),
    "leases": lambda unit: unit.leases.held(["a", "b"], AT),
}


@pytest.mark.parametrize("kind", ["sqlite"], indirect=False)
@pytest.mark.parametrize("question", QUESTIONS)
def test_an_index_answers(store: SqlStore, database: Database, question: str) -> None:
    asked: list[tuple[str, object]] = []

    def note(_c: object, _k: object, statement: str, parameters: object, _x: object, _m: bool) -> None:
        if statement.lstrip().startswith("SELECT"):
            asked.append((statement, parameters))

    event.listen(store._engine, "before_cursor_execute", note)
    with store.reading() as unit:
        QUESTIONS[question](unit)
    event.remove(store._engine, "before_cursor_execute", note)
    assert asked
    with store._engine.connect() as connection:
        for statement, parameters in asked:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()  # type: ignore[arg-type]
            steps = [row.detail for row in plan]
            scans = [step for step in steps if step.startswith("SCAN") and _whole_table(step)]
            assert not scans, steps


def _whole_table(step: str) -> bool:
    """A scan along an index in its order, of a partial index or of a subquery's few rows is none."""
    return "USING INDEX" not in step and "USING COVERING INDEX" not in step and " anon" not in step


def test_the_detector_detects() -> None:
    engine = sa.create_engine("sqlite://")
    with engine.connect() as connection:
        connection.exec_driver_sql("CREATE TABLE t (a)")
        [row] = connection.exec_driver_sql("EXPLAIN QUERY PLAN SELECT * FROM t WHERE a = 1").all()
    assert _whole_table(row.detail)
