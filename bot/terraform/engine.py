"""The Engine port on real processes: fetch, init, plan, show and apply, each in its run's folder."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from bot.domain.errors import EngineError
from bot.domain.runs.run import CUT_OFF
from bot.services.metrics.catalogue import SANDBOX_REFUSALS
from bot.services.metrics.series import SilentMeter
from bot.services.ports import (
    ApplyResult,
    EngineJob,
    GitRemote,
    Limits,
    Meter,
    PlanResult,
    StageWatch,
    Watch,
)
from bot.terraform.files.runfolder import RunFolder, left_folders, remove_tree
from bot.terraform.processes.environment import ambient
from bot.terraform.processes.process import Ending, Finished, duration
from bot.terraform.processes.transcript import success_of
from bot.terraform.programs.binaries import Binaries, Program
from bot.terraform.repository.checkout import Checkout
from bot.terraform.repository.commit_trees import LISTING, CommitTrees
from bot.terraform.repository.merging import MirrorMerges
from bot.terraform.repository.module_calls import ModuleCalls
from bot.terraform.repository.reach import modules_hash, reach
from bot.terraform.repository.uploads import unpack
from bot.terraform.repository.workspace_name import write_name
from bot.terraform.running.apply_record import ERRORED_STATE, LeftApply
from bot.terraform.running.init_needs import InitNeeded
from bot.terraform.running.room import Terms
from bot.terraform.running.verified_plan import expect, verify
from bot.terraform.running.working_directory import Bench, Settings
from bot.terraform.sandbox import Sandbox
from bot.terraform.sandbox.limits import MEGABYTE, RunLimits

_PLAN = "plan.tfplan"
_OTHER_MODULES = (
    "a module that `init` downloads is not the one that was planned, so nothing was applied: "
    "comment /plan, or retry the run, and pin the module to a version or a commit"
)
FINISHED = "its worker was lost, but Terraform finished the apply"
_INTERRUPTED = "interrupted: Terraform finished the step it was at and stopped; the state holds what was done"
_KILLED = "killed: the state may lack what was done last, and may still be locked"


class TerraformEngine:
    """Runs Terraform or OpenTofu for one run at a time; any number of them may share a data directory.

    `plugin_cache` holds downloaded providers for every run of this machine, None for no cache.
    `provider_mirror` is a `filesystem_mirror` of providers that need no network. Of `worker_environment` only
    proxies, certificate authorities and Git's PATH are used. `grace` and `apply_grace` are in seconds: how
    long a plan and an apply may take to stop, once interrupted, when their time is up. `own_hosts` are those
    of Plangate's own parts, which runs may not reach. `disk_free` is how many megabytes a run needs to start.
    `trees_disk` is how many megabytes of commits are kept for the next runs of these; 0: no run shares any.
    Of a commit with fewer than `trees_from` files each run has a copy.
    """

    def __init__(
        self,
        data: Path,
        binaries: Binaries,
        sandbox: Sandbox,
        *,
        limits: Limits | None = None,
        plugin_cache: Path | None = None,
        provider_mirror: Path | None = None,
        worker_environment: Mapping[str, str] | None = None,
        grace: float = 15,
        apply_grace: float = 300,
        run_limits: RunLimits | None = None,
        own_hosts: tuple[str, ...] = (),
        disk_free: int = 0,
        trees_disk: int = 2048,
        trees_from: int = 100,
        meter: Meter | None = None,
    ) -> None:
        self._meter = meter or SilentMeter()
        self._data = data.absolute()
        self._binaries = binaries
        self._sandbox = sandbox
        self._disk_free = disk_free
        limits = limits or Limits()
        outside = worker_environment or {}
        limit = limits.plan.total_seconds()
        self._checkout = Checkout(self._data, outside, limit)
        self._merges = MirrorMerges(self._checkout)
        self._module_calls = ModuleCalls(self._checkout)
        most = trees_disk * MEGABYTE
        self._trees = CommitTrees(self._data, self._checkout, most=most, limit=limit, fewest=trees_from)
        self._settings = Settings(
            data=self._data,
            plugin_cache=plugin_cache.absolute() if plugin_cache else None,
            mirror=provider_mirror.absolute() if provider_mirror else None,
            terms=Terms(run_limits or RunLimits(), own_hosts, ambient(outside)),
            plan_limit=limits.plan.total_seconds(),
            apply_limit=limits.apply.total_seconds(),
            grace=grace,
            apply_grace=apply_grace,
            state_patience=limits.state_patience.total_seconds(),
        )

    @property
    def checkout(self) -> Checkout:
        """The mirrors, for whatever else is fetched from repositories."""
        return self._checkout

    @property
    def merges(self) -> MirrorMerges:
        """Merges in the mirrors."""
        return self._merges

    def fetch(self, job: EngineJob, watch: Watch) -> None:
        """Bring the commit here and lay out the run's working tree.

        Refuses first what could not run here: without a program that will do, nothing is fetched.
        """
        self._binaries.provide(job.engine, job.version, watch)
        try:
            _ = self._sandbox.active
        except EngineError:
            self._meter.count(SANDBOX_REFUSALS, reason="no_sandbox")
            raise
        self._lay_out(job, watch)

    def _take_back(self, bench: Bench) -> None:
        bench.take_back()
        if bench.refused:
            self._meter.count(SANDBOX_REFUSALS, reason="network")

    def _lay_out(self, job: EngineJob, watch: Watch) -> RunFolder:
        folder = self._sandbox.folder(self._data, job.run_id)
        folder.create()
        if job.upload is not None:
            folder.write(folder.root / LISTING, unpack(job.upload, folder.tree))
            self._name_workspace(job, folder)
        else:
            if job.merged is not None:
                self._merges.provide(job.git, job.merged, watch)
            place, shared = job.working_directory, self._sandbox.layers(self._data)
            self._trees.lay_out(job.git, job.commit, job.ref, folder, place, watch, shared=shared)
        folder.hand_over()
        folder.working_directory(job.working_directory)
        return self._trees.of(folder)

    @staticmethod
    def _name_workspace(job: EngineJob, folder: RunFolder) -> None:
        """Give `terraform.workspace` its value: in an upload, and once more in the modules of its init."""
        if job.workspace:
            write_name(folder, folder.working_directory(job.working_directory), job.workspace)

    def plan(self, job: EngineJob, watch: StageWatch) -> PlanResult:
        """Init if it is needed, plan, show and verify. Needs `fetch` before, in the same process."""
        folder = self._folder(job.run_id)
        if not folder.tree.is_dir():
            raise EngineError("the run's working tree is not on this worker: fetch it first")
        program = self._binaries.provide(job.engine, job.version, watch)
        bench = self._bench(job, folder, program, watch)
        self._introduce(bench, program, job)
        try:
            bench.lay_inputs()
            if bench.ready_to_plan():
                try:
                    return self._planned(job, folder, bench, program)
                except InitNeeded:
                    # On a new tree: nobody knows what has run in this one (promise 5).
                    folder, said = self._lay_out(job, watch), bench.said
                    bench = self._bench(job, folder, program, watch)
                    bench.said = said
                    bench.lay_inputs()
            bench.init()
            self._name_workspace(job, folder)
            return self._planned(job, folder, bench, program)
        finally:
            self._take_back(bench)

    def _planned(self, job: EngineJob, folder: RunFolder, bench: Bench, program: Program) -> PlanResult:
        # Before the plan, for the change's code could write other ones (promise 5).
        listing, dependency_lock = self._trees.listing(folder), bench.dependency_lock()
        values = (*(each.value for each in job.variables), *job.environment.values())
        reached = reach(listing, folder, bench.directory, values)
        expected = expect(folder, bench.directory, job, bench.backend, bench.state_here)
        saved = bench.plan(_PLAN)
        shown = bench.show(_PLAN, saved, dependency_lock)
        return PlanResult(
            saved_plan=saved,
            plan_json=shown,
            configuration=verify(saved, shown, expected),
            dependency_lock=dependency_lock,
            version=program.version,
            files=reached.hash,
            places=reached.places,
            modules=reached.modules,
            state_here=bench.state_here,
            refused=tuple(bench.refused),
            backend=bench.backend,
        )

    def apply(self, job: EngineJob, plan: PlanResult, watch: StageWatch) -> ApplyResult:
        """Apply exactly the saved plan; lays out the tree and inits first where it is not here."""
        folder = self._folder(job.run_id)
        # A saved plan is good for the very version that made it.
        wanted = f"= {plan.version}" if plan.version else job.version
        program = self._binaries.provide(job.engine, wanted, watch)
        bench = self._inited(job, folder, program, watch)
        if bench is None:
            folder = self._lay_out(job, watch)
            bench = self._bench(job, folder, program, watch)
            self._introduce(bench, program, job)
            bench.lay_inputs(plan.dependency_lock)
        try:
            if not bench.inited and not bench.ready_to_apply(plan):
                bench.init(readonly_lock=bool(plan.dependency_lock))
                self._name_workspace(job, folder)
            if plan.modules is not None and plan.modules != modules_hash(folder, bench.directory):
                raise EngineError(_OTHER_MODULES)
            return self._outcome(bench, bench.apply(_PLAN, plan.saved_plan))
        finally:
            self._take_back(bench)

    def lost_apply(self, run_id: str, watch: Watch) -> ApplyResult | None:
        """Wait until an apply whose worker was lost has ended here; None if it was not here."""
        left = self._left(run_id)
        if not left.known:
            return None
        left.wait(watch)
        ended, state = left.ended(), left.state()
        if ended is None:
            return ApplyResult(False, CUT_OFF, errored_state=state)
        summary = FINISHED if ended.code else ended.summary
        return ApplyResult(
            not ended.code or (ended.only_unsaved and not state),
            summary if not ended.code or ended.only_unsaved else CUT_OFF,
            errored_state=state,
            only_unsaved=ended.only_unsaved,
        )

    def left_state(self, run_id: str) -> bytes | None:
        """Return the state that an apply could not push, empty for none; None while it is at work."""
        left = self._left(run_id)
        return None if left.at_work() else left.state()

    def state_stored(self, run_id: str) -> None:
        """Delete the state that an apply could not push: it is stored."""
        self._left(run_id).forget_state()

    def clean(self, run_id: str) -> None:
        """Remove the run's working tree and whatever else of it lies on this machine.

        Not while an apply is at work in it, nor with a state that nobody has stored (promise 3).
        """
        if self.left_state(run_id) == b"":
            remove_tree(RunFolder.of(self._data, run_id).root)

    def _left(self, run_id: str) -> LeftApply:
        return LeftApply(RunFolder.of(self._data, run_id))

    def left(self, before: datetime) -> Sequence[str]:
        """Return the runs whose working trees lie on this machine and were made before `before`."""
        return left_folders(self._data, before.timestamp())

    def tidy(self) -> None:
        """Delete what is kept here for later runs, as far as it is more than may be kept."""
        self._trees.tidy()

    def no_room(self) -> str:
        """Say why no run can start on this machine: its disk is full. Empty if one can."""
        place = self._data
        while not place.exists():
            place = place.parent
        free = shutil.disk_usage(place).free // MEGABYTE
        if free < self._disk_free:
            self._trees.tidy(all_unused=True)
            free = shutil.disk_usage(place).free // MEGABYTE
        if free >= self._disk_free:
            return ""
        return (
            f"the worker's disk has {free} MB left, and runs need {self._disk_free} MB (PLANGATE_DISK_FREE)"
        )

    def directories(self, remote: GitRemote, commit: str) -> tuple[str, ...]:
        """Return every directory with a `.tf`, `.tf.json` or `.tofu` file at a commit; `""` is the root."""
        return self._checkout.directories(remote, commit)

    def module_calls(self, remote: GitRemote, commit: str) -> Mapping[str, frozenset[str]]:
        """Return which directories and files each directory of a commit uses, besides its own files."""
        return self._module_calls.of(remote, commit)

    def _folder(self, run_id: str) -> RunFolder:
        return self._trees.of(self._sandbox.folder(self._data, run_id))

    def _bench(self, job: EngineJob, folder: RunFolder, program: Program, watch: StageWatch) -> Bench:
        return Bench(job, folder, program, self._sandbox, self._settings, watch)

    def _inited(self, job: EngineJob, folder: RunFolder, program: Program, watch: StageWatch) -> Bench | None:
        """Return the bench where this worker has planned the run itself; None if it has not."""
        if folder.commit and not (folder.commit.is_dir() and self._sandbox.layers(self._data)):
            return None
        try:
            bench = self._bench(job, folder, program, watch)
        except EngineError:
            return None
        return bench if bench.inited else None

    def _introduce(self, bench: Bench, program: Program, job: EngineJob) -> None:
        place = f" in {job.working_directory}" if job.working_directory else ""
        what = f"commit {job.commit[:12]}" if job.upload is None else f"the upload {job.commit}"
        sandboxed = "in a sandbox" if self._sandbox.active else "without a sandbox"
        bench.said.heading(f"{program.title} ({program.origin}), {sandboxed}; {what}{place}")
        if loud := self._sandbox.warning():
            bench.said.heading(loud)
        if job.remark:
            bench.said.heading(job.remark)

    def _outcome(self, bench: Bench, done: Finished) -> ApplyResult:
        refused = tuple(bench.refused)
        unsaved = success_of(bench.said.everything()).only_unsaved
        state = bench.read(ERRORED_STATE) or bench.said.printed_state
        if unsaved and not state and done.ending is Ending.BY_ITSELF and not done.exceeded:
            return ApplyResult(True, bench.said.summary(), refused=refused)  # it was only not unlocked
        if not done.code and done.ending is not Ending.KILLED and not done.exceeded:
            return ApplyResult(True, bench.said.summary(), refused=refused)
        words = f"{_KILLED} ({done.exceeded})" if done.exceeded else bench.words("apply", done)
        result = ApplyResult(False, words, errored_state=state, refused=refused)
        match done.ending:
            case Ending.BY_ITSELF:
                return replace(result, only_unsaved=unsaved and not done.exceeded)
            case Ending.TIMED_OUT:
                limit = duration(self._settings.apply_limit)
                return replace(result, summary=f"stopped after {limit}: {result.summary}")
            case Ending.INTERRUPTED:
                return replace(result, summary=_INTERRUPTED, interrupted=True)
            case Ending.KILLED:
                return replace(result, summary=_KILLED, interrupted=True)
