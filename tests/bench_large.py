"""`python -m tests.bench_large`: a push to 2,000 workspaces, and how fast the command line starts.

The sandbox is on. Everything is on the loopback address.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from bot.services.ports import RunQuery
from tests.bench_changes import Cost, directories, manifest
from tests.bench_changes import row as cost_row
from tests.support import storm
from tests.support.journeys import Journey
from tests.support.postgres import PostgresMissing, running_postgres

WORKSPACES = 2000
BIG = "acme/big"
# Other webhooks meanwhile: so many in a second, for so many seconds.
RATE = 20
SECONDS = 15
_LIMIT = 120.0
_STARTS = 5


def push_to_many(journey: Journey, database: str) -> None:
    """Push a commit that touches every workspace, and wait for the runs. Other webhooks come meanwhile."""
    repo = journey.repo({"README.md": "Infrastructure"}, BIG)
    journey.ana.push(repo.tree, "main")
    address, secret = journey.stage.url.removeprefix("http://"), journey.stage.webhook_secret
    time.sleep(5)
    calls = [storm.genuine(storm.push("other", "2" * 40), secret) for _ in range(RATE * SECONDS)]
    answers: list[storm.Answer] = []
    sender = threading.Thread(target=lambda: answers.extend(storm.send(address, calls, RATE)))
    sender.start()
    time.sleep(1)
    sha = repo.push("main", "Every directory", directories(range(WORKSPACES)))
    begun = time.perf_counter()
    cost = Cost()
    for what, number in (("first run", 1), ("all", WORKSPACES)):
        while not has_runs(journey, sha, number):
            if time.perf_counter() - begun > _LIMIT:
                raise SystemExit(f"after {_LIMIT:.0f} s, not all of {WORKSPACES} runs are there")
            time.sleep(0.1)
        cost.seconds[what] = time.perf_counter() - begun
    cost_row(f"push to {WORKSPACES}, {database}", cost)
    sender.join()
    times = sorted(each.seconds for each in answers)
    p50, p99 = times[len(times) // 2] * 1000, times[int(len(times) * 0.99)] * 1000
    sys.stdout.write(f"    other webhooks meanwhile: p50 {p50:.0f} ms, p99 {p99:.0f} ms\n")


def has_runs(journey: Journey, sha: str, number: int) -> bool:
    """Whether a commit has at least so many runs."""
    with journey.services.store.reading() as tx:
        return bool(tx.runs.find(RunQuery(commit=sha, limit=1, offset=number - 1)))


def staged(folder: Path, **settings: str) -> Journey:
    """Return a stage with every workspace."""
    settings = {"PLANGATE_SANDBOX": "required", "PLANGATE_SWEEP_SECONDS": "15", **settings}
    journey = Journey(folder, manifest(WORKSPACES), **settings)
    journey.stage.workers, journey.stage.jobs = 1, 2
    return journey


def command_line() -> None:
    """Print how long `plangate --help` takes."""
    times = []
    for _ in range(_STARTS):
        begun = time.perf_counter()
        subprocess.run([sys.executable, "-m", "bot.cli", "--help"], check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - begun)
    cost_row("plangate --help", Cost({"all": statistics.median(times)}))


def main() -> None:
    """Print the figures."""
    command_line()
    with tempfile.TemporaryDirectory(prefix="plangate-bench-") as folder:
        with staged(Path(folder) / "sqlite") as journey:
            push_to_many(journey, "SQLite")
        try:
            with running_postgres(durable=True) as server:
                url = server.create("bench")
                with staged(Path(folder) / "postgresql", DATABASE_URL=url) as journey:
                    push_to_many(journey, "PostgreSQL")
        except PostgresMissing as missing:
            sys.stdout.write(f"  not measured on PostgreSQL: {missing}\n")


if __name__ == "__main__":
    main()
