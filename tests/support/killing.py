"""Scenes of a run that is killed somewhere on its way, each in a repository and workspace of its own.

Many scenes share one stage and go on at the same time, so that waiting for leases costs little.
"""

from __future__ import annotations

import contextlib
import html
import json
import os
import signal
import sqlite3
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

import httpx

from bot.demo.stage import ServerProcess, Stage
from bot.domain.events import RepoRef
from bot.domain.people.permissions import Person, Role
from bot.domain.runs.lifecycle import APPLY_STAGES, RunStatus
from bot.domain.runs.run import CUT_OFF, Run
from bot.services.ports import RunQuery, StateVersion
from tests.support import processes
from tests.support.journeys import Journey, Repo
from tests.support.outside import Outside

ADMIN = Person("admin", Role.OWNER)
LEASE_SECONDS = 5
ROOMS = tuple(f"acme/room-{number}" for number in range(1, 25))
EFFECTS = {"first": 1, "second": 1}


def _manifest() -> str:
    lines = ['forges:\n  github: {kind: github, url: "{forge}"}\n', "workspaces:"]
    for repo in ROOMS:
        name = repo.partition("/")[2]
        # What the runs do to the outside, they do to a server on this machine.
        place = f"repo: {repo}, branch: main, working_directory: net, network: host"
        lines.append(f"  - {{name: {name}, {place}}}")
    return "\n".join(lines) + "\n"


def kill_workers(stage: Stage) -> None:
    """Kill every worker of a stage with its job, all at once, and leave Terraform alive."""
    names = [name for name in stage.parts if name.startswith("worker-")]
    parts = [stage.parts.pop(name) for name in names]
    workers = {part.process.pid for part in parts if part.process is not None}
    jobs = [pid for pid, parent in processes.parents().items() if parent in workers]
    processes.kill(*workers, *jobs)
    for part in parts:
        part.kill()


def start_workers(stage: Stage) -> None:
    """Start as many workers as a stage had."""
    for number in range(1, stage.workers + 1):
        stage.start_worker(number)


class Ground:
    """A stage with short leases, the outside world, and the scenes that are played there."""

    def __init__(self, root: Path, *, workers: int, **settings: str) -> None:
        lease = {"PLANGATE_LEASE_SECONDS": str(LEASE_SECONDS)}
        self.journey = Journey(root, _manifest(), **lease, **settings)
        self.stage = self.journey.stage
        self.stage.workers = workers
        self.outside = Outside()
        self._lock = threading.Lock()
        self._rooms = iter(ROOMS)

    def __enter__(self) -> Self:
        self.outside.__enter__()
        self.journey.__enter__()
        self.services = self.journey.services
        return self

    def __exit__(self, *_: object) -> None:
        self.outside.__exit__()
        self.journey.__exit__()

    def scene(self) -> Scene:
        """Return a fresh scene: a repository whose `main` nobody has pushed to."""
        with self._lock:
            room = next(self._rooms)
        return Scene(self, room)

    def play(self, play: Callable[[Scene], None]) -> None:
        """Play a scene; whatever comes of it, it holds nobody up afterwards."""
        scene = self.scene()
        try:
            play(scene)
        finally:
            self.outside.open_all(scene.name)

    # --- who is at work, and their end ----------------------------------------------------------------------

    def holder(self, lease: str) -> int | None:
        """Return the process that holds the first lease whose name begins so."""
        database = self.stage.root / "server" / "plangate.db"
        query = "SELECT owner FROM leases WHERE name LIKE ? AND expires_at IS NOT NULL"
        with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
            row = connection.execute(query, [f"{lease}%"]).fetchone()
        return int(row[0].rpartition(":")[2]) if row and row[0] else None

    def worker_of(self, pid: int) -> int:
        """Return the worker that a process is, or is the job of."""
        known = {part.process.pid for part in tuple(self.stage.parts.values()) if part.process is not None}
        return pid if pid in known else processes.parents()[pid]

    def kill(self, worker: int | None, *others: int) -> None:
        """Kill a worker, or nobody's but others, and put a fresh one in its place."""
        if worker is None:
            processes.kill(*others)
            return
        with self._lock:
            name = next(n for n, p in self.stage.parts.items() if p.process and p.process.pid == worker)
            part = self.stage.parts.pop(name)
            processes.kill(worker, *others)
            part.kill()
            self.stage.start_worker(int(name.rpartition("-")[2]))

    def replace(self, worker: int) -> ServerProcess:
        """Put a fresh worker in the place of one that goes on; return the old one."""
        with self._lock:
            name = next(n for n, p in self.stage.parts.items() if p.process and p.process.pid == worker)
            part = self.stage.parts.pop(name)
            self.stage.start_worker(int(name.rpartition("-")[2]))
        return part

    def kill_workers(self) -> None:
        """Kill every worker with its job, all at once, and leave Terraform alive."""
        with self._lock:
            kill_workers(self.stage)

    def start_workers(self) -> None:
        """Start as many workers as there were."""
        start_workers(self.stage)

    def kill_web(self) -> None:
        """Kill the web process with its children."""
        part = self.stage.parts.pop("web")
        assert part.process is not None
        os.kill(part.process.pid, signal.SIGSTOP)  # it starts no further children
        doomed = [part.process.pid, *processes.below(part.process.pid)]
        processes.kill(*doomed)
        part.kill()
        self.journey.until(lambda: not any(map(processes.alive, doomed)) or None, "the end of the web")

    def mend(self) -> None:
        """Let everybody go on, and start what a test that failed left dead."""
        self.outside.open_all()
        self.no_trouble()
        if self.stage.valkey is not None and not self.stage.valkey.is_running():
            self.stage.start_valkey()
        if "web" not in self.stage.parts:
            self.stage.start_web()
        if not any(name.startswith("worker-") for name in self.stage.parts):
            self.start_workers()

    # --- the forge ------------------------------------------------------------------------------------------

    def trouble(self, method: str, path_regex: str, **more: Any) -> None:
        """Have the forge answer the next such request late, or not at all."""
        self.stage.admin("POST", "/faults", {"method": method, "path_regex": path_regex, **more})

    def no_trouble(self) -> None:
        """Have the forge work again."""
        self.stage.admin("DELETE", "/faults", {})

    def answered(self, sha: str) -> int:
        """Wait until the forge has sent the push of a commit; return the newest answer, 0 where none came."""

        def ask() -> int | None:
            log = self.deliveries(sha)
            return log[-1]["status"] if log and (log[-1]["status"] or log[-1]["error"]) else None

        return self.journey.until(ask, f"the answer to the push of {sha[:8]}")

    def deliveries(self, sha: str) -> list[dict[str, Any]]:
        """Return the forge's log of what it sent about a commit, oldest first."""
        headers = {"Authorization": f"Bearer {self.stage.admin_token}"}
        log = httpx.get(f"{self.stage.forge_url}/playground/deliveries", headers=headers).json()
        return [d for d in log if d["event"] == "push" and d["payload"]["after"] == sha]

    def page(self, path: str) -> str:
        """Return the text of a page, as the local administrator sees it."""
        password = self.stage.sign_in_address().partition("#")[2]
        with httpx.Client(base_url=self.stage.url, follow_redirects=True) as browser:
            page = browser.post("/sign-in", data={"password": password, "next": path})
            assert (page.status_code, page.url.path) == (200, path)
            return html.unescape(page.text)

    def redeliver(self, sha: str) -> None:
        """Have the forge send the push of a commit once more, as its page offers."""
        self.stage.admin("POST", f"/deliveries/{self.deliveries(sha)[0]['id']}/attempts", {})


