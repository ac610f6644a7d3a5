"""Run triggers: an apply starts runs elsewhere, whatever dies or is away meanwhile (promise 3)."""

from __future__ import annotations

from functools import partial

import pytest

from bot.domain.errors import ForgeUnavailable
from bot.domain.events import RepoRef, TagPushed
from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.run import RunSource
from bot.domain.workspaces.workspace import Triggers
from tests.fakes.engine import change
from tests.fakes.house import REPO, WRITER, House
from tests.store.racing import in_threads

BUCKET = change("aws_s3_bucket.logs", "create", after={"name": "logs"})
ELSEWHERE = RepoRef("github", "acme/app")


@pytest.fixture
def planned(house: House) -> House:
    """A run of `network` that waits to be applied, and two workspaces that follow it."""
    house.workspace("network")
    house.workspace("app", repo=ELSEWHERE, run_triggers=("network",))
    house.workspace("dns", repo=ELSEWHERE, run_triggers=("network", "app"), auto_apply_run_triggers=True)
    for name in ("network", "app", "dns"):
        house.engine.will_find(name, BUCKET)
    house.forge.set_branch(ELSEWHERE, "main", "elsewhere")
    house.push("c1", "network/main.tf")
    return house


def runs_in(house: House, name: str) -> list[tuple[str, str, str]]:
    place = house.find_workspace(name)
    return [(run.source.value, run.commit, run.status.value) for run in house.runs(place)]


def test_an_apply_starts_runs_on_the_current_commit_of_those_that_follow(planned: House) -> None:
    cause = planned.only_run()
    planned.controls.confirm(cause.id, WRITER)
    planned.work()
    # One waits for a person; the other's setting says that it need not.
    assert runs_in(planned, "app") == [("trigger", "elsewhere", "planned")]
    assert runs_in(planned, "dns") == [("trigger", "elsewhere", "applied")]
    made = planned.runs(planned.find_workspace("app"))[0]
    assert made.message == f"triggered by {cause.id}"
    assert planned.timeline(made)[0].message == f"{cause.id} was applied in network"


def test_one_starts_the_next_in_turn(planned: House) -> None:
    planned.controls.confirm(planned.only_run().id, WRITER)
    planned.work()
    app = planned.runs(planned.find_workspace("app"))[0]
    planned.engine.will_find("dns", BUCKET)
    planned.controls.confirm(app.id, WRITER)
    planned.work()
    assert [commit for _, commit, _ in runs_in(planned, "dns")] == ["elsewhere", "elsewhere"]


@pytest.mark.parametrize("end", ["discarded", "no changes", "failed"])
def test_only_a_successful_apply_starts_anything(house: House, end: str) -> None:
    house.workspace("network", auto_apply=end == "failed")
    house.workspace("app", repo=ELSEWHERE, run_triggers=("network",))
    house.forge.set_branch(ELSEWHERE, "main", "elsewhere")
    if end != "no changes":
        house.engine.will_find("network", BUCKET)
    if end == "failed":
        house.engine.fail("apply", ZeroDivisionError())
    house.push("c1", "network/main.tf")
    if end == "discarded":
        house.controls.discard(house.only_run().id, WRITER)
        house.work()
    assert house.only_run().final


def test_the_need_outlives_a_redis_that_lost_everything(planned: House) -> None:
    planned.controls.confirm(planned.only_run().id, WRITER)
    planned.work("apply")
    planned.dispatch.lose_everything()
    assert runs_in(planned, "app") == []
    planned.sweep()
    assert runs_in(planned, "app") == [("trigger", "elsewhere", "planned")]


def test_a_worker_killed_between_the_apply_and_the_new_run_loses_nothing(planned: House) -> None:
    planned.controls.confirm(planned.only_run().id, WRITER)
    planned.dispatch.down = True
    planned.execution.advance(planned.only_run().id)
    planned.dispatch.down = False
    assert planned.only_run().status is RunStatus.APPLIED
    planned.sweep()
    planned.sweep()
    assert runs_in(planned, "app") == [("trigger", "elsewhere", "planned")]


