"""The whole house in one process: real services and database, around a fake forge and a fake engine."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bot.config import Config
from bot.config.file.policies import PolicySettings
from bot.config.notifications import NotificationSettings
from bot.config.run_tasks import RunTaskSettings
from bot.domain.errors import NotFound
from bot.domain.events import (
    BranchPushed,
    Change,
    ChangeAction,
    ChangeClosed,
    ChangedFiles,
    ChangeUpdated,
    CommentAdded,
    ForgeEvent,
    Ignored,
    RepoRef,
)
from bot.domain.ids import new_id
from bot.domain.notifications.destinations import Destination
from bot.domain.people.accounts import Account
from bot.domain.people.permissions import Person, Role
from bot.domain.policies.sets import PolicyLimits, PolicySet
from bot.domain.reports.report import StatusReport
from bot.domain.runs.run import Run, RunEvent
from bot.domain.tasks.tasks import PlanHook, RunTask
from bot.domain.workspaces.discovery import DiscoverRule
from bot.domain.workspaces.workspace import Workspace
from bot.services.deliveries.catch_up import CatchUpSettings
from bot.services.ports import Addresses, ArtifactKind, CommentTexts, Delivery, Limits, RunQuery
from bot.services.upkeep.retention import RetentionPeriods
from bot.store import SqlStore
from bot.vault import FernetVault
from bot.wiring import build_services
from bot.wiring.engine import binaries_of, sandbox_of
from bot.wiring.world import World
from tests.fakes.clock import FakeClock
from tests.fakes.dispatch import FakeDispatch, Job
from tests.fakes.engine import FakeEngine
from tests.fakes.forge import FakeForge
from tests.fakes.merges import FakeMerges
from tests.fakes.messengers import FakeMessengers
from tests.fakes.meter import FakeMeter
from tests.fakes.policies import FakePolicies
from tests.fakes.settings import settings
from tests.fakes.tasks import FakeHookRunner, FakeTaskCaller
from tests.fakes.texts import PlainTexts

REPO = RepoRef("github", "acme/infra")
WRITER = Person("wren", Role.WRITE)
READER = Person("rea", Role.READ)
PLANNER = Person("pat", Role.PLAN)
NEVER = CatchUpSettings(calls=0)


class House:
    """The services in a world of fakes. `work` does what waits, as a worker would."""

    def __init__(
        self,
        store: SqlStore,
        vault: FernetVault,
        rules: Sequence[DiscoverRule] = (),
        limits: Limits | None = None,
        policy_sets: Sequence[PolicySet] = (),
        texts: CommentTexts | None = None,
        catching_up: CatchUpSettings = NEVER,
        keeping: RetentionPeriods = RetentionPeriods(),  # noqa: B008  frozen
        destinations: Sequence[Destination] = (),
        pool: str = "",
        run_tasks: Sequence[RunTask] = (),
        run_hooks: Sequence[PlanHook] = (),
    ) -> None:
        self.texts = texts or PlainTexts()
        self.limits = limits or Limits()
        self.clock, self.dispatch, self.engine = FakeClock(), FakeDispatch(), FakeEngine()
        self.forge, self.policies, self.merges = FakeForge("github"), FakePolicies(), FakeMerges()
        self.messengers, self.task_caller = FakeMessengers(), FakeTaskCaller()
        self.hook_runner = FakeHookRunner()
        self.forge.now = self.clock.now
        self.meter = FakeMeter()
        self.store, self.vault = store, vault
        self.events: dict[str, ForgeEvent | Ignored | Exception] = {}
        self._pushed: dict[str, str] = {}
        config = settings(
            discover=tuple(rules),
            policies=PolicySettings(PolicyLimits(), replayed=5, sets=tuple(policy_sets)),
            owners=(Account("github", "olga"),),
            catching_up=catching_up,
            retention=keeping,
            notifications=NotificationSettings(tuple(destinations)),
            pool=pool,
            run_tasks=RunTaskSettings(tuple(run_tasks), hooks=tuple(run_hooks)),
        )
        self.addresses = Addresses(config.url, config.internal_url, Path("data"))
        self.services = build_services(self._world(config), config)
        self.transitions, self.controls = self.services.transitions, self.services.controls
        self.workspace_locks, self.manual_runs = self.services.workspace_locks, self.services.manual_runs
        self.post_builder = self.services.post_builder
        self.intake, self.execution = self.services.intake, self.services.execution
        self.policy_replay, self.report_delivery = self.services.policy_replay, self.services.report_delivery
        self.sweeping = self.services.sweep
        for person in (WRITER, READER, PLANNER):
            self.forge.set_role(REPO, person.login, person.role)

    def _world(self, config: Config) -> World:
        return World(
            clock=self.clock,
            store=self.store,
            vault=self.vault,
            dispatch=self.dispatch,
            queues=self.dispatch,
            addresses=self.addresses,
            limits=self.limits,
            texts=self.texts,
            forges={"github": self.forge},
            forge_checks={},
            hooks={},
            sign_ins={},
            parse=self._parse,
            engine=self.engine,
            merges=self.merges,
            binaries=binaries_of(config),
            sandbox=sandbox_of(config),
            policies=self.policies,
            set_files=self.policies,
            meter=self.meter,
            messengers=self.messengers,
            task_caller=self.task_caller,
            hook_runner=self.hook_runner,
        )

    def _parse(self, delivery: Delivery) -> ForgeEvent | Ignored:
        event = self.events[delivery.id]
        if isinstance(event, Exception):
            raise event
        return event

    # --- what tests do --------------------------------------------------------------------------------------

    def workspace(self, name: str, **fields: Any) -> Workspace:
        """Keep a workspace: one directory of its own name on the default branch, unless said otherwise."""
        about = {"id": new_id("ws"), "repo": REPO, "working_directory": name, **fields}
        with self.store.transaction() as tx:
            return tx.workspaces.put(Workspace(name=name, **about))

    def deliver(self, event: ForgeEvent | Ignored | Exception, delivery_id: str = "") -> str:
        """Have the forge call with an event; a second passes before, as between any two calls."""
        delivery_id = delivery_id or new_id("dlv")
        self.events[delivery_id] = event
        now = self.clock.forward(seconds=1)
        self.intake.accept(Delivery(delivery_id, "github", "some", {}, b"{}", now, repo=REPO.path))
        return delivery_id

    def push(
        self, commit: str, *files: str, branch: str = "main", before: str | None = None, work: bool = True
    ) -> str:
        """Have somebody push a commit that touches files, and do what follows.

        It follows what was pushed to the branch last, unless `before` says otherwise.
        """
        before = self._pushed.get(branch, "before") if before is None else before
        self._pushed[branch] = commit
        if before:
            self.forge.set_files_between(REPO, before, commit, files)
        self.forge.set_branch(REPO, branch, commit)
        event = BranchPushed(REPO, branch, before, commit, WRITER.login, f"commit {commit}", "main")
        return self._and_work(self.deliver(event), work)

    def open_change(
        self, number: int, commit: str, *files: str, fork: bool = False, base: str = "main", work: bool = True
    ) -> str:
        """Have somebody open a change, and do what follows."""
        about = Change(
            REPO, number, f"Change {number}", "ann", commit, head_branch=f"topic-{number}",
            base_branch=base, from_fork=fork, url=f"https://forge.test/{number}", default_branch="main",
        )  # fmt: skip
        self.forge.add_change(about, files)
        return self._and_work(self.deliver(ChangeUpdated(about, ChangeAction.OPENED, "ann")), work)

    def update_change(self, number: int, commit: str, *files: str, by: str = "ann", work: bool = True) -> str:
        """Have somebody push to a change, and do what follows."""
        about = self.forge.edit_change(REPO, number, head_sha=commit)
        self.forge.set_files(REPO, number, ChangedFiles(files))
        event = ChangeUpdated(about, ChangeAction.NEW_COMMITS, by, self.forge.now())
        return self._and_work(self.deliver(event), work)

    def close_change(
        self, number: int, *, merged: bool = False, as_commit: str = "", work: bool = True
    ) -> str:
        """Have somebody close or merge a change, and do what follows."""
        about = self.forge.edit_change(REPO, number, open=False, merged=merged, merge_sha=as_commit)
        return self._and_work(self.deliver(ChangeClosed(about, "ann")), work)

    def say(
        self, number: int, text: str, by: str = WRITER.login, *, bot: bool = False, work: bool = True
    ) -> str:
        """Have somebody look for a while, comment on a change, and do what follows; returns the delivery."""
        self.clock.forward(seconds=4)
        return self._and_work(self.deliver(self.comment(number, text, by, bot=bot)), work)

    def comment(self, number: int, text: str, by: str = WRITER.login, *, bot: bool = False) -> CommentAdded:
        """Have somebody comment at once, and return what the forge would tell of it."""
        found = self.forge.find(self.forge.say(REPO, number, by, text))
        return CommentAdded(REPO, number, found.id, by, bot, text, found.created_at)

    def _and_work(self, delivery_id: str, work: bool) -> str:
        if work:
            self.work()
        return delivery_id

    def work(self, *queues: str) -> None:
        """Do what waits until nothing does; with queues named, hold back the rest.

        Reports that are asked for later come last, when their time has come.
        """
        held = []
        while job := self.dispatch.take() or self._later(queues):
            match job.queue:
                case queue if queues and queue not in queues:
                    held.append(job)
                case "receive":
                    self.intake.handle(job.subject)
                case "catch_up":
                    self.services.catch_up.check(job.subject)
                case "check_hook":
                    self.services.failed_deliveries.check(job.subject)
                case "replay":
                    self.policy_replay.replay(job.subject)
                case "notify":
                    self.services.notifications.deliver(job.subject)
                case "forecast":
                    self.services.forecasts.work()
                case "check_drift":
                    self.services.drift_checks.work()
                case "report":
                    self.report_delivery.report(job.subject)
                case _:
                    self.execution.advance(job.subject)
        for job in held:
            self.dispatch._put(job)

    def _later(self, queues: Sequence[str]) -> Job | None:
        """Let time pass until the next report is due, and return it."""
        if (queues and "report" not in queues) or (at := self.dispatch.take_later()) is None:
            return None
        self.clock.at = max(self.clock.at, at)
        return self.dispatch.take()

    def sweep(self, **later: float) -> int:
        """Let time pass, sweep, and do what follows; returns how much was due."""
        self.clock.forward(**(later or {"seconds": 10}))
        due = self.sweeping.run()
        self.work()
        return due

    def killed_while(self, stage: str, do: Callable[[], object]) -> None:
        """Do something in a process of its own that is killed in the midst of an engine's stage."""
        self.store.close()
        child = os.fork()
        if child == 0:
            try:
                self.engine.during(stage, lambda _: os.kill(os.getpid(), signal.SIGKILL))
                do()
            finally:
                os._exit(7)
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status), f"the stage {stage} was never reached"

    # --- what tests ask -------------------------------------------------------------------------------------

    def runs(self, workspace: Workspace | None = None, **query: Any) -> list[Run]:
        """Return the runs, oldest first."""
        about = {"workspace_id": workspace.id if workspace else None, **query}
        with self.store.reading() as tx:
            return list(reversed(tx.runs.find(RunQuery(**about, limit=1000))))

    def run(self, run_id: str) -> Run:
        with self.store.reading() as tx:
            return tx.runs.get(run_id)

    def only_run(self) -> Run:
        """Return the run, where there is one alone."""
        (run,) = self.runs()
        return run

    def statuses(self, workspace: Workspace | None = None) -> list[str]:
        """Return where the runs stand, oldest first."""
        return [run.status.value for run in self.runs(workspace)]

    def timeline(self, run: Run) -> list[RunEvent]:
        with self.store.reading() as tx:
            return list(tx.runs.timeline(run.id))

    def kinds(self, run: Run) -> list[str]:
        """Return what happened to a run."""
        return [event.kind for event in self.timeline(run)]

    def saved_plan(self, run: Run) -> bytes | None:
        with self.store.reading() as tx:
            return tx.artifacts.get(run.id, ArtifactKind.SAVED_PLAN)

    def output(self, run: Run, stage: str = "plan") -> str:
        with self.store.reading() as tx:
            return tx.artifacts.output(run.id, stage)

    def delivery(self, delivery_id: str) -> Delivery:
        with self.store.reading() as tx:
            return tx.deliveries.get(delivery_id)

    def reasons(self, delivery_id: str) -> list[str]:
        """Return why a delivery led to what it led to."""
        return [decision.reason for decision in self.delivery(delivery_id).decisions]

    def outcomes(self, delivery_id: str) -> list[str]:
        return [decision.kind.value for decision in self.delivery(delivery_id).decisions]

    def find_workspace(self, name: str) -> Workspace | None:
        with self.store.reading() as tx:
            try:
                return tx.workspaces.named(name)
            except NotFound:
                return None

    def status(self, commit: str, context: str = "plangate") -> StatusReport:
        """Return what stands on a commit. Fails where nothing does."""
        found = self.forge.latest_status(REPO, commit, context)
        assert found is not None, f"{context} says nothing of {commit}"
        return found

    def said(self, commit: str, context: str = "plangate") -> tuple[str, str]:
        """Return the state and the words that stand on a commit."""
        status = self.status(commit, context)
        return status.state.value, status.description

    def comments(self, number: int) -> list[str]:
        """Return what the bot wrote on a change, oldest first, without the markers."""
        return [c.body.partition("\n\n<!--")[0] for c in self.forge.own_comments(REPO, number)]

    def summary(self, number: int) -> str:
        """Return the one comment that a change has."""
        (found,) = [text for text in self.comments(number) if text.startswith("plans of")]
        return found

    def reactions(self, number: int) -> list[str]:
        """Return the bot's answers to everybody's comments on a change."""
        return [
            reaction.value for comment in self.forge.comments if comment.number == number
            for reaction in comment.reactions
        ]  # fmt: skip
