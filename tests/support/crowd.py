"""People who push, confirm, comment, merge and change their minds, each in a repository of their own.

Each push adds a file with one resource. Making it has one effect on the outside, which is counted there.
"""

from __future__ import annotations

import itertools
import random
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from bot.demo.people import Person as Contributor
from bot.demo.stage import StageError
from bot.domain.errors import PlangateError
from bot.domain.people.permissions import Person, Role
from bot.domain.runs.lifecycle import AWAITS_CONFIRMATION, CANCELABLE, RunStatus
from bot.domain.runs.run import Run
from bot.domain.workspaces.workspace import Workspace
from bot.services.ports import RunQuery
from bot.wiring import Services
from tests.support.journeys import Journey, Repo
from tests.support.outside import Outside

ADMIN = Person("admin", Role.OWNER)
_LOOK = 0.3


class SlowOutside(Outside):
    """Takes a moment for each effect, so that trouble finds applies under way."""

    def __init__(self, seed: int, longest: float) -> None:
        super().__init__()
        self._dice, self._longest = random.Random(seed), longest

    def answer(self, path: str) -> bytes:
        found = super().answer(path)
        time.sleep(self._dice.uniform(0, self._longest))
        return found


@dataclass
class Room(ABC):
    """One repository with one workspace, and the person at work there."""

    journey: Journey
    services: Services
    outside: Outside
    full_name: str
    dice: random.Random
    pause: float
    over: threading.Event = field(default_factory=threading.Event)
    commits: list[str] = field(default_factory=list)
    pulls: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.name = self.full_name.partition("/")[2]
        self.repo: Repo = self.journey.repo({"net/begin.tf": "# nothing yet\n"}, self.full_name)
        self.journey.ana.push(self.repo.tree, "main")
        self.head = self.journey.ana.git(self.repo.tree, "rev-parse", "HEAD")
        self.made: list[str] = []
        self._numbers = itertools.count(1)
        self.commits.append(self.head)

    def work(self) -> None:
        """Work until it is over. The server may be away: then it is tried again later."""
        while not self.over.wait(self.dice.uniform(0.2, 1.8) * self.pause):
            try:
                self.step()
            except PlangateError as error:
                if isinstance(error, StageError):
                    raise

    @abstractmethod
    def step(self) -> None:
        """Do one thing."""

    def file(self) -> tuple[str, dict[str, str]]:
        """Return a new resource's name, and its file."""
        name = f"c{next(self._numbers)}"
        return name, {f"net/{name}.tf": self.outside.step(self.name, name)}

    def push(self) -> str:
        """Push a new file to `main`; return the commit."""
        name, files = self.file()
        self.head = self.repo.push("main", f"Add {name}", files)
        self.made.append(name)
        self.commits.append(self.head)
        return self.head

    @property
    def workspace(self) -> Workspace:
        """The workspace as it is stored."""
        with self.services.store.reading() as tx:
            return tx.workspaces.named(self.name)

    def runs(self) -> Sequence[Run]:
        """Return all its runs, newest first."""
        with self.services.store.reading() as tx:
            return tx.runs.find(RunQuery(workspace_id=self.workspace.id, limit=None))

    def unfinished(self) -> list[Run]:
        """Return the runs that may apply and are not final."""
        return [run for run in self.runs() if not run.final and not run.plan_only]

    def confirm_all(self) -> bool:
        """Confirm what waits for a person; return whether anything did."""
        waiting = [run for run in self.unfinished() if run.status in AWAITS_CONFIRMATION]
        for run in waiting:
            self.services.controls.confirm(run.id, ADMIN, "go")
        return bool(waiting)


class Pushed(Room):
    """Ana pushes to `main`, an administrator confirms, discards and cancels."""

    def step(self) -> None:
        unfinished = self.unfinished()
        asked = [run for run in unfinished if run.status in AWAITS_CONFIRMATION]
        chance = self.dice.random()
        if asked:
            if chance < 0.15:
                self.services.controls.discard(asked[0].id, ADMIN, "not this one")
            elif chance < 0.85:
                self.services.controls.confirm(asked[0].id, ADMIN, "go")
        elif len(unfinished) < 3 and chance < 0.8:
            self.push()
        elif unfinished and chance > 0.95:
            run = self.dice.choice(unfinished)
            if run.status in CANCELABLE:
                self.services.controls.cancel(run.id, ADMIN, "never mind")


class Reviewed(Room):
    """Ana opens pull requests one after the other; each is applied and merged, or closed."""

    def step(self) -> None:
        name, files = self.file()
        branch = f"add-{name}"
        number, sha = self.repo.pull(branch, files)
        self.pulls.append(number)
        self.commits.append(sha)
        if self.dice.random() < 0.3:
            more, others = self.file()
            sha = self.repo.push(branch, f"Also add {more}", others)
            self.commits.append(sha)
            names = [name, more]
        else:
            names = [name]
        if self.dice.random() < 0.15:
            self._close(number)
            return
        if self._applied(number, sha):
            merged = self.journey.ana.merge(self.repo.name, number)
            self.journey.ana.git(self.repo.tree, "checkout", "-q", "main")
            self.journey.ana.git(self.repo.tree, "pull", "-q", "origin", "main")
            self.made += names
            self.head = merged
            self.commits.append(merged)
        else:
            self._close(number)

    def _close(self, number: int) -> None:
        self.journey.ana.api("PATCH", f"/repos/{self.repo.name}/pulls/{number}", {"state": "closed"})

    def _applied(self, number: int, sha: str) -> bool:
        """Comment `/apply` until it is applied; give up when it is over."""
        tries = 0
        while not self._waited(lambda: self._is_applied(sha), 25) and not self.over.is_set():
            if tries == 3:
                return self._is_applied(sha)
            if self.repo.bot_comments(number):
                tries += 1
                Contributor.comment(self.journey.ana, self.repo.name, number, "/apply")
        return self._is_applied(sha)

    def _waited(self, ask: Callable[[], bool], seconds: float) -> bool:
        """Whether something comes true within some seconds."""
        end = time.monotonic() + seconds * self.pause / 2
        while time.monotonic() < end:
            if ask():
                return True
            if self.over.wait(_LOOK):
                return ask()
        return False

    def _is_applied(self, sha: str) -> bool:
        try:
            return any(run.status is RunStatus.APPLIED and run.commit == sha for run in self.runs())
        except PlangateError:
            return False