def test_a_forge_that_is_away_is_asked_again(planned: House) -> None:
    planned.forge.fail(ForgeUnavailable("out of order"), "branch_head", times=2)
    planned.controls.confirm(planned.only_run().id, WRITER)
    planned.work()
    assert runs_in(planned, "app") == runs_in(planned, "dns") == []
    planned.sweep()
    assert len(runs_in(planned, "app")) == len(runs_in(planned, "dns")) == 1


@pytest.mark.parametrize("attempt", range(3))
def test_two_workers_on_one_need_make_one_run(planned: House, attempt: int) -> None:
    planned.controls.confirm(planned.only_run().id, WRITER)
    planned.work("apply")
    with planned.store.reading() as tx:
        wanted = [each.id for each in tx.deliveries.recent(10) if each.id.startswith("applied:")]
    assert len(wanted) == 2
    results = in_threads([partial(planned.intake.handle, d) for d in wanted * 2])
    assert results == [None] * 4
    planned.work()
    assert len(runs_in(planned, "app")) == 1
    assert planned.runs(planned.find_workspace("app"))[0].source is RunSource.TRIGGER


def test_what_was_made_is_told_with_the_deliveries(planned: House) -> None:
    cause = planned.only_run()
    planned.controls.confirm(cause.id, WRITER)
    planned.work()
    app = planned.find_workspace("app")
    assert app is not None
    delivery = f"applied:{cause.id}:{app.id}"
    assert planned.outcomes(delivery) == ["run"]
    assert planned.reasons(delivery) == [f"{cause.id} was applied in network"]


def test_a_circle_among_discovered_workspaces_starts_nothing_and_says_so(house: House) -> None:
    house.workspace("network", run_triggers=("app",))
    app = house.workspace("app", repo=ELSEWHERE, run_triggers=("network",))
    house.engine.will_find("network", BUCKET)
    house.push("c1", "network/main.tf")
    cause = house.only_run()
    house.controls.confirm(cause.id, WRITER)
    house.work()
    assert runs_in(house, "app") == []
    assert house.reasons(f"applied:{cause.id}:{app.id}") == [
        "run triggers form a circle (network -> app -> network): no run is started"
    ]


def test_a_follower_that_was_added_after_the_apply_is_not_waited_for(planned: House) -> None:
    planned.workspace("dns", repo=ELSEWHERE, run_triggers=("network",), depends_on=("late",))
    planned.controls.confirm(planned.only_run().id, WRITER)
    planned.work("apply")
    planned.workspace("late", repo=ELSEWHERE, run_triggers=("network",))
    planned.work()
    assert len(runs_in(planned, "dns")) == 1
    assert runs_in(planned, "late") == []


def test_a_workspace_put_aside_meanwhile_gets_no_run(planned: House) -> None:
    planned.controls.confirm(planned.only_run().id, WRITER)
    planned.work("apply")
    planned.workspace("app", repo=ELSEWHERE, active=False)
    planned.work()
    assert runs_in(planned, "app") == []
    assert len(runs_in(planned, "dns")) == 1


# --- one run for each commit --------------------------------------------------------------------------------


@pytest.mark.parametrize("attempt", range(3))
def test_a_commit_pushed_twice_at_once_makes_one_run_and_the_other_says_so(
    house: House, attempt: int
) -> None:
    house.workspace("network")
    first = house.push("c1", "network/main.tf", work=False)
    second = house.push("c1", "network/main.tf", work=False)
    assert in_threads([partial(house.intake.handle, d) for d in (first, second)]) == [None, None]
    assert len(house.runs()) == 1
    outcomes = sorted([*house.outcomes(first), *house.outcomes(second)])
    assert outcomes == ["nothing", "run"]
    reasons = house.reasons(first) + house.reasons(second)
    assert "this commit has a run here already" in reasons


@pytest.mark.parametrize("attempt", range(3))
def test_two_tags_on_one_commit_make_one_run(house: House, attempt: int) -> None:
    house.workspace("network", triggers=Triggers(tag_regex="^v"))
    house.forge.tags.update({(REPO, "v1"): "c1", (REPO, "v2"): "c1"})
    tags = [house.deliver(TagPushed(REPO, tag, "c1", "ann", "", "main")) for tag in ("v1", "v2")]
    in_threads([partial(house.intake.handle, d) for d in tags])
    assert len(house.runs()) == 1
    assert sorted([*house.outcomes(tags[0]), *house.outcomes(tags[1])]) == ["nothing", "run"]
