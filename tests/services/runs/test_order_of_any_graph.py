"""Workspaces that depend on each other in any way, and anything that happens to their applies (promise 1).

Each plan of a dependent has a value that its sources' applies make known. Some applies fail, some plans come
out different. Whatever happens, nothing is applied before all that it depends on. No plan is applied that is
neither the approved one nor the same with known values.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.run import Run
from bot.services.ports import ApplyResult, EngineJob
from tests.fakes.engine import change
from tests.fakes.house import House

NAMES = ("a", "b", "c", "d")
GRAPHS = st.fixed_dictionaries(
    {
        name: st.sets(st.sampled_from(NAMES[:place])) if place else st.just(set())
        for place, name in enumerate(NAMES)
    }
)
SOME = st.sets(st.sampled_from(NAMES))
STEPS = st.lists(
    st.one_of(
        st.just("/apply"),
        st.builds(lambda names: f"/apply {' '.join(sorted(names))}".strip(), SOME),
        st.builds(lambda name: f"/retry {name}", st.sampled_from(NAMES)),
        st.builds(lambda name: f"/plan {name}", st.sampled_from(NAMES)),
        st.builds(lambda name: f"/discard {name}", st.sampled_from(NAMES)),
        st.just("lost"),
    ),
    min_size=1,
    max_size=4,
)


def planned(known: str, *, more: bool) -> list[dict[str, Any]]:
    """Return what a workspace's plan finds; empty text: its value is not known yet."""
    one = change("a.it", "create", after={"name": "it", **({"made": known} if known else {})})
    one["change"]["after_unknown"] = {} if known else {"made": True}
    return [one, change("a.more", "create", after={"n": 1})] if more else [one]


@dataclass
class Model:
    """A house with four workspaces. `fails` fail at their first apply, `differs` plan more after others."""

    house: House
    graph: dict[str, set[str]]
    fails: set[str]
    differs: set[str]
    applied: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    approved: dict[str, set[str]] = field(default_factory=dict)

    def begin(self) -> None:
        for name in NAMES:
            self.house.workspace(name, depends_on=tuple(sorted(self.graph[name])))
            self._plan(name)
        self._watch()
        self.house.open_change(1, "h1", *(f"{name}/main.tf" for name in NAMES))

    def step(self, what: str) -> None:
        if what == "lost":
            # Redis loses everything, and the sweep finds it.
            while self.house.dispatch.take():
                pass
        else:
            self.house.say(1, what, work=False)
            self.house.work("receive")
            self.house.work("plan")

    def _plan(self, name: str) -> None:
        if name in self.applied:
            return self.house.engine.will_find(name)
        ready = self.graph[name] <= set(self.applied)
        known = "x" if ready and self.graph[name] else ""
        more = bool(known) and name in self.differs
        return self.house.engine.will_find(name, *planned(known, more=more))

    def _watch(self) -> None:
        def watched(job: EngineJob) -> None:
            self.house.engine.during("apply", watched)
            self._applies(job)

        self.house.engine.during("apply", watched)

    def _applies(self, job: EngineJob) -> None:
        """Check an apply at its start. What is wrong is noted: an exception here would only end the run."""
        name, run = job.working_directory, self.house.run(job.run_id)
        if not self.graph[name] <= set(self.applied):
            self.wrong.append(f"{name} before {self.graph[name]}")
        if not run.confirmed_by or not self._is_covered(run):
            self.wrong.append(f"{name} without approval")
        if name in self.fails:
            self.fails.discard(name)
            self.house.engine.fail("apply", ApplyResult(False, "Error: quota"))
            return
        self.applied.append(name)
        for each in NAMES:
            if each != name:
                self._plan(each)

    def _is_covered(self, run: Run) -> bool:
        """Whether the plan was approved itself, or is the same with a known value."""
        with self.house.store.reading() as tx:
            record = tx.approvals.of_apply(run.id)
            if record is None:
                return False
            if record.digest == run.digest:
                return True
            shown = tx.runs.get(record.shown_run_id)
        same = shown.digest == record.digest and str(shown.counts) == str(run.counts)
        return same and bool(run.after) and not run.delta


@example(
    graph={"a": set(), "b": {"a"}, "c": {"b"}, "d": {"c"}},
    fails={"b"},
    differs=set(),
    steps=["/apply", "/plan b", "/apply b"],
)
@example(
    graph={"a": set(), "b": {"a"}, "c": {"a"}, "d": {"b", "c"}},
    fails=set(),
    differs={"c"},
    steps=["/apply", "lost", "/apply c"],
)
@settings(
    settings.get_profile("sequences"),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(graph=GRAPHS, fails=SOME, differs=SOME, steps=STEPS)
def test_nothing_is_applied_out_of_order_or_without_an_approval(
    build: Callable[..., House],
    graph: dict[str, set[str]],
    fails: set[str],
    differs: set[str],
    steps: list[str],
) -> None:
    model = Model(build(), graph, set(fails), set(differs))
    model.begin()
    for step in steps:
        model.step(step)
        model.house.sweep(minutes=1)
    assert model.wrong == []
    for run in model.house.runs(plan_only=False):
        # Nothing is stuck: what is not final waits for a person, or says for whom it waits.
        assert run.final or run.awaits_confirmation or (run.status is RunStatus.PENDING and run.after)


def test_the_model_applies_all_in_order(build: Callable[..., House]) -> None:
    model = Model(build(), {"a": set(), "b": {"a"}, "c": {"b"}, "d": set()}, set(), set())
    model.begin()
    model.step("/apply")
    model.house.sweep(minutes=1)
    assert sorted(model.applied) == list(NAMES)
    assert [name for name in model.applied if name != "d"] == ["a", "b", "c"]
    assert model.wrong == []
