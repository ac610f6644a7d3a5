"""The story that the demo tells: push, change, plan, `/apply`, result, merge. Each step must happen."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bot.demo import sample
from bot.demo.laptop import WORKSPACE, Laptop
from bot.demo.people import Person, person
from bot.demo.screen import Screen
from bot.demo.stage import BOT, Stage, StageError

_PATIENCE = 90.0
# In seconds: somewhat longer than PLANGATE_SHOWN_FOR is unless it is set.
_LOOK = 4.0


class Story:
    """Tells the story on a stage, and shows it on a screen."""

    def __init__(self, stage: Stage, screen: Screen) -> None:
        self._stage = stage
        self._screen = screen
        self._repo = sample.REPOS[stage.kind]
        self._seen: set[tuple[str, str, str]] = set()

    def tell(self) -> Sequence[tuple[str, str]]:
        """Tell it whole, and return where to see it. Raises StageError, which says what did not happen."""
        stage, screen = self._stage, self._screen
        change = stage.words.change
        with self._step("Start the playground forge", stage.forge_url):
            stage.start_forge()
        with self._step("Start Valkey, the web process and two workers", stage.url):
            stage.start_valkey()
            stage.start_web()
            for number in range(1, stage.workers + 1):
                stage.start_worker(number)
        with self._step(f"Create {self._repo} with two directories on two branches", "git push"):
            self._ana, self._ben, tree = self._furnish()
        with self._step("Connect Plangate: three workspaces, one webhook", "plangate.yml"):
            stage.connect()
        with self._step(f"Ana pushes the branch {sample.BRANCH}", "git push"):
            head = self._push_change(tree)
        with self._step(f"Ana opens a {change}", ""):
            number = self._ana.open_pull(self._repo, sample.BRANCH, sample.TITLE)
        screen.say("The statuses, as they come:")
        self._statuses(head, "plangate", "success")
        comment = self._comment(number, lambda body: "2 workspaces ready to apply" in body)
        screen.comment(BOT, comment, f"The comment on the {change}:")
        # `/apply` means a plan that was there for a moment.
        time.sleep(_LOOK)
        with self._step("Ben comments", "/apply"):
            self._ben.comment(self._repo, number, "Two zones, as agreed.\n\n/apply")
        screen.say("The statuses, as they come:")
        self._statuses(head, "plangate/network-prod/apply", "success")
        self._statuses(head, "plangate/app-prod/apply", "success")
        screen.comment(BOT, self._outcome(number), "The result:")
        with self._step(f"Ana merges the {change}", ""):
            merged = self._ana.merge(self._repo, number)
        screen.say("The branch has the files that were applied, so nothing runs again:")
        self._statuses(merged, "plangate", "success")
        by_cli = self._use_cli()
        return [
            (stage.words.title, self._ana.page(self._repo, number)),
            *[(f"Run of {name}", url) for name, url in self._runs(head)],
            *by_cli,
            ("All workspaces", stage.url),
            ("Sign in as administrator", stage.sign_in_address()),
            ("Sign in as Ana or Ben", f"{stage.url}/sign-in"),
        ]

    def _use_cli(self) -> list[tuple[str, str]]:
        """Have the terraform CLI plan and apply a folder, if there is one; return where to see it."""
        laptop = Laptop(self._stage)
        if laptop.program is None:
            self._screen.say(
                "There is no terraform on PATH: the last act, with the terraform CLI, is left out."
            )
            return []
        self._screen.say("The terraform CLI uses Plangate like HCP Terraform, by its cloud block:")
        laptop.furnish()
        for argv in (("init",), ("plan",), ("apply", "-auto-approve")):
            with self._step("On a laptop, without a repository", f"terraform {' '.join(argv)}"):
                printed = laptop.run(*argv)
        if ended := next((line for line in printed.splitlines() if "Apply complete!" in line), ""):
            self._screen.say(f"It printed: {ended}")
        return [("Workspace of the terraform CLI", f"{self._stage.url}/workspaces/{WORKSPACE}")]

    def _furnish(self) -> tuple[Person, Person, Path]:
        stage = self._stage
        ana, ben = person(stage, "ana"), person(stage, "ben")
        stage.create_repo(self._repo, {ana.login: "write", ben.login: "write"})
        tree = ana.clone(self._repo, stage.root / "ana")
        ana.git(tree, "checkout", "-q", "-B", "main")
        ana.commit(tree, "Begin", sample.BEGINNING)
        ana.push(tree, "main")
        ana.push(tree, "staging")
        return ana, ben, tree

    def _push_change(self, tree: Path) -> str:
        self._ana.git(tree, "checkout", "-q", "-b", sample.BRANCH)
        head = self._ana.commit(tree, sample.TITLE, sample.CHANGE)
        self._ana.push(tree, sample.BRANCH)
        return head

    # --- waiting, and showing what comes --------------------------------------------------------------------

    def _statuses(self, sha: str, context: str, state: str) -> None:
        """Show a commit's statuses until one has the state. Raises StageError if it has another end."""
        for statuses in self._poll(lambda: self._ana.statuses(self._repo, sha), f"status {context}"):
            for status in statuses:
                words = (status["context"], status["state"], status["description"] or "")
                if (key := (sha + words[0], words[1], words[2])) not in self._seen:
                    self._seen.add(key)
                    self._screen.status(*words)
            last = next((s for s in reversed(statuses) if s["context"] == context), None)
            if last is not None and last["state"] == state:
                return
            if last is not None and last["state"] in ("failure", "error"):
                raise StageError(f"{context} ended as {last['state']}: {last['description']}")

    def _comment(self, number: int, fits: Callable[[str], bool]) -> str:
        comments = lambda: [c["body"] for c in self._ana.comments(self._repo, number)]  # noqa: E731
        for bodies in self._poll(comments, "the comment"):
            if found := [body for body in bodies if fits(body)]:
                return str(found[0])
        raise AssertionError("unreachable")

    def _outcome(self, number: int) -> str:
        bot = lambda: [  # noqa: E731
            c["body"] for c in self._ana.comments(self._repo, number) if c["user"]["login"] == BOT
        ]
        for bodies in self._poll(bot, "the apply's result"):
            # The first comment is that of the plans.
            if found := [body for body in bodies[1:] if "2 workspaces applied" in body]:
                return str(found[0])
        raise AssertionError("unreachable")

    def _runs(self, sha: str) -> list[tuple[str, str]]:
        found = {}
        for status in self._ana.statuses(self._repo, sha):
            if status["context"].endswith("/apply"):
                found[status["context"].split("/")[1]] = status["target_url"]
        return sorted(found.items())

    def _poll(self, ask: Callable[[], list[Any]], what: str) -> Iterator[list[Any]]:
        until = time.monotonic() + _PATIENCE
        while time.monotonic() < until:
            self._stage.check()
            yield ask()
            time.sleep(0.1)
        logs = "\n".join(part.tail(8) for name, part in self._stage.parts.items() if name != "playground")
        raise StageError(f"{what} did not come in {_PATIENCE:.0f} s. The logs end with:\n{logs}")

    @contextmanager
    def _step(self, what: str, detail: str) -> Iterator[None]:
        begun = time.monotonic()
        yield
        self._screen.step(what, detail, time.monotonic() - begun)
