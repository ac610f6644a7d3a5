"""Workspaces that are found: each directory a workspace, new ones, retired ones, and names that are taken."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from bot.domain.errors import EngineError, RemoteUnavailable
from bot.domain.events import RepoRef
from bot.domain.runs.lifecycle import RunStatus
from bot.domain.workspaces.discovery import DiscoverRule
from bot.domain.workspaces.outputs import Input
from bot.domain.workspaces.workspace import Workspace
from bot.services.plans.snapshot import variables_of
from bot.services.variables.sync import sync
from tests.fakes.engine import change
from tests.fakes.house import REPO, WRITER, House
from tests.services.plans.test_handed_outputs import put_state

BUCKET = change("aws_s3_bucket.logs", "create")
RULE = DiscoverRule(Workspace("", "", REPO), ("envs/*",), name="{name}")


@pytest.fixture
def house(build: Callable[..., House]) -> House:
    found = build(rules=[RULE])
    found.engine.found = ("envs/dev", "envs/prod", "modules/net")
    return found


def names(house: House) -> list[str]:
    with house.store.reading() as tx:
        return [workspace.name for workspace in tx.workspaces.all()]


def test_a_push_makes_a_workspace_of_each_directory_and_runs_those_it_touches(house: House) -> None:
    house.push("c1", "envs/dev/main.tf")
    assert names(house) == ["dev", "prod"]
    run = house.only_run()
    assert house.run(run.id).workspace_id == house.find_workspace("dev").id  # type: ignore[union-attr]
    assert house.engine.jobs[0].working_directory == "envs/dev"


def test_a_second_look_keeps_each_workspace_with_its_id(house: House) -> None:
    house.push("c1", "envs/dev/main.tf")
    before = house.find_workspace("dev")
    house.push("c2", "envs/dev/main.tf", before="c1")
    assert house.find_workspace("dev") == before


def test_a_directory_that_is_gone_retires_its_workspace_and_comes_back_with_its_state(house: House) -> None:
    house.push("c1", "envs/dev/main.tf")
    before = house.find_workspace("prod")
    assert before is not None
    house.engine.found = ("envs/dev",)
    house.push("c2", "envs/dev/main.tf", before="c1")
    assert names(house) == ["dev"]
    house.engine.found = ("envs/dev", "envs/prod")
    house.push("c3", "envs/prod/main.tf", before="c2")
    assert house.find_workspace("prod") == before


def test_a_run_that_waits_there_ends_with_that_reason(house: House) -> None:
    house.engine.will_find("envs/prod", BUCKET)
    house.push("c1", "envs/prod/main.tf")
    (waiting,) = house.runs(house.find_workspace("prod"))
    assert waiting.awaits_confirmation
    house.engine.found = ("envs/dev",)
    house.push("c2", "README.md", before="c1")
    house.sweep()
    assert house.run(waiting.id).status is RunStatus.DISCARDED
    assert "its directory is no longer on the branch" in house.timeline(waiting)[-1].message


def test_another_branch_neither_finds_nor_retires_anything(house: House) -> None:
    house.push("c1", "envs/dev/main.tf")
    house.engine.found = ()
    delivery = house.push("c2", "envs/dev/main.tf", branch="topic")
    assert names(house) == ["dev", "prod"]
    assert house.outcomes(delivery) == ["nothing"]


def test_a_change_finds_the_directory_that_it_brings(house: House) -> None:
    house.push("c1", "README.md")
    house.engine.found = ("envs/dev", "envs/prod", "envs/new")
    house.open_change(1, "h1", "envs/new/main.tf")
    assert names(house) == ["dev", "new", "prod"]
    assert house.statuses() == ["planned_and_finished"]
    assert "new: No changes" in house.summary(1)


def test_a_change_retires_nothing(house: House) -> None:
    house.push("c1", "README.md")
    house.engine.found = ("envs/dev",)
    house.open_change(1, "h1", "README.md")
    assert names(house) == ["dev", "prod"]


BRANCH = ("envs/dev", "envs/prod")


def brought(house: House, directory: str = "envs/new") -> None:
    """Have an open change bring a directory that the branch does not have."""
    house.push("c1", "README.md")
    house.engine.found_at["h1"] = (*BRANCH, directory)
    house.engine.will_find(directory, BUCKET)
    house.engine.found = BRANCH
    house.open_change(1, "h1", f"{directory}/main.tf")


def test_a_workspace_that_an_open_change_brings_stays_while_the_branch_moves(house: House) -> None:
    brought(house)
    house.push("c2", "envs/dev/main.tf")
    assert names(house) == ["dev", "new", "prod"]
    house.say(1, "/apply")
    assert house.statuses(house.find_workspace("new")) == ["planned_and_finished", "applied"]


def test_it_goes_with_the_change(house: House) -> None:
    brought(house)
    house.close_change(1)
    house.push("c2", "README.md")
    assert names(house) == ["dev", "prod"]


def test_it_goes_with_a_commit_that_no_longer_has_it(house: House) -> None:
    brought(house)
    house.update_change(1, "h2", "README.md")
    house.push("c2", "README.md")
    assert names(house) == ["dev", "prod"]


def test_a_push_starts_nothing_in_a_workspace_that_only_a_change_has(house: House) -> None:
    brought(house)
    house.push("c2", "envs/new/README.md")
    assert house.runs(plan_only=False) == []


@pytest.mark.parametrize(
    ("has_it", "fork", "stays"), [(True, False, True), (False, False, False), (True, True, False)]
)
def test_one_that_left_the_branch_stays_while_an_open_change_has_it(
    house: House, has_it: bool, fork: bool, stays: bool
) -> None:
    """A change that deletes it may be open, as far as we know, when the push of its merge is told."""
    house.push("c1", "README.md")
    house.engine.found_at["h1"] = BRANCH if has_it else ("envs/dev",)
    house.open_change(1, "h1", "envs/prod/main.tf", fork=fork)
    house.engine.found = ("envs/dev",)
    house.push("c2", "envs/prod/main.tf")
    assert ("prod" in names(house)) is stays
    # Nothing runs for the push where the branch has no directory, and other workspaces' secrets stay theirs.
    assert house.runs(plan_only=False) == []
    found = house.find_workspace("prod")
    assert found is not None
    assert found.proposed is stays
    house.close_change(1)
    house.push("c3", "README.md")
    assert "prod" not in names(house)


@pytest.mark.parametrize("error", [EngineError("no such commit"), RemoteUnavailable("away")])
def test_a_head_that_can_t_be_read_keeps_it(house: House, error: EngineError) -> None:
    house.push("c1", "README.md")
    house.open_change(1, "h1", "envs/prod/main.tf")
    house.engine.found = ("envs/dev",)
    house.engine.unread["h1"] = error
    pushed = house.push("c2", "README.md")
    assert "prod" in names(house)
    # A forge that is away is asked again.
    assert (house.delivery(pushed).handled_at is None) is isinstance(error, RemoteUnavailable)


def test_what_waits_for_one_that_left_the_branch_is_reported_and_goes_on(build: Callable[..., House]) -> None:
    after = replace(RULE, like=replace(RULE.like, depends_on=("../prod",)), exclude=("envs/prod",))
    house = build(rules=[replace(RULE, directories=("envs/prod",)), after])
    house.engine.found = BRANCH
    for directory in BRANCH:
        house.engine.will_find(directory, BUCKET)
    house.push("c1", *(f"{directory}/main.tf" for directory in BRANCH))
    house.controls.discard(house.runs(house.find_workspace("prod"))[0].id, WRITER)
    house.work()
    assert house.said("c1", "plangate/dev/plan")[1] == "Waits for prod, which was discarded"
    house.engine.found = ("envs/dev",)
    house.push("c2", "README.md", work=False)
    house.work("receive")
    house.clock.forward(minutes=1)
    with house.store.reading() as tx:
        for subject in tx.posts.due(house.clock.now(), 100):
            house.report_delivery.report(subject)
    assert "prod" not in house.said("c1", "plangate/dev/plan")[1]
    house.sweep()
    assert house.statuses(house.find_workspace("dev")) == ["planned"]


def test_the_code_of_a_fork_is_not_even_looked_at(house: House) -> None:
    house.push("c1", "README.md")
    house.engine.found = ("envs/dev", "envs/evil")
    house.open_change(1, "h1", "envs/evil/main.tf", fork=True)
    assert "evil" not in names(house)


@pytest.mark.parametrize("active", [True, False], ids=["at work", "retired"])
def test_a_name_that_another_repository_has_is_left_to_it(house: House, active: bool) -> None:
    other = house.workspace(
        "dev", repo=RepoRef("github", "acme/other"), discovered=True, working_directory="", active=active
    )
    house.push("c1", "envs/dev/main.tf")
    assert house.find_workspace("dev") == other
    assert house.runs() == []


@pytest.mark.parametrize("active", [True, False], ids=["at work", "retired"])
def test_a_workspace_that_the_configuration_names_wins_over_a_found_one(house: House, active: bool) -> None:
    named = house.workspace("dev", working_directory="elsewhere", active=active)
    house.push("c1", "envs/dev/main.tf")
    assert house.find_workspace("dev") == named


def test_a_sync_keeps_what_was_found_while_a_rule_looks_there(house: House) -> None:
    house.push("c1", "README.md")
    named = Workspace("", "named", REPO, working_directory="named")
    done = sync(house.store, house.clock.now(), [named], [RULE])
    assert done.kept == ("named",)
    assert names(house) == ["dev", "named", "prod"]
    assert sync(house.store, house.clock.now(), [], []).retired == ("dev", "named", "prod")
    assert names(house) == []


def test_a_sync_keeps_ids_and_takes_over_what_changed(house: House) -> None:
    named = Workspace("", "named", REPO, working_directory="named")
    sync(house.store, house.clock.now(), [named], [])
    before = house.find_workspace("named")
    sync(house.store, house.clock.now(), [replace(named, auto_apply=True)], [])
    after = house.find_workspace("named")
    assert before is not None
    assert after == replace(before, auto_apply=True)
    assert before.id.startswith("ws-")


def test_a_rule_s_workspaces_have_an_order_by_their_directories(build: Callable[..., House]) -> None:
    app = replace(RULE.like, depends_on=("../network",), auto_apply=True)
    rules = [
        DiscoverRule(replace(app, depends_on=()), ("envs/*/network",)),
        DiscoverRule(app, ("envs/*/app",)),
    ]
    house = build(rules=rules)
    house.engine.found = ("envs/dev/app", "envs/dev/network", "envs/prod/network")
    for directory in house.engine.found:
        house.engine.will_find(directory, BUCKET)
    house.push("c1", *(f"{directory}/main.tf" for directory in house.engine.found))
    applied = [house.run(run_id) for run_id, _ in house.engine.applied]
    (waited,) = [run for run in house.runs() if run.after]
    network = house.find_workspace("envs-dev-network")
    assert network is not None
    assert [house.run(each).workspace_id for each in waited.after] == [network.id]
    assert [run.id for run in applied].index(waited.id) > [run.id for run in applied].index(waited.after[0])


def test_found_workspaces_that_depend_on_each_other_are_refused(build: Callable[..., House]) -> None:
    house = build(rules=[replace(RULE, like=replace(RULE.like, depends_on=("envs/*",)))])
    house.engine.found = ("envs/dev", "envs/prod")
    pushed = house.push("c1", "envs/dev/main.tf")
    assert "in acme/infra, `depends_on` forms a cycle: " in house.delivery(pushed).error
    assert names(house) == []


@pytest.fixture
def sharing(build: Callable[..., House]) -> House:
    """A network that shares its state with every workspace whose name begins so, and a rule with inputs."""
    house = build(rules=[replace(RULE, like=replace(RULE.like, inputs=(Input("vpc", "network", "vpc"),)))])
    house.workspace("network", share_state_with=("app-*", "exact"))
    put_state(house, "network", vpc="vpc-1")
    return house


def start(house: House, name: str) -> tuple[str, bool]:
    """Return how the newest run of a workspace ended, and whether it was handed a state or an output."""
    run = house.runs(house.find_workspace(name))[-1]
    with house.store.reading() as tx:
        handed = bool(variables_of(tx, run.id))
    jobs = [each for each in house.engine.jobs if each.run_id == run.id]
    return run.status.value, handed or any(job.state is not None and job.state.shared for job in jobs)


@pytest.mark.parametrize("name", ["app-x", "exact"])
def test_a_workspace_of_an_open_change_reads_no_shared_state_before_it_is_on_the_branch(
    sharing: House, name: str
) -> None:
    sharing.engine.found = (f"envs/{name}",)
    sharing.open_change(1, "h1", f"envs/{name}/main.tf")
    assert start(sharing, name) == ("errored", False)
    assert "was found only in a change" in sharing.said("h1", f"plangate/{name}/plan")[1]
    sharing.push("c1", f"envs/{name}/main.tf")
    assert start(sharing, name)[1]
    # Another change of it may read, for its directory is on the branch.
    sharing.open_change(2, "h2", f"envs/{name}/main.tf")
    assert start(sharing, name) == ("planned_and_finished", True)


def test_a_workspace_that_was_retired_reads_nothing_if_a_change_brings_it_back(sharing: House) -> None:
    sharing.engine.found = ("envs/app-x",)
    sharing.push("c1", "envs/app-x/main.tf")
    sharing.engine.found = ()
    sharing.push("c2", "envs/app-x/main.tf")
    sharing.engine.found = ("envs/app-x",)
    sharing.open_change(1, "h1", "envs/app-x/main.tf")
    assert start(sharing, "app-x") == ("errored", False)


def test_a_run_of_a_workspace_of_an_open_change_is_not_told_of_shared_states(
    build: Callable[..., House],
) -> None:
    house = build(rules=[RULE])
    house.workspace("network", share_state_with=("*",))
    house.engine.found = ("envs/app-x",)
    house.open_change(1, "h1", "envs/app-x/main.tf")
    job = house.engine.jobs[-1]
    assert "TF_VAR_plangate_states" not in job.environment
    assert job.state is not None
    assert job.state.shared == ()
    assert "was found only in a change" in job.remark
