"""Everything goes wrong at random for a while; afterwards nothing is lost, doubled, stuck or left behind.

`make soak` runs it for 20 minutes on both databases, `make test` for two minutes on one of them. See
CONTRIBUTING.md for `--chaos-minutes` and `--chaos-seed`.
"""

from __future__ import annotations

import random
import secrets
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from bot.domain.errors import PlangateError
from bot.wiring import Services
from tests.support import invariants, processes
from tests.support.chaos import Chaos, Database, Postgres, Sqlite
from tests.support.crowd import Pushed, Reviewed, Room, SlowOutside
from tests.support.journeys import Journey
from tests.support.postgres import PostgresMissing, running_postgres

pytestmark = pytest.mark.e2e

LEASE_SECONDS = 6
SETTLING = 300.0
SETTINGS = {
    "PLANGATE_LEASE_SECONDS": str(LEASE_SECONDS),
    "PLANGATE_STATE_LOCK_GRACE": "15s",
    "PLANGATE_STATE_PATIENCE": "60s",
    "PLANGATE_CATCH_UP_EVERY": "5s",
    "PLANGATE_CATCH_UP_CALLS": "1000",
}
# The others do everything: what a role does not do, they must.
ROLES = {2: "receive,report", 3: "apply,plan"}


@dataclass(frozen=True)
class Size:
    """How long and how many. `trouble` and `step` are the seconds between two of them, on average."""

    seconds: float
    workers: int
    rooms: int
    trouble: float
    step: float


SMALL = Size(seconds=120, workers=3, rooms=3, trouble=5, step=5)


def _full(request: pytest.FixtureRequest) -> Size:
    minutes = request.config.getoption("--chaos-minutes")
    return Size(seconds=60 * float(minutes), workers=4, rooms=6, trouble=4, step=3)


def _seed(request: pytest.FixtureRequest, usual: int | None = None) -> int:
    """Return the seed that is asked for, else the usual one, else any."""
    given = request.config.getoption("--chaos-seed")
    seed = usual if given is None else int(given)
    return secrets.randbelow(1_000_000) if seed is None else seed


def _manifest(rooms: int) -> str:
    lines = ['forges:\n  github: {kind: github, url: "{forge}"}\n', "workspaces:"]
    for number in range(1, rooms + 1):
        place = f"repo: acme/room-{number}, branch: main, working_directory: net, network: host"
        auto = "true" if number % 3 == 1 else "false"
        lines.append(f"  - {{name: room-{number}, {place}, auto_apply: {auto}}}")
    return "\n".join(lines) + "\n"


@contextmanager
def _database(name: str, root: Path) -> Iterator[Database]:
    if name == "sqlite":
        yield Sqlite(root)
        return
    # A crash must not lose what was committed, as it may where nothing is synced.
    with running_postgres(durable=True) as server:
        yield Postgres(server)


