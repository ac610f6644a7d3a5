"""Search of runs over all workspaces: each filter, text, what a person may see, and the indexes it uses."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from bot.domain.events import RepoRef
from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.run import Run
from bot.services.ports import RunSearchQuery, RunState
from bot.store import SqlStore
from bot.store.repositories.run_search import SqlRunSearch
from tests.store.conftest import Database
from tests.store.samples import AT, MINUTE, add, put, run, workspace

OTHER = RepoRef("gitlab", "acme/other")
COMMIT = "4be5cb02a1f7d3e8b90c6a5d4e3f2a1b0c9d8e7f"


@pytest.fixture
def known(store: SqlStore) -> dict[str, Run]:
    """Five runs, a minute apart, the last one newest."""
    network, app = put(store), put(store, workspace("app-prod", repo=OTHER))
    made = {
        "old": replace(
            run(network), status=RunStatus.APPLIED, message="Widen the subnet", confirmed_by="zoe"
        ),
        "mine": replace(run(network), status=RunStatus.ERRORED, created_by="ben", branch="wide"),
        "asks": replace(run(network), status=RunStatus.PLANNED, commit=COMMIT),
        "change": replace(run(app), status=RunStatus.CANCELED, change_number=41, plan_only=True),
        "odd": replace(run(app), status=RunStatus.PENDING, message="100% of it_all", commit="4be5cb1"),
    }
    return {
        name: add(store, replace(each, created_at=AT + number * MINUTE))
        for number, (name, each) in enumerate(made.items())
    }


def found(store: SqlStore, known: dict[str, Run], **query: Any) -> list[str]:
    names = {each.id: name for name, each in known.items()}
    with store.reading() as unit:
        page = unit.run_search.page(RunSearchQuery(**query))
        assert unit.run_search.count(RunSearchQuery(**query)) >= len(page)
    return [names[each.id] for each, _ in page]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, ["odd", "change", "asks", "mine", "old"]),
        ({"state": RunState.ATTENTION}, ["asks", "mine"]),
        ({"state": RunState.WAITING}, ["odd"]),
        ({"state": RunState.APPLIED}, ["old"]),
        ({"state": RunState.ERRORED}, ["mine"]),
        ({"state": RunState.STOPPED}, ["change"]),
        ({"state": RunState.RUNNING}, []),
        ({"workspace": "app-prod"}, ["odd", "change"]),
        ({"repo": "acme/other"}, ["odd", "change"]),
        ({"repos": (OTHER,)}, ["odd", "change"]),
        ({"repos": ()}, []),
        ({"person": "ben"}, ["mine"]),
        ({"person": "zoe"}, ["old"]),
        ({"branch": "wide"}, ["mine"]),
        ({"commit": "4be5cb"}, ["odd", "asks"]),
        ({"commit": COMMIT}, ["asks"]),
        ({"change_number": 41}, ["change"]),
        ({"words": ("subnet", "WIDEN")}, ["old"]),
        ({"words": ("app-pr",)}, ["odd", "change"]),
        ({"words": ("wid",)}, ["mine", "old"]),
        ({"words": ("100%",)}, ["odd"]),
        ({"words": ("t_a",)}, ["odd"]),
        ({"words": ("'; drop",)}, []),
        ({"since": AT + MINUTE, "until": AT + 3 * MINUTE}, ["asks", "mine"]),
        ({"limit": 2, "offset": 1}, ["change", "asks"]),
    ],
    ids=str,
)
def test_runs_are_found(
    store: SqlStore, known: dict[str, Run], query: dict[str, Any], expected: list[str]
) -> None:
    assert found(store, known, **query) == expected


def test_a_run_comes_with_its_workspace(store: SqlStore, known: dict[str, Run]) -> None:
    with store.reading() as unit:
        page = unit.run_search.page(RunSearchQuery(commit=COMMIT))
    assert [(each.id, place.name) for each, place in page] == [(known["asks"].id, "network")]


@pytest.mark.parametrize(
    ("query", "index"),
    [
        ({}, "ix_runs_created_at"),
        ({"commit": "4be5cb"}, "ix_runs_commit"),
        ({"person": "ben"}, "ix_runs_created_by"),
        ({"branch": "wide"}, "ix_runs_branch"),
        ({"change_number": 41}, "ix_runs_change_number"),
        ({"since": AT}, "ix_runs_created_at"),
    ],
    ids=str,
)
@pytest.mark.parametrize("kind", ["sqlite"], indirect=True)
def test_a_search_reads_an_index(
    known: dict[str, Run], store: SqlStore, database: Database, query: Any, index: str
) -> None:
    """SQLite says which index it uses. PostgreSQL goes by statistics, which a small table lacks."""
    assert found(store, known, **query)
    plans: list[str] = []
    engine = sa.create_engine(database.url)

    def explain(connection: Any, cursor: Any, statement: str, parameters: Any, *_: object) -> None:
        if statement.startswith("SELECT runs.id") and "EXPLAIN" not in statement:
            cursor.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
            plans.extend(str(row) for row in cursor.fetchall())

    sa.event.listen(engine, "before_cursor_execute", explain)
    with engine.connect() as connection:
        SqlRunSearch(connection).page(RunSearchQuery(**query))
    engine.dispose()
    assert index in " ".join(plans)
