"""Writers on SQLite take turns: a webhook never waits behind a worker that writes without a pause."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
import sqlalchemy as sa

from bot.store.connection import writers
from bot.store.connection.engines import WRITING, make_engine

TIMES = 15


class BusyWriter:
    """A thread that ends one transaction and begins the next at once, like a worker with much to store."""

    def __init__(self, url: str) -> None:
        self.written = 0
        self.over = threading.Event()
        self._engine = make_engine(url)
        self._thread = threading.Thread(target=self._write)

    def __enter__(self) -> BusyWriter:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self._thread.join()

    def _write(self) -> None:
        with self._engine.execution_options(**WRITING["sqlite"]).connect() as connection:
            while not self.over.is_set():
                with connection.begin():
                    connection.execute(sa.text("INSERT INTO written VALUES (1)"))
                    time.sleep(0.004)
                    self.written += 1


@pytest.fixture
def url(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path}/plangate.db"
    with make_engine(url).begin() as connection:
        connection.execute(sa.text("CREATE TABLE written (n INTEGER)"))
    return url


def test_a_writer_comes_after_about_two_transactions_of_a_busy_one(url: str) -> None:
    passed = []
    engine = make_engine(url).execution_options(**WRITING["sqlite"])
    with BusyWriter(url) as busy, engine.connect() as connection:
        for _ in range(TIMES):
            before = busy.written
            with connection.begin():
                passed.append(busy.written - before)
            time.sleep(0.005)
    # Not the most: a busy machine may stop this thread before it asks for its turn.
    assert sorted(passed)[TIMES // 2] <= 2, passed


def test_a_turn_that_nobody_hands_on_is_done_without(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writers, "_TURN_SECONDS", 0.05)
    path = make_engine(url).url.database
    engine = make_engine(url).execution_options(**WRITING["sqlite"])
    with writers.writers_turn(str(path)), engine.begin() as connection:
        connection.execute(sa.text("INSERT INTO written VALUES (2)"))
    with make_engine(url).begin() as connection:
        assert connection.execute(sa.text("SELECT n FROM written")).scalars().all() == [2]


def test_without_a_place_for_turns_writing_goes_on(url: str) -> None:
    path = Path(str(make_engine(url).url.database))
    path.with_name("plangate.db-turn").unlink()
    path.with_name("plangate.db-turn").mkdir()
    with make_engine(url).execution_options(**WRITING["sqlite"]).begin() as connection:
        connection.execute(sa.text("INSERT INTO written VALUES (3)"))
    with make_engine(url).begin() as connection:
        assert connection.execute(sa.text("SELECT n FROM written")).scalars().all() == [3]
