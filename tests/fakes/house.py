"""The whole house in one process: real services and database, around a fake forge and a fake engine."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bot.domain.accounts import Account
from bot.domain.discovery import DiscoverRule
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
from bot.domain.permissions import Person, Role
from bot.domain.policy_sets import PolicySet
from bot.domain.report import StatusReport
from bot.domain.run import Run, RunEvent
from bot.domain.workspace import Workspace
from bot.services.apply_comments import ApplyComments
from bot.services.changes import Changed
from bot.services.comments import Comments
from bot.services.controls import Controls
from bot.services.deriving import Deriving
from bot.services.discovering import Discovery
from bot.services.engine_jobs import EngineJobs
from bot.services.following import Following
from bot.services.forgetting import Forgetting, Keeping
from bot.services.going_on import GoingOn
from bot.services.intake import Intake
from bot.services.left_locks import LeftLocks
from bot.services.locking import Locking
from bot.services.making import NewRuns
from bot.services.merge_queue import MergeQueue
from bot.services.override_comments import OverrideComments
from bot.services.overriding import Overriding
from bot.services.phases import Phases
from bot.services.policing import Policing
from bot.services.policy_changes import PolicyChanges
from bot.services.ports import Addresses, ArtifactKind, Delivery, Limits, RunQuery
from bot.services.posting import Posting
from bot.services.queueing import Queueing
from bot.services.replaying import Replaying
from bot.services.reporting import Reporting
from bot.services.requiring import Requiring
from bot.services.rights import Rights
from bot.services.run_comments import RunComments
from bot.services.set_versions import SetVersions
from bot.services.siblings import Siblings
from bot.services.states import StateService
from bot.services.sweep import Sweep
from bot.services.taking_over import TakingOver
from bot.services.team_owners import TeamOwners
from bot.services.transitions import Transitions
from bot.services.why_comments import WhyComments
from bot.store import SqlStore
from bot.vault import FernetVault, generate_key
from tests.fakes.clock import FakeClock
from tests.fakes.dispatch import FakeDispatch
from tests.fakes.engine import FakeEngine
from tests.fakes.forge import FakeForge
from tests.fakes.policies import FakePolicies
from tests.fakes.texts import PlainTexts

REPO = RepoRef("github", "acme/infra")
WRITER = Person("wren", Role.WRITE)
READER = Person("rea", Role.READ)
PLANNER = Person("pat", Role.PLAN)


class House:
    """Everything wired together by hand. `work` does what waits, as a worker would."""

    def __init__(
        self,
        url: str,
        rules: Sequence[DiscoverRule] = (),
        limits: Limits | None = None,
        policy_sets: Sequence[PolicySet] = (),
    ) -> None:
        self.limits = limits or Limits()
        self.clock, self.dispatch, self.engine = FakeClock(), FakeDispatch(), FakeEngine()
        self.forge = FakeForge("github")
        self.vault = FernetVault([generate_key()])
        self.store = SqlStore(url, self.vault)
        self.events: dict[str, ForgeEvent | Ignored | Exception] = {}
        self.addresses = Addresses("https://plangate.test", "http://inside.test", Path("data"))
        forges = {"github": self.forge}
        store, clock = self.store, self.clock
        self.transitions = Transitions(store, clock, self.dispatch)
        new_runs = NewRuns(clock, self.transitions)
        self.posting = Posting(self.vault, PlainTexts())
        discovery = Discovery(rules, self.engine, forges)
        policy_changes = PolicyChanges(clock, policy_sets)
        changed = Changed(store, clock, forges, discovery, new_runs, self.transitions, policy_changes)
        teams, requiring = TeamOwners(clock, forges), Requiring(store, forges, clock)
        overriding = Overriding(clock, self.transitions, policy_sets, teams)
        self.controls = Controls(
            store, clock, self.transitions, self.limits.cool_off, overriding, requiring,
        )  # fmt: skip
        self.locking = Locking(store, clock, self.transitions)
        comments = Comments(
            store, forges, changed, self.posting, self.transitions,
            ApplyComments(clock, new_runs, self.transitions, requiring),
            OverrideComments(self.transitions, overriding),
            RunComments(clock, new_runs, self.transitions, self.controls, self.locking),
            WhyComments(new_runs, requiring, self.addresses), requiring, policy_changes,
            Rights(forges, clock, [Account("github", "olga")]), clock,
        )  # fmt: skip
        jobs = EngineJobs(store, forges, StateService(store, self.vault, clock), self.addresses)
        deriving = Deriving(forges, PlainTexts(), self.posting, self.addresses)
        siblings = Siblings(store, changed, new_runs, self.transitions, self.limits.siblings)
        going_on = GoingOn(store, forges, changed, requiring, self.transitions)
        following = Following(store, forges, changed, new_runs, self.transitions, siblings, going_on)
        self.queueing = Queueing(store, clock, forges, new_runs, self.transitions)
        self.intake = Intake(
            store, clock, self.dispatch, self._parse, forges, discovery, new_runs, changed, comments,
            self.transitions, following,
            MergeQueue(store, clock, forges, discovery, new_runs, changed, self.transitions),
        )  # fmt: skip
        self.policies = FakePolicies()
        versions = SetVersions(store, clock, forges, self.policies)
        policing = Policing(store, self.policies, versions, policy_sets, self.transitions)
        self.replaying = Replaying(
            store, clock, self.policies, versions, policy_sets, self.transitions, self.limits, last=5,
        )  # fmt: skip
        self.phases = Phases(
            store, clock, self.vault, self.engine, jobs, self.transitions, self.limits, policing,
            TakingOver(clock, self.transitions, self.limits.plan_age),
        )  # fmt: skip
        self.reporting = Reporting(store, clock, forges, deriving, self.limits)
        left = LeftLocks(store, clock, self.transitions, self.limits)
        self.sweeping = Sweep(
            store, clock, self.dispatch, left, Forgetting(store, clock, self.limits, Keeping())
        )
        for person in (WRITER, READER, PLANNER):
            self.forge.set_role(REPO, person.login, person.role)

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
        self.intake.accept(Delivery(delivery_id, "github", "some", {}, b"{}", now))
        return delivery_id

    def push(
        self, commit: str, *files: str, branch: str = "main", before: str = "before", work: bool = True
    ) -> str:
        """Have somebody push a commit that touches files, and do what follows."""
        if before:
            self.forge.set_files_between(REPO, before, commit, files)
        self.forge.set_branch(REPO, branch, commit)
        event = BranchPushed(REPO, branch, before, commit, WRITER.login, f"commit {commit}", "main")
        return self._and_work(self.deliver(event), work)

    def open_change(
        self, number: int, commit: str, *files: str, fork: bool = False, base: str = "main", work: bool = True
    ) -> str:
        """Have somebody open a change, and do what follows."""
        known = {"head_branch": f"topic-{number}", "base_branch": base, "from_fork": fork}
        about = Change(
            REPO, number, f"Change {number}", "ann", commit, url=f"https://forge.test/{number}",
            default_branch="main", **known,
        )  # fmt: skip
        self.forge.add_change(about, files)
        return self._and_work(self.deliver(ChangeUpdated(about, ChangeAction.OPENED, "ann")), work)

    def update_change(self, number: int, commit: str, *files: str, work: bool = True) -> str:
        """Have somebody push to a change, and do what follows."""
        about = self.forge.edit_change(REPO, number, head_sha=commit)
        self.forge.set_files(REPO, number, ChangedFiles(files))
        return self._and_work(self.deliver(ChangeUpdated(about, ChangeAction.NEW_COMMITS, "ann")), work)

    def close_change(
        self, number: int, *, merged: bool = False, as_commit: str = "", work: bool = True
    ) -> str:
        """Have somebody close or merge a change, and do what follows."""
        about = self.forge.edit_change(REPO, number, open=False, merged=merged, merge_sha=as_commit)
        return self._and_work(self.deliver(ChangeClosed(about, "ann")), work)

    def say(
        self, number: int, text: str, by: str = WRITER.login, *, bot: bool = False, work: bool = True
    ) -> str:
        """Have somebody comment on a change, and do what follows; returns the delivery."""
        comment_id = self.forge.say(REPO, number, by, text)
        return self._and_work(self.deliver(CommentAdded(REPO, number, comment_id, by, bot, text)), work)

    def _and_work(self, delivery_id: str, work: bool) -> str:
        if work:
            self.work()
        return delivery_id

    def work(self, *queues: str) -> None:
        """Do what waits until nothing does; with queues named, hold back the rest."""
        held = []
        while job := self.dispatch.take():
            match job.queue:
                case queue if queues and queue not in queues:
                    held.append(job)
                case "receive":
                    self.intake.handle(job.subject)
                case "replay":
                    self.replaying.replay(job.subject)
                case "report":
                    self.reporting.report(job.subject)
                case _:
                    self.phases.advance(job.subject)
        for job in held:
            self.dispatch._put(job)

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
        return [decision["reason"] for decision in self.delivery(delivery_id).decisions]

    def outcomes(self, delivery_id: str) -> list[str]:
        return [decision["outcome"] for decision in self.delivery(delivery_id).decisions]

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