class Scene:
    """One workspace, its runs, and what they do to the outside."""

    def __init__(self, ground: Ground, full_name: str) -> None:
        self.ground = ground
        self.outside = ground.outside
        self.name = full_name.partition("/")[2]
        self.files = {"net/main.tf": self.outside.configuration(self.name)}
        self.repo: Repo = ground.journey.repo({"net/begin.tf": "# nothing yet\n"}, full_name)

    def shut(self, place: str) -> None:
        """Hold Terraform at `init`, `plan`, or one of the effects."""
        self.outside.shut(f"{self.name}/{place}")

    def open(self, place: str) -> None:
        """Let Terraform go on there."""
        self.outside.open(f"{self.name}/{place}")

    def reach(self, place: str) -> None:
        """Wait until Terraform is held there."""
        gate = f"{self.name}/{place}"
        self.ground.journey.until(lambda: self.outside.reached(gate), gate)

    # --- runs -----------------------------------------------------------------------------------------------

    def push(self, files: dict[str, str] | None = None) -> str:
        """Push the configuration, or other files, to `main`; return the commit."""
        ana, tree = self.ground.journey.ana, self.repo.tree
        sha = ana.commit(tree, "Go on", self.files if files is None else files)
        ana.push(tree, "main")
        return sha

    def found(self, sha: str) -> Run | None:
        """Return the run of a commit, None before there is one."""
        with self.ground.services.store.reading() as tx:
            workspace = tx.workspaces.named(self.name)
            runs = tx.runs.find(RunQuery(workspace_id=workspace.id, commit=sha))
        assert len(runs) < 2, "a push made two runs"
        return runs[0] if runs else None

    def arrives(self, sha: str, *statuses: RunStatus) -> Run:
        """Wait until the run of a commit has come to one of the statuses, and return it."""

        def ask() -> Run | None:
            run = self.found(sha)
            return run if run is not None and run.status in statuses else None

        try:
            return self.ground.journey.until(ask, f"{self.name}: the run as {', '.join(statuses)}")
        except AssertionError as failure:
            run = self.found(sha)
            failure.add_note(f"run: {run}\n{self.timeline(run) if run else ''}")
            raise

    def confirm(self, sha: str) -> Run:
        """Wait until the run of a commit asks, and confirm it."""
        run = self.arrives(sha, RunStatus.PLANNED)
        return self.ground.services.controls.confirm(run.id, ADMIN, "go")

    def started(self, *, shut: str) -> str:
        """Push, and go on to where Terraform is held: in the plan, or in the apply after a confirmation."""
        self.shut(shut)
        sha = self.push()
        if shut not in ("init", "plan"):
            self.confirm(sha)
        self.reach(shut)
        return sha

    def retried(self, run: Run, *statuses: RunStatus) -> Run:
        """Retry a run, and wait until the new one has come to one of the statuses."""
        services = self.ground.services
        made = services.controls.retry(run.id, ADMIN)

        def ask() -> Run | None:
            with services.store.reading() as tx:
                found = tx.runs.get(made.id)
            return found if found.status in statuses or found.final else None

        return self.ground.journey.until(ask, f"{self.name}: the retry of {run.id}")

    def change(self, number: int) -> str:
        """Return the id of a change."""
        with self.ground.services.store.reading() as tx:
            record = tx.changes.numbered(RepoRef("github", self.repo.name), number)
        assert record is not None
        return record.id

    # --- killing --------------------------------------------------------------------------------------------

    def kill(
        self, sha: str, *, horse: bool = True, parent: bool = True, terraform: bool = False
    ) -> list[int]:
        """Kill who works on the run of a commit; return the Terraform processes that were at work for it.

        A worker that lost its parent alone is buried as well: another takes its place.
        """
        run = self.found(sha)
        assert run is not None
        pid = self.ground.journey.until(lambda: self.ground.holder(f"run:{run.id}"), "the worker")
        worker = self.ground.worker_of(pid)
        engines = [*processes.below(pid), *self._apply(run)]
        doomed = [*([pid] if horse else []), *(engines if terraform else [])]
        self.ground.kill(worker if parent else None, *doomed)
        return engines

    def _apply(self, run: Run) -> list[int]:
        """Return the processes of a run's apply, which are not below the worker."""
        (record,) = [*self.ground.stage.root.glob(f"*/runs/{run.id}/apply.lock"), None][:1]
        if record is None:
            return []
        pid = int(json.loads(record.read_text())["pid"])
        return [pid, *processes.below(pid)]

    # --- what must hold in the end --------------------------------------------------------------------------

    def timeline(self, run: Run) -> list[str]:
        """Return what happened to a run."""
        with self.ground.services.store.reading() as tx:
            return [event.kind for event in tx.runs.timeline(run.id)]

    def pushed(self, run: Run) -> Sequence[StateVersion]:
        """Return the states that came from a run, also those kept aside."""
        with self.ground.services.store.reading() as tx:
            return [v for v in tx.states.versions(run.workspace_id, 50) if v.run_id == run.id]

    def ends_well(self, sha: str, effects: dict[str, int] = EFFECTS) -> Run:
        """The run is planned, applied on confirmation, each of its effects once; every status says so."""
        run = self.found(sha)
        if run is None or run.status not in APPLY_STAGES | {RunStatus.APPLIED}:
            self.confirm(sha)
        run = self.arrives(sha, RunStatus.APPLIED, RunStatus.ERRORED, RunStatus.CANCELED)
        assert (run.status, run.error) == (RunStatus.APPLIED, "")
        assert self.outside.effects(self.name, run.id) == effects
        assert self.timeline(run).count("applying") == 1
        self.settles(sha, "success")
        return run

    def ends_cut_off(self, sha: str, effects: dict[str, int]) -> Run:
        """The run errors and says why on forge and page, nothing is applied again, its states are kept."""
        run = self.arrives(sha, RunStatus.APPLIED, RunStatus.ERRORED, RunStatus.CANCELED)
        assert (run.status, run.error) == (RunStatus.ERRORED, CUT_OFF)
        self.settles(sha, "failure")
        said = self.repo.settled(sha, f"plangate/{self.name}/apply")
        assert "the worker that applied this was lost" in said["description"]
        assert CUT_OFF in self.ground.page(f"/runs/{run.id}")
        assert self.outside.effects(self.name, run.id) == effects
        assert self.timeline(run).count("applying") == 1
        return run

    def goes_on(self, effects: dict[str, int]) -> None:
        """The next run in the workspace is planned and applied as if nothing had been."""
        self.ends_well(self.push({"net/more.tf": "# more\n"}), effects)

    def unlocked(self) -> None:
        """Wait until no run's Terraform holds the state."""

        def ask() -> bool | None:
            with self.ground.services.store.reading() as tx:
                return tx.states.locked(tx.workspaces.named(self.name).id) is None or None

        self.ground.journey.until(ask, f"{self.name}: the state unlocked")

    def settles(self, sha: str, outcome: str) -> None:
        """No status of the commit stays pending, and that of the apply says how it ended."""
        # Each is waited for: they are set side by side, and that of the commit was the plan's before.
        self.repo.settled(sha, f"plangate/{self.name}/plan", "success")
        self.repo.settled(sha, f"plangate/{self.name}/apply", outcome)
        self.repo.settled(sha, "plangate", outcome)