class World:
    """A stage with people at work on it."""

    def __init__(self, root: Path, database: Database, size: Size, seed: int, stack: ExitStack) -> None:
        dice = random.Random(seed)
        self.size, self.database = size, database
        self.outside = stack.enter_context(SlowOutside(dice.randrange(2**32), 1.0))
        self.journey = Journey(root, _manifest(size.rooms), **SETTINGS, **database.settings)
        self.stage = self.journey.stage
        self.stage.workers, self.stage.queues = size.workers, ROLES
        self.stage.web_processes = 2
        stack.enter_context(self.journey)
        self.services: Services = self.journey.services
        self.rooms: list[Room] = []
        for number in range(1, size.rooms + 1):
            kind = Reviewed if number % 3 == 0 else Pushed
            own = random.Random(dice.randrange(2**32))
            name = f"acme/room-{number}"
            self.rooms.append(kind(self.journey, self.services, self.outside, name, own, size.step))
        self.chaos = Chaos(
            self.stage,
            database,
            dice.randrange(2**32),
            stall=LEASE_SECONDS * 1.5,
            pause=size.trouble,
        )

    def play(self) -> None:
        """Have people work while everything goes wrong."""
        failed: list[BaseException] = []

        def work(room: Room) -> None:
            try:
                room.work()
            except BaseException as error:
                failed.append(error)

        people = [threading.Thread(target=work, args=(room,), daemon=True) for room in self.rooms]
        with self.chaos:
            for person in people:
                person.start()
            end = time.monotonic() + self.size.seconds
            while time.monotonic() < end and not failed:
                time.sleep(0.5)
            for room in self.rooms:
                room.over.set()
            for person in people:
                person.join()
        if failed:
            raise failed[0]

    def settle(self) -> None:
        """Wait until nothing is left to do; an administrator confirms what waits for a person."""
        self._until_none("everything is settled", self._left)

    def _left(self) -> list[str]:
        for room in self.rooms:
            room.confirm_all()
        return invariants.all_pending(self.rooms, self.services)

    def compared(self) -> None:
        """Wait until each repository was compared with its forge, which works again."""
        since, left = self.services.clock.now(), {f"github:{room.full_name}" for room in self.rooms}

        def ask() -> list[str]:
            left.difference_update(invariants.compared(self.services, since))
            return [f"{repo} was not compared with the forge" for repo in sorted(left)]

        self._until_none("every repository is compared", ask)

    def _until_none(self, what: str, ask: Callable[[], Sequence[str]]) -> None:
        left: Sequence[str] = ["nothing was asked"]
        end = time.monotonic() + SETTLING
        while time.monotonic() < end:
            self.stage.check()
            try:
                left = ask()
            except PlangateError as error:
                left = [str(error)]
            if not left:
                self.chaos.note(what)
                return
            time.sleep(0.5)
        raise AssertionError(f"not in time: {what}\n" + "\n".join(left))

    def finish(self) -> list[str]:
        """Push once more to each repository, and return all that is wrong once that is applied."""
        for room in self.rooms:
            room.push()
        self.journey.until(
            lambda: all(self._runs_of_head(room) for room in self.rooms) or None, "a run of each last push"
        )
        self.settle()
        wrong = [problem for room in self.rooms for problem in invariants.of_room(room)]
        wrong += invariants.deliveries(self.stage, self.services)
        wrong += [f"nobody made it end: {each}" for each in self.chaos.ended_alone]
        if left := self.chaos.engines():
            wrong.append(f"processes of runs are left:\n{processes.described(left)}")
        return wrong

    @staticmethod
    def _runs_of_head(room: Room) -> bool:
        return any(run.commit == room.head for run in room.runs())

    def told(self) -> str:
        """Return figures for a person to read."""
        ends: Counter[str] = Counter()
        for room in self.rooms:
            ends.update(run.status.value for run in room.runs())
        effects = sum(self.outside.all_effects().values())
        with self.services.store.reading() as tx:
            stored = tx.deliveries.recent(1_000_000)
        found = sum(each.event.endswith(" (found)") for each in stored)
        commits = sum(len(room.commits) for room in self.rooms)
        return (
            f"{sum(self.chaos.count.values())} troubles {dict(self.chaos.count)}; {commits} commits, "
            f"{len(stored)} deliveries, {found} of them found; runs {dict(ends)}; {effects} effects"
        )


def play(root: Path, database: str, size: Size, seed: int) -> None:
    """Play it all; on failure, say the seed and what was done."""
    with ExitStack() as stack:
        root.mkdir()
        world = World(root, stack.enter_context(_database(database, root)), size, seed, stack)
        try:
            world.play()
            world.compared()
            world.settle()
            wrong = world.finish()
            sys.stdout.write(f"\nchaos on {database}, seed {seed}, {size.seconds:.0f} s: {world.told()}\n")
            world.stage.stop()
            wrong += invariants.trees(world.stage, world.services)
            if left := set(processes.mentioning(root)):
                wrong.append(f"processes are left:\n{processes.described(left)}")
            assert not wrong, "\n".join(wrong)
        except BaseException:
            sys.stdout.write(f"\nrepeat it with --chaos-seed {seed}, on {database}; what was done:\n")
            sys.stdout.write("\n".join(world.chaos.log) + f"\nlogs: {world.stage.logs}\n")
            raise


def _played(root: Path, database: str, size: Size, seed: int) -> None:
    try:
        play(root, database, size, seed)
    except PostgresMissing as missing:
        pytest.skip(str(missing))


def test_nothing_is_lost_in_two_minutes_of_chaos(request: pytest.FixtureRequest, stage_folder: Path) -> None:
    # Always the same choices, though not at the same moments: the long form makes others each time.
    seed = _seed(request, usual=6)
    _played(stage_folder, ("sqlite", "postgresql")[seed % 2], SMALL, seed)


@pytest.mark.soak
@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_nothing_is_lost_in_long_chaos(
    request: pytest.FixtureRequest, stage_folder: Path, database: str
) -> None:
    _played(stage_folder, database, _full(request), _seed(request))
