"""A newer commit of a change reuses the plan of the earlier one if nothing that it depends on has changed."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from bot.domain.errors import EngineError
from bot.domain.ids import new_id
from bot.domain.runs.lifecycle import RunStatus
from bot.domain.workspaces.variables import Category, StoredVariable, Variable
from bot.domain.workspaces.workspace import Triggers
from bot.services.plans.plan_inputs import save_inputs, saved_inputs
from bot.services.ports import ArtifactKind, StateVersion
from bot.services.runs.transitions import lease_of
from tests.fakes.engine import change
from tests.fakes.house import WRITER, House

BUCKET = change("aws_s3_bucket.logs", "create", after={"name": "logs"})


@pytest.fixture
def shown(house: House) -> House:
    """A change of two workspaces; the plan of `network` can read only its own directory."""
    house.engine.state_here, house.engine.places = True, ("network",)
    house.workspace("network")
    house.engine.will_find("network", BUCKET)
    house.merges.heads = {
        "h1": {"network/a.tf": "1", "docs/readme.md": "1"},
        "h2": {"network/a.tf": "1", "docs/readme.md": "2"},
        "h3": {"network/a.tf": "3", "docs/readme.md": "2"},
    }
    house.open_change(1, "h1", "network/a.tf")
    return house


def newer(house: House, commit: str = "h2") -> None:
    house.update_change(1, commit, "network/a.tf", "docs/readme.md")


def test_the_plan_is_taken_over_and_says_of_which_commit_it_is(shown: House) -> None:
    earlier = shown.only_run()
    newer(shown)
    run = shown.runs()[-1]
    assert shown.engine.count("plan") == 1
    assert (run.commit, run.status, run.digest, run.counts) == (
        "h2",
        RunStatus.PLANNED_AND_FINISHED,
        earlier.digest,
        earlier.counts,
    )
    assert shown.saved_plan(run) == shown.saved_plan(earlier)
    assert f"the plan of {earlier.id} is reused" in shown.timeline(run)[1].message
    assert shown.said("h2", "plangate/network/plan") == (
        "success",
        "Plan: 1 to add, 0 to change, 0 to destroy, as planned for h1",
    )


def test_what_is_applied_then_is_that_plan_on_the_newer_commit(shown: House) -> None:
    saved = shown.saved_plan(shown.only_run())
    newer(shown)
    shown.say(1, "/apply")
    run = shown.runs()[-1]
    assert (run.status, run.commit) == (RunStatus.APPLIED, "h2")
    assert shown.engine.count("plan") == 1
    assert shown.engine.applied == [(run.id, saved)]


def test_a_third_commit_reuses_it_from_the_second_but_no_older_than_the_age(shown: House) -> None:
    newer(shown)
    shown.merges.heads["h4"] = {**shown.merges.heads["h2"], "docs/readme.md": "4"}
    shown.merges.heads["h5"] = {**shown.merges.heads["h2"], "docs/readme.md": "5"}
    shown.clock.forward(seconds=1800)
    newer(shown, "h4")
    assert shown.engine.count("plan") == 1
    # The commit that was planned, not the one between them.
    assert shown.said("h4", "plangate/network/plan")[1].endswith("as planned for h1")
    # The age is that of the plan itself, not of the run that reused it.
    shown.clock.forward(seconds=1801)
    newer(shown, "h5")
    assert shown.engine.count("plan") == 2


def test_the_lease_is_kept_while_git_compares_for_long(shown: House) -> None:
    held: list[frozenset[str]] = []

    def long() -> None:
        shown.clock.forward(seconds=shown.limits.lease.total_seconds() * 0.6)
        with shown.store.reading() as tx:
            held.append(tx.leases.held([lease_of(shown.runs()[-1].id)], shown.clock.now()))

    shown.merges.moments += [long, long, long]
    newer(shown)
    assert held == [frozenset({lease_of(shown.runs()[-1].id)})] * 3
    assert (shown.engine.count("plan"), shown.runs()[-1].status) == (1, RunStatus.PLANNED_AND_FINISHED)


def test_a_cancel_is_seen_while_git_compares(shown: House) -> None:
    def cancel() -> None:
        shown.controls.cancel(shown.runs()[-1].id, WRITER)

    def never() -> None:
        raise AssertionError("it goes on after a cancel")

    shown.merges.moments += [cancel, never]
    newer(shown)
    assert (shown.runs()[-1].status, shown.engine.count("plan")) == (RunStatus.CANCELED, 1)


def a_file(house: House) -> str:
    return "h3"


def state(house: House) -> str:
    with house.store.transaction() as tx:
        of = tx.workspaces.named("network").id
        version = StateVersion(new_id("sv"), of, "", 1, "lineage", "md5", datetime(2030, 1, 1, tzinfo=UTC), 2)
        tx.states.add(version, b"{}")
    return "h2"


def variable(house: House) -> str:
    with house.store.transaction() as tx:
        workspace = tx.workspaces.named("network")
        kept = StoredVariable(
            id=new_id("var"),
            variable=Variable("size", "2", Category.TERRAFORM),
            set_by="wren",
            at=house.clock.now(),
        )
        tx.variables.put(kept, workspace_id=workspace.id)
    return "h2"


def version(house: House) -> str:
    with house.store.transaction() as tx:
        tx.workspaces.put(replace(tx.workspaces.named("network"), engine_version="~> 1.9"))
    return "h2"


def git(house: House) -> str:
    house.merges.comparing.append(EngineError("the commit is gone"))
    return "h2"


def own_backend(house: House) -> str:
    of = house.only_run().id
    with house.store.transaction() as tx:
        inputs = saved_inputs(tx, of)
        assert inputs is not None
        save_inputs(tx, of, replace(inputs, backend="s3"), ())
    return "h2"


def modules(house: House) -> str:
    of = house.only_run().id
    with house.store.transaction() as tx:
        inputs = saved_inputs(tx, of)
        assert inputs is not None
        # Nobody knows what an init would download now.
        save_inputs(tx, of, replace(inputs, modules="some modules"), ())
    return "h2"


def a_plan_of_an_older_version(house: House) -> str:
    of = house.only_run().id
    with house.store.transaction() as tx:
        document = json.loads(tx.artifacts.get(of, ArtifactKind.BASIS) or b"")
        del document["modules"]
        tx.artifacts.put(of, ArtifactKind.BASIS, json.dumps(document).encode())
    return "h2"


def trigger(house: House) -> str:
    return triggers(house, Triggers(prefixes=("/docs/",)))


def pattern(house: House) -> str:
    return triggers(house, Triggers(patterns=("network/*", "/**/*.md")))


def every_push(house: House) -> str:
    return triggers(house, Triggers(file_triggers=False))


def triggers(house: House, wanted: Triggers) -> str:
    with house.store.transaction() as tx:
        tx.workspaces.put(replace(tx.workspaces.named("network"), triggers=wanted))
    return "h2"


def age(house: House) -> str:
    house.clock.forward(seconds=3600)
    return "h2"


HAPPENS = [
    *(a_file, state, variable, version, git, age, own_backend, modules, a_plan_of_an_older_version),
    *(trigger, pattern, every_push),
]


@pytest.mark.parametrize("happens", HAPPENS)
def test_it_is_planned_if_anything_may_have_changed(shown: House, happens: Callable[[House], str]) -> None:
    commit = happens(shown)
    newer(shown, commit)
    run = shown.runs()[-1]
    assert (shown.engine.count("plan"), run.commit) == (2, commit)
    assert "as planned" not in shown.said(commit, "plangate/network/plan")[1]


@pytest.mark.parametrize("places", [None, (".",)])
def test_it_is_planned_if_the_plan_can_read_every_file(house: House, places: tuple[str, ...] | None) -> None:
    house.engine.state_here, house.engine.places = True, places
    house.workspace("network")
    house.engine.will_find("network", BUCKET)
    house.merges.heads = {"h1": {"network/a.tf": "1"}, "h2": {"network/a.tf": "1", "docs/readme.md": "2"}}
    house.open_change(1, "h1", "network/a.tf")
    newer(house)
    assert house.engine.count("plan") == 2


def test_plan_always_plans(shown: House) -> None:
    newer(shown)
    shown.say(1, "/plan", WRITER.login)
    assert shown.engine.count("plan") == 2
    assert "as planned" not in shown.said("h2", "plangate/network/plan")[1]


def test_a_plan_that_failed_is_made_again(shown: House) -> None:
    shown.engine.fail("plan", EngineError("no provider"))
    newer(shown, "h3")
    assert shown.runs()[-1].status is RunStatus.ERRORED
    shown.merges.heads["h4"] = dict(shown.merges.heads["h3"])
    newer(shown, "h4")
    assert (shown.engine.count("plan"), shown.runs()[-1].status) == (3, RunStatus.PLANNED_AND_FINISHED)
