"""An engine without Terraform: tests say what plans find, what goes wrong, and what happens meanwhile."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from bot.domain.errors import EngineError, Interrupted
from bot.domain.runs.run import CUT_OFF
from bot.services.ports import ApplyResult, EngineJob, GitRemote, PlanResult, Watch, WatchSignal

During = Callable[[EngineJob], object]


def change(address: str, *actions: str, before: Any = None, after: Any = None, **more: Any) -> dict[str, Any]:
    """Return a resource's change as in `terraform show -json`; more goes beside `change`."""
    values = {"actions": list(actions or ("create",)), "before": before, "after": after, "after_unknown": {}}
    return {"address": address, "mode": "managed", "change": values, **more}


def plan_json(
    *changes: Mapping[str, Any], outputs: Mapping[str, Sequence[str]] | None = None, **more: Any
) -> dict[str, Any]:
    """Return a plan as `terraform show -json` gives it; `outputs` are their actions by name."""
    return {
        "format_version": "1.2",
        "terraform_version": "1.15.5",
        "resource_changes": list(changes),
        "output_changes": {
            name: {"actions": list(actions), "before": None, "after": name}
            for name, actions in (outputs or {}).items()
        },
        **more,
    }


class FakeEngine:
    """Implements Engine.

    `calls` are the modules that each directory uses, and `looked` the commits that were asked for them.

    `plans` holds, for each working directory, what a plan finds to do; after an apply it is nothing more. A
    key such as `net at c0ffee` is for a commit.
    `done` names what was begun: `("plan", run id)`. `applied` holds every saved plan that was applied.
    `trees` are the runs whose working tree lies on the machine, `tidied` is how often it was tidied.
    `state_here` says whether configurations
    leave their state to Plangate; where not, runs plan again whatever was shown. `prints` is what a program
    of the change writes into the output of the plan. `files`, `modules` and `locks` are what configurations
    read, download and lock, by commit, where they differ from others. `full` says why the disk is full.
    `lost` is how applies ended whose worker was lost, None for those of another machine; `left_states` are
    states that they could not push, None while at work.
    """

    def __init__(self) -> None:
        self.plans: dict[str, dict[str, Any]] = {}
        self.found: tuple[str, ...] = ()
        self.found_at: dict[str, tuple[str, ...]] = {}
        self.unread: dict[str, EngineError] = {}
        self.calls: dict[str, tuple[str, ...]] = {}
        self.looked: list[str] = []
        self.done: list[tuple[str, str]] = []
        self.applied: list[tuple[str, bytes]] = []
        self.jobs: list[EngineJob] = []
        self.versions: list[str] = []
        self.trees: set[str] = set()
        self.state_here = False
        self.backend = ""
        self.prints = ""
        self.files: dict[str, str] = {}
        self.places: tuple[str, ...] | None = None
        self.locks: dict[str, bytes] = {}
        self.modules: dict[str, str] = {}
        self.full = ""
        self.tidied = 0
        self.lost: dict[str, ApplyResult | None] = {}
        self.left_states: dict[str, bytes | None] = {}
        self._faults: dict[str, list[tuple[Exception | ApplyResult, str]]] = {}
        self._during: dict[str, list[During]] = {}

    # What tests set

    def will_find(self, directory: str, *changes: Mapping[str, Any], **more: Any) -> None:
        """Say what plans of a directory find from now on."""
        self.plans[directory] = plan_json(*changes, **more)

    def fail(self, stage: str, with_: Exception | ApplyResult, output: str = "") -> None:
        """Have the next `fetch`, `plan`, `apply`, `clean` or `directories` end so, after some output."""
        self._faults.setdefault(stage, []).append((with_, output))

    def during(self, stage: str, hook: During) -> None:
        """Have something happen in the midst of the next stage, before the watcher is asked."""
        self._during.setdefault(stage, []).append(hook)

    def count(self, stage: str, run_id: str = "") -> int:
        """Return how often a stage was begun."""
        return sum(name == stage and run_id in ("", run) for name, run in self.done)

    # The port

    def fetch(self, job: EngineJob, watch: Watch) -> None:
        self._begin("fetch", job)
        self.trees.add(job.run_id)
        self._midst("fetch", job, watch)

    def plan(self, job: EngineJob, watch: Watch) -> PlanResult:
        self._begin("plan", job)
        if job.run_id not in self.trees:
            raise EngineError("the run's working tree is not on this worker: fetch it first")
        watch.output("$ terraform plan\n")
        self._midst("plan", job, watch)
        here = job.working_directory
        document = self.plans.get(f"{here} at {job.commit}") or self.plans.get(here) or plan_json()
        lines = [f"  # {each['address']} will change" for each in document["resource_changes"]]
        watch.output("\n".join(["Terraform will perform the following actions:", "", *lines, ""]))
        watch.output(self.prints)
        return PlanResult(
            self._saved(job), json.dumps(document).encode(), self.locks.get(job.commit, b"# the lock file\n"),
            "1.15.5",
            files=self.files.get(job.commit, "the files"), state_here=self.state_here, backend=self.backend,
            configuration=f"modules of {job.commit}", places=self.places,
            modules=self.modules.get(job.commit, ""),
        )  # fmt: skip

    def apply(self, job: EngineJob, plan: PlanResult, watch: Watch) -> ApplyResult:
        self._begin("apply", job)
        self.trees.add(job.run_id)
        self.versions.append(plan.version)
        self.applied.append((job.run_id, plan.saved_plan))
        watch.output("applying\n")
        ended = self._midst("apply", job, watch)
        if ended is not None:
            return ended
        self.plans[job.working_directory] = plan_json()
        watch.output("Apply complete!\n")
        return ApplyResult(True, "Apply complete!")

    def lost_apply(self, run_id: str, watch: Watch) -> ApplyResult | None:
        return self.lost.get(run_id, ApplyResult(False, CUT_OFF))

    def left_state(self, run_id: str) -> bytes | None:
        return self.left_states.get(run_id, b"")

    def state_stored(self, run_id: str) -> None:
        self.left_states.pop(run_id, None)

    def clean(self, run_id: str) -> None:
        if self.left_state(run_id) != b"":
            return
        self.trees.discard(run_id)
        for error, _ in self._faults.pop("clean", ()):
            assert isinstance(error, Exception)
            raise error

    def left(self, before: datetime) -> Sequence[str]:
        return sorted(self.trees)

    def tidy(self) -> None:
        self.tidied += 1

    def no_room(self) -> str:
        return self.full

    def directories(self, remote: GitRemote, commit: str) -> tuple[str, ...]:
        for error, _ in self._faults.pop("directories", ()):
            assert isinstance(error, Exception)
            raise error
        if commit in self.unread:
            raise self.unread[commit]
        return self.found_at.get(commit, self.found)

    def module_calls(self, remote: GitRemote, commit: str) -> Mapping[str, frozenset[str]]:
        self.looked.append(commit)
        for error, _ in self._faults.pop("module_calls", ()):
            assert isinstance(error, Exception)
            raise error
        return {name: frozenset(places) for name, places in self.calls.items()}

    # Within

    def _saved(self, job: EngineJob) -> bytes:
        return f"saved plan of {job.run_id}, number {self.count('plan', job.run_id)}".encode()

    def _begin(self, stage: str, job: EngineJob) -> None:
        self.done.append((stage, job.run_id))
        self.jobs.append(job)

    def _midst(self, stage: str, job: EngineJob, watch: Watch) -> ApplyResult | None:
        if hooks := self._during.get(stage):
            hooks.pop(0)(job)
        if watch.tick() is not WatchSignal.GO_ON:
            if stage != "apply":
                raise Interrupted(f"{stage} was interrupted")
            return ApplyResult(False, "interrupted: half of it is done", interrupted=True)
        if faults := self._faults.get(stage):
            how, output = faults.pop(0)
            watch.output(output)
            if isinstance(how, Exception):
                raise how
            return how
        return None
