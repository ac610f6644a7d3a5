"""Random trouble for everything that runs, and a keeper that starts again what has ended, as systemd would.

All choices come from one seed. What was done, and when, is in `log`.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from redis import Redis

from bot.demo.stage import BOT, ServerProcess, Stage
from tests.support import processes
from tests.support.postgres import PostgresServer

FAILING, LOST = 0.2, 0.1
_TICK = 0.1
# In seconds: the longest that a worker's last job may take once the forge works again.
_LAST_JOB = 120.0


class Database(Protocol):
    """The database of a stage, which can be away."""

    name: str
    settings: dict[str, str]

    def stop(self, *, crash: bool) -> None:
        """Make it unavailable. Raises TroubleMissed if that can't be done just now."""
        ...

    def start(self) -> None:
        """Make it available again."""
        ...


class TroubleMissed(Exception):
    """This trouble can't be made just now."""


class Sqlite:
    """SQLite is away while somebody holds its file for themselves."""

    name = "sqlite"

    def __init__(self, root: Path) -> None:
        self.settings: dict[str, str] = {}
        self._file = root / "server" / "plangate.db"
        self._holder: sqlite3.Connection | None = None

    def stop(self, *, crash: bool) -> None:
        """Hold the file. Raises TroubleMissed if a process that is stalled now holds it."""
        holder = sqlite3.connect(self._file, isolation_level=None, timeout=3, check_same_thread=False)
        try:
            holder.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as busy:
            holder.close()
            # Whoever made it stall has to go on with it: they don't wait here.
            raise TroubleMissed from busy
        self._holder = holder

    def start(self) -> None:
        """Let go of the file."""
        if self._holder is not None:
            self._holder.execute("ROLLBACK")
            self._holder.close()
            self._holder = None


class Postgres:
    """A PostgreSQL server that stops in order, or crashes."""

    name = "postgresql"

    def __init__(self, server: PostgresServer) -> None:
        self.settings = {"DATABASE_URL": server.create("chaos")}
        self._server = server

    def stop(self, *, crash: bool) -> None:
        """Stop the server."""
        self._server.stop(crash=crash)

    def start(self) -> None:
        """Start the server."""
        if self._server.process is None:
            self._server.start()


def trouble_forge(stage: Stage, dice: random.Random) -> None:
    """Have the forge fail every fifth call of the bot, answer others late, and lose every tenth webhook."""
    each = FAILING / 4

    def fault(**more: object) -> None:
        seed = dice.randrange(2**32)
        about: dict[str, object] = {"path_regex": "", "times": None, "login": BOT, "seed": seed}
        stage.admin("POST", "/faults", {**about, **more})

    for late in (False, True):
        fault(status=dice.choice((500, 502, 503)), after=late, share=each)
        fault(status=None, cut=True, after=late, share=each)
    fault(status=None, delay=1.5, share=0.1)
    stage.admin("PUT", "/deliveries/loss", {"share": LOST, "seed": dice.randrange(2**32)})


def calm_forge(stage: Stage) -> None:
    """Have the forge work again."""
    stage.admin("DELETE", "/faults", {})
    stage.admin("PUT", "/deliveries/loss", {"share": 0})


