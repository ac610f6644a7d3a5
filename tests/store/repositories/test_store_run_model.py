"""What the run model keeps beside the runs: modes, triggers and locks; and how older databases come to it."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from bot.domain.errors import Conflict
from bot.domain.plans.modes import ALLOWED_BY_DEFAULT, Mode
from bot.domain.runs.run import RunSource
from bot.services.ports import RunQuery
from bot.store import SqlStore, migrate
from bot.store.connection import engines
from bot.store.connection import migrate as migrating
from bot.vault import FernetVault
from tests.store.conftest import Database
from tests.store.racing import in_threads
from tests.store.samples import MINUTE, add, event, put, run, state_lock, workspace


def test_a_workspace_keeps_what_it_allows_and_follows(store: SqlStore) -> None:
    about = {
        "allowed_modes": (Mode.DESTROY,),
        "run_triggers": ("dns", "vpc"),
        "auto_apply_run_triggers": True,
        "depends_on": ("dns-*", "../vpc"),
    }
    put(store, workspace("network", **about))
    put(store, workspace("plain"))
    with store.reading() as unit:
        kept = unit.workspaces.named("network")
        plain = unit.workspaces.named("plain")
    assert {name: getattr(kept, name) for name in about} == about
    assert (plain.allowed_modes, plain.run_triggers) == (ALLOWED_BY_DEFAULT, ())
    assert plain.depends_on == ()


def test_a_run_keeps_for_which_runs_it_waits_and_later_runs_are_found(store: SqlStore) -> None:
    place = put(store, workspace("network"))
    runs = [add(store, run(place, after=("run-x", "run-y") if number else ())) for number in range(3)]
    with store.reading() as unit:
        assert [unit.runs.get(each.id).after for each in runs] == [(), *[("run-x", "run-y")] * 2]
        query = RunQuery(workspace_id=place.id, since=runs[0].sequence, limit=None)
        assert {each.id for each in unit.runs.find(query)} == {each.id for each in runs[1:]}


def test_every_lock_on_a_state_is_found_oldest_first(store: SqlStore) -> None:
    one = put(store, workspace("one"), workspace("two"))
    with store.reading() as unit:
        two = unit.workspaces.named("two")
        assert list(unit.state_locks.all()) == []
    mine = run(one)
    add(store, mine)
    late, early = state_lock(one, "late", mine.id), state_lock(two, "early")
    late = type(late)(late.workspace_id, late.lock_id, late.run_id, late.info, late.at + MINUTE)
    with store.transaction() as unit:
        for lock in (late, early):
            assert unit.states.lock(lock) is None
        assert list(unit.state_locks.all()) == [early, late]
        unit.states.unlock(two.id, "early")
    with store.reading() as unit:
        assert list(unit.state_locks.all()) == [late]


@pytest.mark.parametrize(
    ("first", "second", "refused"),
    [
        (RunSource.PUSH, RunSource.TAG, True),
        (RunSource.TAG, RunSource.TAG, True),
        (RunSource.TAG, RunSource.MANUAL, False),
        (RunSource.PUSH, RunSource.TRIGGER, False),
        (RunSource.PUSH, RunSource.RETRY, False),
    ],
)
def test_a_commit_makes_one_run_whether_a_branch_or_a_tag_brought_it(
    store: SqlStore, first: RunSource, second: RunSource, refused: bool
) -> None:
    place = put(store)
    add(store, run(place, source=first))
    if refused:
        with pytest.raises(Conflict, match="this commit already has a run"):
            add(store, run(place, source=second))
    else:
        assert add(store, run(place, source=second)).sequence == 2
    assert add(store, run(put(store, workspace("other")), source=second)).sequence == 1


def test_of_many_tags_at_once_one_makes_the_run(store: SqlStore) -> None:
    place = put(store)
    results = in_threads([lambda: add(store, run(place, source=RunSource.TAG))] * 4)
    assert sum(isinstance(each, Conflict) for each in results) == 3


def _until(url: str, revision: str) -> None:
    """Bring a database to an older schema."""
    engine = engines.make_engine(url, foreign_keys=False)
    with migrating._alone(engine) as connection:
        migrating._upgrade(connection, revision)
    engine.dispose()


def test_an_older_database_comes_to_it_with_its_rows(empty: Database, vault: FernetVault) -> None:
    _until(empty.url, "0002")
    engine = engines.make_engine(empty.url)
    common = {
        "status": "applied", "version": 1, "plan_only": False, "commit_sha": "c0ffee", "branch": "main",
        "message": "", "created_by": "ann", "auto_apply": False, "plan_status": "finished",
        "apply_status": "finished", "digest": "", "engine_version": "", "confirmed_by": "", "delta": "",
        "error": "", "cancel_requested_by": "", "force_cancel": False, "workspace_id": "ws-1",
    }  # fmt: skip
    at = "2026-01-02 03:04:05+00:00" if empty.file is None else "2026-01-02 03:04:05.000000"
    with engine.begin() as connection:
        connection.execute(
            sa.text(
                "INSERT INTO workspaces (id, name, forge, repo_path, branch, working_directory, triggers, "
                "auto_apply, engine, engine_version, discovered, active) VALUES ('ws-1', 'network', "
                "'github', 'acme/infra', '', '', :triggers, :no, 'terraform', '', :no, :yes)"
            ),
            {
                "triggers": '{"file_triggers": true, "prefixes": [], "patterns": [], "tag_regex": ""}',
                "no": False,
                "yes": True,
            },
        )
        for number, source in enumerate(("tag", "push", "tag"), start=1):
            row = {
                **common, "id": f"run-{number}", "sequence": number, "source": source, "at": at,
                "modes": '{"destroy": false, "refresh_only": false, "replace_addrs": [], "target_addrs": []}',
            }  # fmt: skip
            columns = [name for name in row if name != "at"]
            connection.execute(
                sa.text(
                    f"INSERT INTO runs ({', '.join(columns)}, created_at, status_at) "
                    f"VALUES ({', '.join(':' + name for name in columns)}, :at, :at)"
                ),
                row,
            )
    engine.dispose()

    assert "0003" in migrate(empty.url)
    store = SqlStore(empty.url, vault)
    with store.reading() as unit:
        place = unit.workspaces.named("network")
        sources = [unit.runs.get(f"run-{number}").source for number in (1, 2, 3)]
    assert (place.allowed_modes, place.run_triggers) == (ALLOWED_BY_DEFAULT, ())
    assert not place.auto_apply_run_triggers
    assert sources == [RunSource.MANUAL, RunSource.PUSH, RunSource.MANUAL]
    one = run(place, source=RunSource.TAG)
    with pytest.raises(Conflict), store.transaction() as unit:
        unit.runs.add(one, event(one))
    store.close()
