"""The Engine port on real processes: fetch, init, plan, show and apply, each in its run's folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from bot.domain.errors import EngineError
from bot.services.ports import ApplyResult, EngineJob, GitRemote, Limits, PlanResult, StageWatch, Watch
from bot.terraform.bench import LOCK_FILE, Bench, Settings
from bot.terraform.binaries import Binaries, Program
from bot.terraform.checkout import Checkout
from bot.terraform.environment import ambient
from bot.terraform.process import Ending, Finished, duration
from bot.terraform.reach import reach
from bot.terraform.runfolder import RunFolder, left_folders, remove_tree
from bot.terraform.sandbox import Sandbox

_PLAN = "plan.tfplan"
_LISTING = "files-of-the-commit"
_ERRORED_STATE = "errored.tfstate"
_INTERRUPTED = "interrupted: Terraform finished the step it was at and stopped; the state holds what was done"
_KILLED = "killed: the state may lack what was done last, and may still be locked"


class TerraformEngine:
    """Runs Terraform or OpenTofu for one run at a time; any number of them may share a data directory.

    `plugin_cache` holds downloaded providers for every run of this machine, None for no cache.
    `provider_mirror` is a `filesystem_mirror` of providers that need no network. Of `worker_environment` only
    proxies, certificate authorities and Git's PATH are used. `grace` and `apply_grace` are in seconds: how
    long a plan and an apply may take to stop, once interrupted, when their time is up.
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
    ) -> None:
        self._data = data.absolute()
        self._binaries = binaries
        self._sandbox = sandbox
        limits = limits or Limits()
        outside = worker_environment or {}
        self._checkout = Checkout(self._data, outside, limits.plan.total_seconds())
        self._settings = Settings(
            data=self._data,
            plugin_cache=plugin_cache.absolute() if plugin_cache else None,
            mirror=provider_mirror.absolute() if provider_mirror else None,
            passed=ambient(outside),
            plan_limit=limits.plan.total_seconds(),
            apply_limit=limits.apply.total_seconds(),
            grace=grace,
            apply_grace=apply_grace,
        )

    @property
    def checkout(self) -> Checkout:
        """The mirrors, for whatever else is fetched from repositories."""
        return self._checkout

    def fetch(self, job: EngineJob, watch: Watch) -> None:
        """Bring the commit here and lay out the run's working tree.

        Refuses first what could not run here: without a program that will do, nothing is fetched.
        """
        self._binaries.provide(job.engine, job.version, watch)
        self._lay_out(job, watch)

    def _lay_out(self, job: EngineJob, watch: Watch) -> None:
        folder = self._folder(job.run_id)
        folder.create()
        listing = self._checkout.lay_out(job.remote, job.commit, job.ref, folder, watch)
        folder.write(folder.root / _LISTING, listing)
        folder.working_directory(job.working_directory)

    def plan(self, job: EngineJob, watch: StageWatch) -> PlanResult:
        """Init, plan and show. Needs `fetch` before, in the same process."""
        folder = self._folder(job.run_id)
        if not folder.tree.is_dir():
            raise EngineError("the run's working tree is not on this worker: fetch it first")
        program = self._binaries.provide(job.engine, job.version, watch)
        bench = self._bench(job, folder, program, watch)
        self._introduce(bench, program, job)
        bench.lay_inputs()
        bench.init()
        # Before the plan, for the change's code could write other ones (promise 5).
        listing, dependency_lock = folder.read(folder.root / _LISTING) or b"", bench.read(LOCK_FILE)
        files = reach(listing, folder, bench.directory)
        saved = bench.plan(_PLAN)
        return PlanResult(
            saved_plan=saved,
            plan_json=bench.show(_PLAN),
            dependency_lock=dependency_lock,
            version=program.version,
            files=files,
            state_here=bench.state_here,
        )

    def apply(self, job: EngineJob, plan: PlanResult, watch: StageWatch) -> ApplyResult:
        """Apply exactly the saved plan; lays out the tree and inits first where it is not here."""
        folder = self._folder(job.run_id)
        # A saved plan is good for the very version that made it.
        wanted = f"= {plan.version}" if plan.version else job.version
        program = self._binaries.provide(job.engine, wanted, watch)
        bench = self._inited(job, folder, program, watch)
        if bench is None:
            self._lay_out(job, watch)
            bench = self._bench(job, folder, program, watch)
            self._introduce(bench, program, job)
            bench.lay_inputs(plan.dependency_lock)
            bench.init(readonly_lock=bool(plan.dependency_lock))
        return self._outcome(bench, bench.apply(_PLAN, plan.saved_plan))

    def clean(self, run_id: str) -> None:
        """Remove the run's working tree and whatever else of it lies on this machine."""
        remove_tree(RunFolder.of(self._data, run_id).root)

    def left(self, before: datetime) -> Sequence[str]:
        """Return the runs whose working trees lie on this machine and were made before `before`."""
        return left_folders(self._data, before.timestamp())

    def directories(self, remote: GitRemote, commit: str) -> tuple[str, ...]:
        """Return every directory with a `.tf`, `.tf.json` or `.tofu` file at a commit; `""` is the root."""
        return self._checkout.directories(remote, commit)

    def _folder(self, run_id: str) -> RunFolder:
        return self._sandbox.folder(self._data, run_id)

    def _bench(self, job: EngineJob, folder: RunFolder, program: Program, watch: StageWatch) -> Bench:
        return Bench(job, folder, program, self._sandbox, self._settings, watch)

    def _inited(self, job: EngineJob, folder: RunFolder, program: Program, watch: StageWatch) -> Bench | None:
        """Return the bench where this worker has planned the run itself, None where it has not."""
        try:
            bench = self._bench(job, folder, program, watch)
        except EngineError:
            return None
        return bench if bench.inited else None

    def _introduce(self, bench: Bench, program: Program, job: EngineJob) -> None:
        place = f" in {job.working_directory}" if job.working_directory else ""
        sandboxed = "in a sandbox" if self._sandbox.active else "without a sandbox"
        bench.said.heading(
            f"{program.title} ({program.origin}), {sandboxed}; commit {job.commit[:12]}{place}"
        )

    def _outcome(self, bench: Bench, done: Finished) -> ApplyResult:
        if not done.code and done.ending is not Ending.KILLED:
            return ApplyResult(True, bench.said.summary())
        result = ApplyResult(False, bench.words("apply"), errored_state=bench.read(_ERRORED_STATE))
        match done.ending:
            case Ending.BY_ITSELF:
                return result
            case Ending.TIMED_OUT:
                limit = duration(self._settings.apply_limit)
                return replace(result, summary=f"stopped after {limit}: {result.summary}")
            case Ending.INTERRUPTED:
                return replace(result, summary=_INTERRUPTED, interrupted=True)
            case Ending.KILLED:
                return replace(result, summary=_KILLED, interrupted=True)
