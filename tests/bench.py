"""`make bench`: how long webhooks and pages wait for answers, and what changes of many workspaces take.

Nothing is asserted: numbers depend on the machine, so what the machine itself takes is printed beside them.
Everything runs on the loopback address, for a bounded count of requests and time.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.bench_changes import main as changes
from tests.bench_clients import main as clients
from tests.bench_large import main as large
from tests.bench_pages import main as pages
from tests.bench_policies import judging
from tests.support import processes, storm
from tests.support.journeys import Journey, resource
from tests.support.postgres import PostgresMissing, running_postgres

RATE = 200
SECONDS = 10
# As `plangate web` has it where nobody says otherwise.
WEB_PROCESSES = 2
ROUNDS = 5


def percentile(values: list[float], share: float) -> float:
    """Return the value below which this share of them lies."""
    return sorted(values)[min(int(len(values) * share), len(values) - 1)]


def row(name: str, values: list[float]) -> None:
    """Print p50, p99 and the worst, in milliseconds."""
    p50, p99 = percentile(values, 0.5) * 1000, percentile(values, 0.99) * 1000
    sys.stdout.write(
        f"  {name:<48} p50 {p50:8.1f} ms   p99 {p99:8.1f} ms   max {max(values) * 1000:8.1f} ms\n"
    )


def staged(folder: Path, **settings: str) -> Journey:
    """Return a stage as an installation has it, not yet started."""
    journey = Journey(folder, PLANGATE_LOG_LEVEL="WARNING", **settings)
    journey.stage.web_processes = WEB_PROCESSES
    return journey


def disk(folder: Path) -> None:
    """Print how long the disk takes to keep what a delivery has: no answer can be quicker."""
    times = []
    with (folder / "synced").open("wb", buffering=0) as file:
        for _ in range(RATE):
            begun = time.perf_counter()
            file.write(bytes(30_000))
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - begun)
    row("the disk: 30 kB written and synced", times)


def webhook_to_answer(journey: Journey, database: str) -> None:
    """Send signed pushes at a steady rate, each at its moment whether or not others are answered.

    Workers handle them meanwhile. The first second is not counted: connections are made then.
    """
    address, secret = journey.stage.url.removeprefix("http://"), journey.stage.webhook_secret
    queues = journey.services.queues
    # A worker that starts is as urgent as the web: only then does it give way.
    journey.until(
        lambda: min(queues.condition().workers.values()) == journey.stage.workers or None, "the workers"
    )
    body = storm.push("bench", "2" * 40)
    answers = storm.send(address, [storm.genuine(body, secret) for _ in range(RATE * (SECONDS + 1))], RATE)
    row(f"webhook to answer, {database}, {RATE}/s for {SECONDS} s", [each.seconds for each in answers[RATE:]])
    wrong = {each.status for each in answers} - {202}
    if wrong:
        sys.stdout.write(f"  some were not answered with 202: {sorted(wrong)}\n")


def storm_to_answer(journey: Journey, database: str) -> None:
    """Send repeats and forged calls among the others while plans run, and look at the web's memory."""
    address, secret = journey.stage.url.removeprefix("http://"), journey.stage.webhook_secret
    repo = journey.repo()
    web = journey.stage.parts["web"].process
    assert web is not None

    def memory() -> float:
        return sum(map(processes.resident, (web.pid, *processes.below(web.pid)))) / 2**20

    for number in range(ROUNDS):
        repo.push("main", "A plan meanwhile", {"net/main.tf": resource("net", f"plan {number}")})
    before = memory()
    bodies = [storm.push(f"storm-{number}", f"{number:040x}") for number in range(RATE * SECONDS)]
    answers = storm.send(address, storm.stormy(bodies, secret, seed=1), RATE)
    row(f"storm to answer while plans run, {database}", [each.seconds for each in answers])
    counts = Counter((each.call.kind.name.lower(), each.status) for each in answers)
    told = ", ".join(f"{number} {kind}: {status}" for (kind, status), number in sorted(counts.items()))
    sys.stdout.write(f"  {told}; memory of the web {before:.0f} MB before, {memory():.0f} MB after\n")


def on_postgresql(folder: Path) -> None:
    """Measure webhooks on PostgreSQL too, where there is one."""
    try:
        with running_postgres(durable=True) as server:
            url = server.create("bench")
            with staged(folder, DATABASE_URL=url) as journey:
                webhook_to_answer(journey, "PostgreSQL")
                storm_to_answer(journey, "PostgreSQL")
    except PostgresMissing as missing:
        sys.stdout.write(f"  not measured on PostgreSQL: {missing}\n")


def main() -> None:
    """Run every benchmark and print its numbers."""
    sys.stdout.write(f"  {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} before it began\n")
    with tempfile.TemporaryDirectory(prefix="plangate-bench-") as folder:
        disk(Path(folder))
        with staged(Path(folder) / "stage") as journey:
            webhook_to_answer(journey, "SQLite")
            storm_to_answer(journey, "SQLite")
        on_postgresql(Path(folder) / "server")
    judging()
    pages()
    changes()
    clients()
    large()


if __name__ == "__main__":
    main()
