"""Real processes and people at work on them, for the end-to-end tests.

Each test takes a repository of its own on one shared stage, so that they don't wait for each other's queues.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, Self, TypeVar

from bot.demo.people import Person, person
from bot.demo.stage import BOT, Stage
from bot.domain.events import RepoRef
from bot.wiring import Services, build, configured

T = TypeVar("T")
# Seconds. Long, so that a machine with other work to do fails nothing: only a test that fails waits for it.
PATIENCE = 300.0
_LOOK = 2.0

ROOMS = tuple(f"acme/repo-{number}" for number in range(1, 13))


def rooms(kind: str) -> tuple[str, ...]:
    """Return the repositories that tests take; on GitLab, where a group may have groups, they are deeper."""
    return tuple(room.replace("/", "/platform/") for room in ROOMS) if kind == "gitlab" else ROOMS


def manifest(repos: tuple[str, ...] = ROOMS, more: str = "") -> str:
    """Return a plangate.yml with three workspaces in each repository."""
    lines = ['forges:\n  {kind}: {kind: {kind}, url: "{forge}"}\n', "workspaces:"]
    for repo in repos:
        name = repo.rpartition("/")[2]
        lines.append(f"  - {{name: {name}-net, repo: {repo}, branch: main, working_directory: net}}")
        lines.append(f"  - {{name: {name}-app, repo: {repo}, branch: main, working_directory: app}}")
        lines.append(
            f"  - {{name: {name}-net-staging, repo: {repo}, branch: staging, working_directory: net}}"
        )
    return "\n".join(lines) + "\n" + more


def resource(name: str, value: str, more: str = "") -> str:
    """Return a configuration with one resource of Terraform's own."""
    return f'resource "terraform_data" "{name}" {{\n  input = "{value}"\n{more}}}\n'


BEGINNING = {"net/main.tf": resource("net", "one"), "app/main.tf": resource("app", "one")}


