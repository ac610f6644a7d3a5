"""Real workers whose engine only passes the time: `python -m tests.support.queue_worker FOLDER NUMBER`.

They are the children of one process, which saves each of them its start. Everything else is in earnest.
FOLDER has a file for each workspace, locked while the engine is at work for it: whoever finds one locked
writes it into `overlaps`. A workspace of the group `few` also locks one of the group's files: whoever finds
all of them locked writes that too.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from bot import wiring
from bot.cli.server.worker import worker
from bot.services.ports import ApplyResult, EngineJob, PlanResult, Watch
from tests.fakes.engine import FakeEngine, change
from tests.fakes.forge import FakeForge

SECONDS = 0.02
# In a group: so long that too many would meet if nothing kept them apart.
LONGER = 0.3
QUIET = "quiet"
"""Workspaces whose directory begins so have nothing to change."""
FEW = "few"
"""Workspaces whose directory ends so are in a group of which only LIMIT runs are at work at once."""
LIMIT = 2


class SlowEngine(FakeEngine):
    """Takes a little while for everything, and looks whether somebody else is at work."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder

    def plan(self, job: EngineJob, watch: Watch) -> PlanResult:
        with self._alone(job):
            if not job.working_directory.startswith(QUIET):
                self.will_find(job.working_directory, change("terraform_data.made", "create", after={}))
            return super().plan(job, watch)

    def apply(self, job: EngineJob, plan: PlanResult, watch: Watch) -> ApplyResult:
        with self._alone(job), (self._folder / "applied").open("a") as applied:
            applied.write(f"{job.run_id}\n")
            applied.flush()
            return super().apply(job, plan, watch)

    @contextmanager
    def _alone(self, job: EngineJob) -> Iterator[None]:
        with (self._folder / job.working_directory).open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                with (self._folder / "overlaps").open("a") as overlaps:
                    overlaps.write(f"{job.run_id} in {job.working_directory}\n")
            time.sleep(SECONDS)
            with self._place(job):
                yield

    @contextmanager
    def _place(self, job: EngineJob) -> Iterator[None]:
        """Lock one of the group's files. The lock ends with the process, however that ends."""
        if not job.working_directory.endswith(FEW):
            yield
            return
        with contextlib.ExitStack() as places:
            for number in range(LIMIT):
                file = places.enter_context((self._folder / f"{FEW}.{number}").open("w"))
                with contextlib.suppress(OSError):
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
            else:
                with (self._folder / "overlaps").open("a") as overlaps:
                    overlaps.write(f"{job.run_id} is one too many in the group\n")
            time.sleep(LONGER)
            yield


def main(folder: str, number: str) -> None:
    """Start so many workers, and wait until the last has ended. Nobody reports: the forge is a fake."""
    engine, forge = SlowEngine(Path(folder)), FakeForge("github")
    real = wiring.world_of
    wiring.world_of = lambda *about: replace(real(*about), engine=engine, forges={"github": forge})
    for _ in range(int(number)):
        if not os.fork():
            worker(["--queues", "receive,apply,plan"])
    with contextlib.suppress(ChildProcessError):
        while True:
            os.wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
