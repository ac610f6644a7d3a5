"""Logs by bytes: whatever is asked in whatever order is a part of the one log, at the cost of that part."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.domain.runs.lifecycle import RunStatus, StageStatus
from bot.domain.runs.run import Run, RunEvent
from bot.services.runs.stage_log import PIECE, StageLogs
from bot.store import SqlStore
from bot.vault import FernetVault, generate_key
from tests.store.samples import AT, add, put, run
from tests.support.stores import KeptStore, Stores

HEAD = "\x02Terraform v1.11.4\nInitializing plugins and modules...\n\n"


class CountingVault(FernetVault):
    """Counts the bytes that are decrypted."""

    decrypted = 0

    def decrypt(self, token: bytes) -> bytes:
        found = super().decrypt(token)
        self.decrypted += len(found)
        return found


@pytest.fixture
def kept(stores: Stores) -> Iterator[KeptStore]:
    with stores.one() as found:
        yield found


def applying(store: SqlStore, *pieces: str) -> Run:
    made = run(
        put(store), status=RunStatus.APPLYING, apply_status=StageStatus.RUNNING, engine_version="1.11.4"
    )
    return printed(store, add(store, made), *pieces)


def printed(store: SqlStore, one: Run, *pieces: str) -> Run:
    for piece in pieces:
        with store.transaction() as tx:
            tx.artifacts.append_output(one.id, "apply", piece)
    return one


def ended(store: SqlStore, one: Run, status: RunStatus, apply: StageStatus, error: str = "") -> Run:
    saved = replace(one, status=status, apply_status=apply, error=error)
    with store.transaction() as tx:
        return tx.runs.save(saved, RunEvent(one.id, AT, status.value, "worker", ""))


def whole(logs: StageLogs, run_id: str) -> str:
    return logs.read(run_id, "apply", 0, 2**40).decode()


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    pieces=st.lists(st.text("aß│🎉\n", max_size=9), max_size=9),
    reads=st.lists(st.tuples(st.integers(0, 200), st.integers(0, 60)), min_size=1, max_size=6),
    over=st.booleans(),
)
def test_any_bytes_are_a_part_of_the_whole_log(
    kept: KeptStore, pieces: list[str], reads: list[tuple[int, int]], over: bool
) -> None:
    kept.empty()
    one = applying(kept.store, *pieces)
    text = "".join(pieces)
    if over:
        ended(kept.store, one, RunStatus.ERRORED, StageStatus.ERRORED, "it broke")
        log = f"{HEAD}{text}\nError: it broke\n\x03"
    else:
        log = HEAD + text if text else "\x02"
    logs = StageLogs(kept.store, piece=7)
    for offset, limit in reads:
        assert logs.read(one.id, "apply", offset, limit) == log.encode()[offset : offset + limit]
    assert whole(logs, one.id) == log


def test_a_stage_that_began_again_is_read_anew(kept: KeptStore) -> None:
    one = applying(kept.store, "größe " * 20)
    logs = StageLogs(kept.store, piece=8)
    assert whole(logs, one.id) == HEAD + "größe " * 20
    with kept.store.transaction() as tx:
        tx.artifacts.clear_output(one.id, "apply")
    printed(kept.store, one, "plain " * 20)
    assert logs.read(one.id, "apply", len(HEAD) + 60, 12) == b"plain plain "
    assert whole(logs, one.id) == HEAD + "plain " * 20


def test_an_error_that_was_printed_is_not_said_again(kept: KeptStore) -> None:
    one = applying(kept.store, "│ Error: no such bucket\n")
    ended(kept.store, one, RunStatus.ERRORED, StageStatus.ERRORED, "no such bucket")
    assert whole(StageLogs(kept.store), one.id) == f"{HEAD}│ Error: no such bucket\n\x03"


def test_reading_on_in_a_long_log_costs_what_is_asked_for(kept: KeptStore) -> None:
    vault = CountingVault([generate_key()])
    store = SqlStore(f"sqlite:///{kept.path}", vault)
    line = "aws_instance.größe: Still creating...\n" * 1024
    one = applying(store, *(line for _ in range(80)))
    ended(store, one, RunStatus.APPLIED, StageStatus.FINISHED)
    size, logs = 80 * len(line.encode()), StageLogs(store)
    assert size > 10 * PIECE
    offset, most, said = 0, 0, b""
    while not said.endswith(b"\x03"):
        before = vault.decrypted
        said = logs.read(one.id, "apply", offset, 65536)
        most, offset = max(most, vault.decrypted - before), offset + len(said)
    assert offset == len(HEAD) + size + 1
    # Pieces of rows at both ends, and bytes that are more than characters.
    assert most < 2 * PIECE + 4 * len(line)
    store.close()
