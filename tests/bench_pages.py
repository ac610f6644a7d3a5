"""`python -m tests.bench_pages`: the page of a run with 10,000 changes, and with 100 MiB of log.

The page is asked of the application itself, without a browser or a web server: wall time and CPU of the
answer. The first answer is left out: templates and statements are compiled then.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

from bot.domain.runs.lifecycle import RunStatus, StageStatus
from bot.domain.runs.run import Run
from bot.services.plans.plan_text import packed_text
from bot.services.plans.views import packed
from bot.services.ports import ArtifactKind
from tests.support.plans import many_changes
from tests.support.stores import kept_stores
from tests.web.conftest import World, built

CHANGES = 10_000
LOG_MIB = 100
ROUNDS = 5
_PIECE = "".join(f"aws_instance.web[{number}]: Still creating... [10s elapsed]\n" for number in range(4096))


def with_changes(world: World) -> Run:
    """Return a run whose plan has 10,000 changes, stored as a worker does."""
    run = _planned(world, "changes")
    document = many_changes(CHANGES)
    with world.services.store.transaction() as tx:
        tx.artifacts.put(run.id, ArtifactKind.PLAN_JSON, json.dumps(document).encode())
        tx.artifacts.put(run.id, ArtifactKind.PLAN_VIEW, packed(document, ()))
        tx.artifacts.put(run.id, ArtifactKind.PLAN_TEXT, packed_text(document, (), "terraform"))
    return run


def with_log(world: World) -> Run:
    """Return a run whose plan has printed 100 MiB, stored in pieces as a worker does."""
    run = _planned(world, "log")
    for _ in range(LOG_MIB * 2**20 // len(_PIECE) + 1):
        with world.services.store.transaction() as tx:
            tx.artifacts.append_output(run.id, "plan", _PIECE)
    return run


def _planned(world: World, name: str) -> Run:
    return world.run(
        world.workspace(name),
        status=RunStatus.PLANNED,
        plan_status=StageStatus.FINISHED,
        has_changes=True,
        digest="0" * 64,
    )


def page(world: World, run: Run, name: str, aim: float) -> None:
    """Print how long the page of a run takes, in seconds."""
    took, used = [], []
    for _ in range(ROUNDS + 1):
        begun, cpu = time.perf_counter(), time.process_time()
        answer = world.client.get(f"/runs/{run.id}")
        took.append(time.perf_counter() - begun)
        used.append(time.process_time() - cpu)
        assert answer.status_code == 200, answer.status
    wall, cpu_each = statistics.median(took[1:]), statistics.median(used[1:])
    sys.stdout.write(f"  {name:<36} {wall:6.2f} s  CPU {cpu_each:6.2f} s  aim {aim} s\n")
    sys.stdout.flush()


def main() -> None:
    """Print the figures."""
    with (
        kept_stores() as stores,
        stores.one() as kept,
        tempfile.TemporaryDirectory() as folder,
        built(kept, Path(folder)) as world,
    ):
        world.sign_in()
        page(world, with_changes(world), f"page of a run, {CHANGES} changes", 0.5)
        page(world, with_log(world), f"page of a run, {LOG_MIB} MiB of log", 0.3)


if __name__ == "__main__":
    main()
