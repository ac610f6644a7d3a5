"""Pushes, base moves, approvals, applies and merges in any order: nothing is applied that was not approved.

A small model of a repository stands beside the house. A plan's digest follows from a part of one file, so
that other files may have the same plan. What is applied must have the digest that somebody approved. It must
be made of the files that were shown, or of the same commit on another base, with the same files of the
change. No file that it can read may be another one in the merge with the base of that moment.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from hypothesis import example, given, settings
from hypothesis import strategies as st

from bot.domain.people.permissions import Person, Role
from bot.domain.runs.merge_result import MergedCommit
from bot.domain.runs.run import Run
from bot.domain.workspaces.workspace import ApplyWhen, Merging, PlanOf
from bot.services.ports import EngineJob
from tests.fakes.engine import change, plan_json
from tests.fakes.house import REPO, House
from tests.support.stores import Stores

_TEXTS = st.sampled_from(["a1", "a2", "b1"])
_NUMBERS = st.sampled_from([1, 2])
_PATHS = st.sampled_from(["network/main.tf", "network/more.tf", "app/main.tf"])
STEPS = st.one_of(
    st.tuples(st.just("push"), _NUMBERS, _TEXTS),
    st.tuples(st.just("move"), _PATHS, _TEXTS),
    st.tuples(st.just("quiet move"), _PATHS, _TEXTS),
    st.tuples(st.just("apply"), _NUMBERS, st.just("")),
    st.tuples(st.just("plan"), _NUMBERS, st.just("")),
    st.just(("work", 0, "")),
    st.just(("hear", 0, "")),
    st.tuples(st.just("apply"), _NUMBERS, st.just("")),
    st.tuples(st.just("merge"), _NUMBERS, st.just("")),
)
WAYS = st.tuples(st.sampled_from(ApplyWhen), st.booleans())


@dataclass
class Model:
    """A repository with two changes, and what was approved in it and applied."""

    house: House
    base: dict[str, str] = field(default_factory=lambda: {"network/main.tf": "a0"})
    heads: dict[int, dict[str, str]] = field(default_factory=dict)
    approved: set[str] = field(default_factory=set)
    wrong: list[str] = field(default_factory=list)
    commits: int = 0
    applies: int = 0

    def begin(self, merging: Merging) -> None:
        self.house.engine.places = ("network",)
        self.house.merges.bases["base0"] = dict(self.base)
        self.house.forge.set_branch(REPO, "main", "base0")
        self.house.workspace("network", merging=merging)
        self._watch("plan", self._plans)
        self._watch("apply", self._applies)
        for number in (1, 2):
            self.house.open_change(number, self._head(number, "a1"), "network/main.tf")

    def step(self, what: str, where: int | str, text: str) -> None:
        house = self.house
        match what:
            case "push" if where in self.heads:
                house.update_change(int(where), self._head(int(where), text), "network/main.tf", work=False)
            case "move" | "quiet move":
                self.base[str(where)] = text
                self._moved(told=what == "move")
            case "apply" if where in self.heads:
                self.approved |= self._digests_shown(int(where))
                house.say(int(where), "/apply", work=False)
            case "plan" if where in self.heads:
                house.say(int(where), "/plan", work=False)
            case "merge" if where in self.heads:
                self.base |= self.heads.pop(int(where))
                house.close_change(int(where), merged=True, as_commit=f"base{self.commits + 1}", work=False)
                self._moved(told=True)
            case "hear":
                # Deliveries are handled, and the runs that they lead to have not begun.
                house.work("receive")
            case _:
                house.work()
                self._discard_waiting()

    def _discard_waiting(self) -> None:
        """Have somebody put aside what waits for them, so that it does not hold the queue."""
        while waiting := [run for run in self.house.runs() if run.awaits_confirmation]:
            self.house.controls.discard(waiting[0].id, Person("admin", Role.OWNER))
            self.house.work()

    def _head(self, number: int, text: str) -> str:
        self.commits += 1
        name = f"head{number}-{self.commits}"
        self.heads[number] = {"network/main.tf": text} if number == 1 else {"network/more.tf": text}
        self.house.merges.heads[name] = dict(self.heads[number])
        return name

    def _moved(self, *, told: bool) -> None:
        self.commits += 1
        name = f"base{self.commits}"
        self.house.merges.bases[name] = dict(self.base)
        if told:
            self.house.push(name, "network/main.tf", work=False)
        else:
            # No webhook tells of it.
            self.house.forge.set_branch(REPO, "main", name)

    def _digests_shown(self, number: int) -> set[str]:
        return {run.digest for run in self.house.runs(change_number=number) if run.digest}

    def _watch(self, stage: str, do: Callable[[EngineJob], None]) -> None:
        def hook(job: EngineJob) -> None:
            self.house.engine.during(stage, hook)
            do(job)

        self.house.engine.during(stage, hook)

    def _plans(self, job: EngineJob) -> None:
        files = _readable(self._files(job))
        self.house.engine.plans["network"] = plan_json(change(f"a.{files.get('network/main.tf', 'x')[0]}"))
        self.house.engine.files[job.commit] = repr(sorted(files.items()))

    def _files(self, job: EngineJob) -> dict[str, str]:
        return self.house.merges._files(job.merged or MergedCommit(job.commit))

    def _applies(self, job: EngineJob) -> None:
        """Hold an apply that is about to start against all that must be true of it.

        What is wrong is noted: an exception here would only end the run.
        """
        self.applies += 1
        self.wrong += [words for words, wrong in self._findings(job) if wrong]

    def _findings(self, job: EngineJob) -> Iterator[tuple[str, bool]]:
        run = self.house.run(job.run_id)
        yield "nobody approved the digest", run.digest not in self.approved
        with self.house.store.reading() as tx:
            record = tx.approvals.of_apply(run.id)
            shown = tx.runs.get(record.shown_run_id) if record is not None else None
        if record is None or shown is None:
            yield "no approval", True
            return
        yield "another digest", not (record.digest == run.digest == shown.digest)
        yield "other files", not (self._same_files(run, shown) or self._only_base_moved(run, shown))
        if run.merge is not None:
            now = {**self.base, **self.heads.get(run.change_number or 0, {})}
            yield "another base", _readable(self._files(job)) != _readable(now)

    def _same_files(self, run: Run, shown: Run) -> bool:
        return self.house.engine.files[run.files_of] == self.house.engine.files[shown.files_of]

    @staticmethod
    def _only_base_moved(run: Run, shown: Run) -> bool:
        if run.merge is None or shown.merge is None or run.commit != shown.commit:
            return False
        return run.merge.own == shown.merge.own


def _readable(files: dict[str, str]) -> dict[str, str]:
    return {path: text for path, text in files.items() if path.startswith("network/")}


MOVES_AND_APPLIES = [("move", "network/more.tf", "b1"), ("work", 0, ""), ("apply", 1, ""), ("work", 0, "")]
QUIETLY = [("apply", 1, ""), ("hear", 0, ""), ("quiet move", "network/more.tf", "b1"), ("work", 0, "")]


@example(steps=MOVES_AND_APPLIES, way=(ApplyWhen.BEFORE_MERGE, False))
@example(steps=QUIETLY, way=(ApplyWhen.BEFORE_MERGE, True))
@settings(settings.get_profile("sequences"))
@given(steps=st.lists(STEPS, max_size=10), way=WAYS)
def test_nothing_is_applied_that_was_not_approved(
    stores: Stores, steps: list[tuple[str, int | str, str]], way: tuple[ApplyWhen, bool]
) -> None:
    with stores.one() as kept:
        model = Model(House(kept.store, kept.vault))
        model.begin(Merging(way[0], keep_approval=way[1], plan_of=PlanOf.MERGE))
        for step in steps:
            model.step(*step)
        model.step("work", 0, "")
        assert model.wrong == []
        assert all(run.final for run in model.house.runs())


def test_the_model_applies_what_is_approved(build: Callable[..., House]) -> None:
    model = Model(build())
    model.begin(Merging(ApplyWhen.BEFORE_MERGE, plan_of=PlanOf.MERGE))
    for step in (("apply", 1, ""), ("work", 0, ""), ("move", "app/main.tf", "a2"), ("apply", 2, "")):
        model.step(*step)
    model.house.work()
    assert (model.applies, model.wrong) == (2, [])