class Chaos:
    """Makes trouble in a thread of its own until the end of the block; then everything runs again.

    `stall` is how long a stopped process is stopped, in seconds: longer than a lease.
    """

    def __init__(self, stage: Stage, database: Database, seed: int, *, stall: float, pause: float) -> None:
        self._stage, self._database = stage, database
        self._dice = random.Random(seed)
        self._stall, self._pause = stall, pause
        self._repairs: list[tuple[float, str, Callable[[], None]]] = []
        self._expected: set[int] = set()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="chaos", daemon=True)
        self._begun = time.monotonic()
        self._broken: Exception | None = None
        self.log: list[str] = []
        self.count: Counter[str] = Counter()
        self.ended_alone: list[str] = []

    def __enter__(self) -> Chaos:
        trouble_forge(self._stage, self._dice)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        for each in sorted(self._repairs, key=lambda each: each[0]):
            each[2]()
        self._repairs = []
        calm_forge(self._stage)
        # A worker that was asked to end finishes its job first. Then another one takes its place.
        for part in tuple(self._stage.parts.values()):
            if part.process is not None and part.process.pid in self._expected:
                part.process.wait(timeout=_LAST_JOB)
        self._keep()
        if self._broken is not None:
            raise self._broken

    def note(self, what: str) -> None:
        """Add a line to the log."""
        self.log.append(f"{time.monotonic() - self._begun:7.2f} {what}")

    def _run(self) -> None:
        following = time.monotonic() + self._pause
        try:
            while not self._over.wait(_TICK):
                now = time.monotonic()
                due = sorted((each for each in self._repairs if each[0] <= now), key=lambda each: each[0])
                for each in due:
                    self._repairs.remove(each)
                    self.note(f"repaired: {each[1]}")
                    each[2]()
                self._keep()
                if now >= following:
                    following = now + self._dice.uniform(0.2, 1.8) * self._pause
                    self._make_trouble()
        except Exception as error:
            self._broken = error

    # --- keeping everything up ------------------------------------------------------------------------------

    def _keep(self) -> None:
        """Start again what has ended. Note what nobody made end."""
        for name, part in tuple(self._stage.parts.items()):
            if part.process is None or part.process.poll() is None or self._is_down(name):
                continue
            if part.process.pid not in self._expected:
                self.ended_alone.append(f"{name} ended with {part.process.returncode}\n{part.tail(30)}")
            self._start(name)

    def _start(self, name: str) -> None:
        self.note(f"{name} starts")
        if name == "web":
            self._stage.launch_web()
        else:
            self._stage.start_worker(int(name.rpartition("-")[2]))

    def _is_down(self, name: str) -> bool:
        return any(repaired == name for _, repaired, _ in self._repairs)

    def _later(self, name: str, repair: Callable[[], None], longest: float, least: float = 0.0) -> None:
        self._repairs.append((time.monotonic() + self._dice.uniform(least, longest), name, repair))

    # --- trouble --------------------------------------------------------------------------------------------

    def _make_trouble(self) -> None:
        kinds: dict[str, tuple[int, Callable[[], str | None]]] = {
            "worker with its job": (3, self._kill_worker),
            "worker's job": (3, self._kill_job),
            "worker without its job": (2, self._kill_parent),
            "process of a run": (4, self._kill_engine),
            "worker asked to end": (1, self._ask_worker),
            "worker stalled": (1, self._stall_worker),
            "web": (2, self._kill_web),
            "process of the web": (1, self._kill_web_child),
            "database": (2, self._stop_database),
            "Valkey": (2, self._stop_valkey),
            "Valkey emptied": (2, self._empty_valkey),
            "all workers": (1, self._kill_workers),
        }
        names = list(kinds)
        kind = self._dice.choices(names, [kinds[name][0] for name in names])[0]
        what = kinds[kind][1]()
        if what is not None:
            self.count[kind] += 1
            self.note(f"{kind}: {what}")

    def _workers(self) -> list[ServerProcess]:
        parts = (part for name, part in self._stage.parts.items() if name.startswith("worker-"))
        return [part for part in parts if part.process is not None and part.process.poll() is None]

    def _worker(self) -> tuple[ServerProcess, int] | None:
        found = [part for part in self._workers() if not self._is_down(part.name)]
        if not found:
            return None
        part = self._dice.choice(found)
        assert part.process is not None
        return part, part.process.pid

    def _kill(self, part: ServerProcess, *pids: int) -> None:
        """Kill a part with other processes; it comes back after a while."""
        assert part.process is not None
        self._expected.add(part.process.pid)
        processes.kill(part.process.pid, *pids)
        part.process.wait()
        name = part.name
        self._later(name, lambda: self._start(name), 4)

    def _kill_worker(self) -> str | None:
        """Kill a worker and its job; what the job started lives."""
        found = self._worker()
        if found is None:
            return None
        part, pid = found
        jobs = [child for child, parent in processes.parents().items() if parent == pid]
        self._kill(part, *jobs)
        return f"{part.name} {pid} {jobs}"

    def _kill_workers(self) -> str:
        """Kill all workers and everything below them."""
        found = [part for part in self._workers() if not self._is_down(part.name)]
        for part in found:
            assert part.process is not None
            self._kill(part, *processes.below(part.process.pid))
        return ", ".join(part.name for part in found)

    def _kill_parent(self) -> str | None:
        found = self._worker()
        if found is None:
            return None
        self._kill(found[0])
        return f"{found[0].name} {found[1]}"

    def _kill_job(self) -> str | None:
        pids = [part.process.pid for part in self._workers() if part.process is not None]
        jobs = sorted(child for child, parent in processes.parents().items() if parent in pids)
        if not jobs:
            return None
        job = self._dice.choice(jobs)
        processes.kill(job)
        return str(job)

    def _kill_engine(self) -> str | None:
        """Kill any process that works for a run: a supervisor, a sandbox, Git, Terraform, a provider."""
        found = sorted(self.engines())
        if not found:
            return None
        pid = self._dice.choice(found)
        what = processes.described([pid])[:120]
        processes.kill(pid)
        return what

    def engines(self) -> set[int]:
        """Return the processes that work for runs, also those whose worker is gone."""
        found = set(processes.mentioning(self._stage.root))
        # Only now: what people began meanwhile is theirs.
        found -= {os.getpid(), *processes.below(os.getpid())}
        parents = processes.parents()
        for part in self._workers():
            assert part.process is not None
            jobs = [child for child, parent in parents.items() if parent == part.process.pid]
            for job in jobs:
                found.update(processes.below(job))
        return found

    def _ask_worker(self) -> str | None:
        """Send SIGTERM to a worker and all below it."""
        found = self._worker()
        if found is None:
            return None
        part, pid = found
        self._expected.add(pid)
        for each in (pid, *processes.below(pid)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(each, signal.SIGTERM)
        return f"{part.name} {pid}"

    def _stall_worker(self) -> str | None:
        """Stop a worker and all below it for longer than its lease."""
        found = self._worker()
        if found is None:
            return None
        part, pid = found
        stalled = [pid, *processes.below(pid)]
        for each in stalled:
            with contextlib.suppress(ProcessLookupError):
                os.kill(each, signal.SIGSTOP)

        def go_on() -> None:
            for each in stalled:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(each, signal.SIGCONT)

        self._later(part.name, go_on, self._stall * 1.5, self._stall)
        return f"{part.name} {stalled}"

    def _kill_web(self) -> str | None:
        part = self._stage.parts["web"]
        if self._is_down("web") or part.process is None or part.process.poll() is not None:
            return None
        self._kill(part, *processes.below(part.process.pid))
        return "with its children"

    def _kill_web_child(self) -> str | None:
        part = self._stage.parts["web"]
        if self._is_down("web") or part.process is None or part.process.poll() is not None:
            return None
        children = processes.below(part.process.pid)
        if not children:
            return None
        processes.kill(child := self._dice.choice(sorted(children)))
        return str(child)

    def _stop_database(self) -> str | None:
        if self._is_down("database"):
            return None
        crash = self._dice.random() < 0.5
        try:
            self._database.stop(crash=crash)
        except TroubleMissed:
            return None
        self._later("database", self._database.start, 12, 1)
        return "crashed" if crash else "stopped"

    def _stop_valkey(self) -> str | None:
        valkey = self._stage.valkey
        if valkey is None or self._is_down("Valkey"):
            return None
        with contextlib.closing(Redis.from_url(self._stage.redis_url)) as redis:
            redis.save()
        valkey.terminate()
        self._later("Valkey", self._stage.start_valkey, 6)
        return "stopped"

    def _empty_valkey(self) -> str | None:
        if self._is_down("Valkey"):
            return None
        self._stage.lose_valkey()
        self._later("Valkey", self._stage.start_valkey, 3)
        return "stopped and emptied"
