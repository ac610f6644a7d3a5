"""Applies that end anywhere, retries, pushes and drift: a retry does exactly what was left, or asks.

A small cloud stands beside the house. Plans are the difference between what a commit wants and what there is.
Each apply is held against the changes that somebody approved and that were not done since.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from bot.domain.runs.run import Run
from bot.services.ports import ApplyResult, ArtifactKind, EngineJob
from bot.services.states.kept_aside import new_version
from tests.fakes.engine import change, plan_json
from tests.fakes.house import House
from tests.support.stores import Stores

WANTED = {"one": {"x": 1, "y": 1, "z": 1}, "two": {"x": 1, "y": 2}, "three": {"z": 3}}
STEPS = st.one_of(
    st.tuples(st.just("push"), st.sampled_from(sorted(WANTED)), st.just(0)),
    st.tuples(st.just("break"), st.sampled_from(["fails", "taints"]), st.integers(0, 2)),
    st.just(("apply", "", 0)),
    st.just(("retry", "", 0)),
    st.just(("retry", "", 0)),
    st.tuples(st.just("drift"), st.sampled_from("xyz"), st.integers(0, 2)),
    st.tuples(st.just("edit"), st.sampled_from("xyz"), st.integers(0, 2)),
    st.just(("discard", "", 0)),
)
Changes = dict[str, tuple[list[str], Any]]


@dataclass
class Cloud:
    """What there is (by name, 0 for nothing), what the state says of it, and what was approved."""

    house: House
    there: dict[str, int] = field(default_factory=dict)
    state: dict[str, int] = field(default_factory=dict)
    tainted: set[str] = field(default_factory=set)
    wants: dict[str, str] = field(default_factory=dict)
    approved: set[str] = field(default_factory=set)
    left: dict[str, Changes] = field(default_factory=dict)
    breaks: list[tuple[str, int]] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    serial: int = 0
    went_on: int = 0

    def begin(self) -> None:
        self.house.engine.state_here = True
        self.house.workspace("network")
        self._watch("plan", self._plans)
        self._watch("apply", self._applies)
        self.wants["h0"] = "one"
        self.house.open_change(1, "h0", "network/main.tf")

    def step(self, what: str, where: str, number: int) -> None:
        match what:
            case "push":
                commit = f"h{len(self.wants)}"
                self.wants[commit] = where
                self.house.update_change(1, commit, "network/main.tf")
            case "break":
                self.breaks.append((where, number))
            case "apply":
                self.approved |= {run.digest for run in self.house.runs() if run.digest}
                self.house.say(1, "/apply")
            case "retry":
                self.house.say(1, "/retry")
            case "drift":
                self.there[where] = number
            case "edit":
                self.there[where] = self.state[where] = number
                self.tainted.discard(where)
                self._store(None)
            case _:
                self.house.say(1, "/discard")

    def _watch(self, stage: str, do: Callable[[EngineJob], None]) -> None:
        def hook(job: EngineJob) -> None:
            self.house.engine.during(stage, hook)
            do(job)

        self.house.engine.during(stage, hook)

    def _plans(self, job: EngineJob) -> None:
        found = []
        wanted = WANTED[self.wants[job.commit]]
        for name in "xyz":
            there, want = self.there.get(name, 0), wanted.get(name, 0)
            before, after = ({"size": size} if size else None for size in (there, want))
            if there and want and name in self.tainted:
                reason = {"action_reason": "replace_because_tainted"}
                found.append(change(f"a.{name}", "delete", "create", before=before, after=after, **reason))
            elif there != want:
                action = "create" if not there else "update" if want else "delete"
                found.append(change(f"a.{name}", action, before=before, after=after))
        self.house.engine.plans["network"] = plan_json(*found)

    def _applies(self, job: EngineJob) -> None:
        run = self.house.run(job.run_id)
        changes = _changes(self.house, run)
        self.wrong += self._findings(run, changes)
        left = self.left[run.id]
        how, most = self.breaks.pop(0) if self.breaks else ("", len(changes))
        for address, (_, after) in list(changes.items())[:most]:
            name = address[-1]
            self.there[name] = self.state[name] = after["size"] if after else 0
            self.tainted.discard(name)
            left.pop(address, None)
        for address, (actions, after) in list(changes.items())[most : most + 1]:
            if how == "taints" and "create" in actions:
                self.there[address[-1]] = self.state[address[-1]] = after["size"]
                self.tainted.add(address[-1])
                left[address] = (["delete", "create"], after)
        self._store(run)
        if how:
            self.house.engine.fail("apply", ApplyResult(False, "it broke"))

    def _findings(self, run: Run, changes: Changes) -> Iterator[str]:
        """Say what is wrong with an apply that is about to start, and keep what it may do."""
        with self.house.store.reading() as tx:
            record = tx.approvals.of_apply(run.id)
        if record is None:
            yield "nobody approved it"
        elif run.rest_of is not None and record.shown_run_id == run.rest_of.run_id:
            self.went_on += 1
            allowed = self.left[run.rest_of.run_id]
            if changes != allowed:
                yield f"{changes} is not what was left: {allowed}"
        elif run.digest not in self.approved:
            yield "nobody approved the digest"
        self.left[run.id] = dict(changes)

    def _store(self, run: Run | None) -> None:
        self.serial += 1
        resources = [
            {"mode": "managed", "type": "a", "name": name, "instances": [self._instance(name, size)]}
            for name, size in self.state.items()
            if size
        ]
        state = {"version": 4, "serial": self.serial, "lineage": "one", "resources": resources}
        data = json.dumps(state).encode()
        some = run or self.house.runs()[0]
        version = new_version(some, data, "", self.house.clock.now())
        if run is None:
            version = replace(version, run_id="", made_by="ben")
        with self.house.store.transaction() as tx:
            tx.states.add(version, data)

    def _instance(self, name: str, size: int) -> dict[str, Any]:
        status = {"status": "tainted"} if name in self.tainted else {}
        return {"attributes": {"size": size}, **status}


def _changes(house: House, run: Run) -> Changes:
    """Return what the plan does that a run applies, by address."""
    with house.store.reading() as tx:
        document = json.loads(tx.artifacts.get(run.id, ArtifactKind.PLAN_JSON) or b"{}")
    return {
        each["address"]: (each["change"]["actions"], each["change"]["after"])
        for each in document["resource_changes"]
    }


HALF = [("break", "fails", 1), ("apply", "", 0), ("retry", "", 0)]
TAINTED = [
    ("break", "taints", 1),
    ("break", "taints", 0),
    ("apply", "", 0),
    ("retry", "", 0),
    ("retry", "", 0),
]


@settings(settings.get_profile("sequences"))
@example(HALF)
@example(TAINTED)
@example([*HALF[:2], ("drift", "x", 0), ("retry", "", 0)])
@example([*HALF[:2], ("edit", "y", 2), ("retry", "", 0)])
@given(st.lists(STEPS, min_size=3, max_size=14))
def test_a_retry_does_exactly_what_was_left_or_asks(
    stores: Stores, steps: list[tuple[str, str, int]]
) -> None:
    with stores.one() as kept:
        cloud = Cloud(House(kept.store, kept.vault))
        cloud.begin()
        for step in steps:
            cloud.step(*step)
        assert cloud.wrong == []


def test_the_model_goes_on_after_failures(build: Callable[..., House]) -> None:
    """Otherwise the property would hold for nothing."""
    for steps, times in ((HALF, 1), (TAINTED, 2)):
        cloud = Cloud(build())
        cloud.begin()
        for step in steps:
            cloud.step(*step)
        assert cloud.wrong == []
        assert cloud.went_on == times
        assert cloud.there == WANTED["one"]
