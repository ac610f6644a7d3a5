"""Forks: RQ forks for every job, and no child process may touch its parent's connections."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
import sqlalchemy as sa

from bot.store import SqlStore
from bot.store.connection import engines, forking
from tests.store.conftest import Database
from tests.store.racing import in_processes
from tests.store.samples import add, put, run


def test_parent_and_children_work_side_by_side(store: SqlStore) -> None:
    place = put(store)

    def work() -> list[str]:
        return [add(store, run(place)).id for _ in range(5)]

    known: list[str] = []
    for _ in range(3):
        results = in_processes([work, work])
        assert all(isinstance(result, list) for result in results), results
        known += [identity for result in results for identity in result] + work()
    with store.reading() as unit:
        assert {one.id for one in unit.runs.queue(place.id)} == set(known)
        assert len(known) == 45


def test_a_child_has_no_connection_of_its_parent(database: Database) -> None:
    engine = engines.make_engine(database.url)

    def session() -> str:
        """What tells one connection from another: the server's process, or the open files of this one."""
        with engine.begin() as connection:
            if database.file is None:
                return str(connection.execute(sa.text("SELECT pg_backend_pid()")).scalar_one())
            connection.execute(sa.text("SELECT count(*) FROM runs"))
        return " ".join(_open_files(database.file))

    mine = session()
    assert mine, "the connection lies in the pool, open"
    if database.file is None:
        [childs] = in_processes([session])
        assert childs != mine
        assert session() == mine, "and the parent's is as good as before"
    else:
        file = database.file
        [inherited] = in_processes([lambda: _open_files(file)])
        assert inherited == []
    engine.dispose()


def _open_files(of: Path) -> list[str]:
    """The files of an SQLite database that this process holds open."""
    if not Path("/proc/self/fd").exists():
        pytest.skip("needs Linux's /proc to see open files")
    links = []
    for descriptor in Path("/proc/self/fd").iterdir():
        try:
            links.append(str(descriptor.readlink()))
        except FileNotFoundError:
            continue
    return sorted(link for link in links if link.startswith(str(of)))


@pytest.mark.parametrize("kind", ["sqlite"], indirect=False)
def test_a_fork_waits_for_the_transactions_of_other_threads(store: SqlStore) -> None:
    inside, forked, seen = threading.Event(), threading.Event(), []

    def work() -> None:
        with store.transaction():
            inside.set()
            # Goes on until the fork is waiting; had it not waited, it would be over by now.
            while forking._gate._forking is None and not forked.is_set():
                forked.wait(0.005)
            seen.append("forked within" if forked.is_set() else "finished before the fork")

    thread = threading.Thread(target=work)
    thread.start()
    assert inside.wait(30)
    child = os.fork()
    if child == 0:
        os._exit(0)
    forked.set()
    os.waitpid(child, 0)
    thread.join(30)
    assert seen == ["finished before the fork"]
    put(store)  # the gate is open again


@pytest.mark.parametrize("kind", ["sqlite"], indirect=False)
def test_a_fork_within_the_forking_threads_own_transaction_does_not_hang(store: SqlStore) -> None:
    with store.transaction() as unit:
        child = os.fork()
        if child == 0:
            os._exit(7)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
        assert unit.workspaces.all() == []
    put(store)