class Journey:
    """A stage, and what tests do on it."""

    def __init__(self, root: Path, text: str = "", *, kind: str = "github", **settings: str) -> None:
        self.kind = kind
        self.stage = Stage(
            root,
            text or manifest(rooms(kind)),
            {
                "PLANGATE_LOCAL_ADMIN": "admin",
                "PLANGATE_SWEEP_SECONDS": "1",
                # Tests of other changes count their runs; those of siblings and forecasts set it.
                "PLANGATE_REPLAN_SIBLINGS": "0",
                "PLANGATE_FORECASTS": "0",
                # They look at the comment before they apply, but not for long.
                "PLANGATE_SHOWN_FOR": "1s",
                "PLANGATE_TERRAFORM_FROM_PATH": "false",
                **settings,
            },
            kind=kind,
        )
        self._repos = iter(rooms(kind))
        self._trees = itertools.count()
        self._services: Services | None = None

    def __enter__(self) -> Self:
        self.stage.start()
        self.ana = person(self.stage, "ana")
        self.ben = person(self.stage, "ben")
        self.eve = person(self.stage, "eve")
        self.stage.connect()
        for each in (self.ana, self.ben, self.eve):
            self._have_look_first(each)
        return self

    def __exit__(self, *_: object) -> None:
        self.stage.stop()

    def _have_look_first(self, who: Person) -> None:
        """Have somebody look before they comment `/apply`, or `/plan` on a fork's change, as people do."""
        comment = who.comment

        def looked(repo: str, number: int, body: str) -> int:
            if "/apply" in body or ("/plan" in body and self._from_fork(repo, number)):
                self.until(lambda: self._told(repo, number), f"what is said on #{number}")
                # A forge's times may be whole seconds.
                time.sleep(_LOOK)
            return comment(repo, number, body)

        who.comment = looked  # type: ignore[method-assign]

    def _from_fork(self, path: str, number: int) -> bool:
        """Whether a change that is known here comes from a fork."""
        with self.services.store.reading() as tx:
            record = tx.changes.numbered(RepoRef(self.kind, path), number)
            return record is not None and record.change.from_fork

    def _told(self, path: str, number: int) -> bool | None:
        """Whether nothing is left to be told on a change."""
        services = self.services
        later = services.clock.now() + timedelta(seconds=10)
        with services.store.reading() as tx:
            record = tx.changes.numbered(RepoRef(self.kind, path), number)
            return None if record is None or record.id in tx.posts.due(later, 1000) else True

    @property
    def services(self) -> Services:
        """The services on the stage's database, to look and to act as the command line does."""
        if self._services is None:
            self._services = build(configured(self.stage.environment()))
        return self._services

    def repo(self, files: dict[str, str] | None = None, name: str = "") -> Repo:
        """Return a fresh repository with a beginning on `main` that made no runs."""
        name = name or next(self._repos)
        self.stage.create_repo(name, {"ana": "write", "ben": "write", "eve": "read"})
        tree = self.ana.clone(name, self.stage.root / f"tree-{next(self._trees)}")
        self.ana.git(tree, "checkout", "-q", "-B", "main")
        self.ana.commit(tree, "Begin", files or BEGINNING)
        return Repo(self, name, tree)

    def until(self, ask: Callable[[], T | None], what: str) -> T:
        """Ask until there is an answer; fail with the logs when patience is over."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if (found := ask()) is not None:
                return found
            self.stage.check()
            time.sleep(0.25)
        logs = "\n".join(f"--- {name}\n{part.tail(25)}" for name, part in tuple(self.stage.parts.items()))
        raise AssertionError(f"{what} did not come\n{logs}")


class Repo:
    """A repository, with Ana's working tree."""

    def __init__(self, journey: Journey, name: str, tree: Path) -> None:
        self.journey = journey
        self.name = name
        self.tree = tree
        self.short = name.rpartition("/")[2]

    def push(self, branch: str, message: str, files: dict[str, str], *, new: bool = False) -> str:
        """Commit files on a branch (a new one from where the tree stands) and push; return the commit."""
        ana = self.journey.ana
        ana.git(self.tree, "checkout", "-q", *(["-b"] if new else []), branch)
        sha = ana.commit(self.tree, message, files)
        ana.push(self.tree, branch)
        return sha

    def pull(self, branch: str, files: dict[str, str]) -> tuple[int, str]:
        """Push a branch from main with these files and open a pull request; return number and commit."""
        self.journey.ana.git(self.tree, "checkout", "-q", "main")
        sha = self.push(branch, f"Change {branch}", files, new=True)
        return self.journey.ana.open_pull(self.name, branch, f"Change {branch}"), sha

    # --- what comes -----------------------------------------------------------------------------------------

    def status(self, sha: str, context: str) -> dict[str, Any] | None:
        """Return the newest status of a commit with this context."""
        found = [s for s in self.journey.ana.statuses(self.name, sha) if s["context"] == context]
        return found[-1] if found else None

    def settled(self, sha: str, context: str = "plangate", *states: str) -> dict[str, Any]:
        """Wait until a status is one of the states (by default: not pending) and return it."""

        def ask() -> dict[str, Any] | None:
            found = self.status(sha, context)
            if found is None or (found["state"] not in states if states else found["state"] == "pending"):
                return None
            return found

        return self.journey.until(ask, f"{context} of {sha[:8]} as {states or 'settled'}")

    def words(self, sha: str, context: str, words: str) -> dict[str, Any]:
        """Wait until a status says these words and return it."""

        def ask() -> dict[str, Any] | None:
            found = self.status(sha, context)
            return found if found is not None and words in (found["description"] or "") else None

        return self.journey.until(ask, f"{context} of {sha[:8]} with {words!r}")

    def bot_comments(self, number: int) -> list[str]:
        """Return what the bot wrote on a pull request."""
        found = self.journey.ana.comments(self.name, number)
        return [c["body"] for c in found if c["user"]["login"] == BOT]

    def comment_with(self, number: int, words: str) -> str:
        """Wait until a comment of the bot has these words and return it."""

        def ask() -> str | None:
            return next((body for body in self.bot_comments(number) if words in body), None)

        return self.journey.until(ask, f"a comment with {words!r} on #{number}")

    def run_of(self, status: dict[str, Any]) -> str:
        """Return the id of the run that a status links to."""
        return str(status["target_url"]).rpartition("/")[2]
