"""Files of local modules touch the workspaces that use them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from bot.domain.errors import EngineError, RemoteUnavailable
from bot.domain.events import GroupQueued
from bot.domain.workspaces.discovery import DiscoverRule
from bot.domain.workspaces.workspace import ApplyWhen, Merging, PlanOf, Triggers, Workspace
from tests.fakes.engine import change
from tests.fakes.house import REPO, House

NET = "modules/net/main.tf"


@pytest.fixture
def two(house: House) -> House:
    """Two workspaces; the app uses a module, which uses another one."""
    house.workspace("app")
    house.workspace("dns")
    house.engine.calls = {"app": ("modules/net",), "modules/net": ("modules/base",)}
    return house


def planned(house: House) -> list[str]:
    """Return the workspaces that have runs."""
    with house.store.reading() as tx:
        return sorted(tx.workspaces.get(run.workspace_id).name for run in house.runs())


def test_a_push_runs_the_workspaces_that_use_a_changed_module(two: House) -> None:
    delivery = two.push("c1", "modules/base/a.tpl")
    assert planned(two) == ["app"]
    assert "modules/base/a.tpl is in modules/base, a module that it uses" in two.reasons(delivery)
    assert two.engine.looked == ["c1"]


def test_a_change_is_planned_where_a_changed_module_is_used(two: House) -> None:
    two.open_change(1, "h1", NET)
    assert planned(two) == ["app"]
    two.update_change(1, "h2", NET, "dns/main.tf")
    assert planned(two) == ["app", "app", "dns"]


def test_what_is_planned_is_looked_at(house: House) -> None:
    house.workspace("app", merging=Merging(plan_of=PlanOf.MERGE))
    house.forge.set_branch(REPO, "main", "base")
    house.engine.calls = {"app": ("modules/net",)}
    house.open_change(1, "h1", NET)
    (run,) = house.runs()
    assert run.merge is not None
    assert house.engine.looked == [run.merge.commit]


def test_a_merge_queue_plans_it_too(two: House) -> None:
    two.forge.set_files_between(REPO, "b1", "q1", [NET])
    two.deliver(GroupQueued(REPO, 1, "q1", "queue/1", "b1", "main", "main"))
    two.work()
    assert planned(two) == ["app"]


def test_a_discovered_workspace_counts_from_its_first_commit(build: Callable[..., House]) -> None:
    house = build(rules=[DiscoverRule(Workspace("", "", REPO), ("envs/*",), name="{name}")])
    house.engine.found = ("envs/prod", "modules/net")
    house.engine.calls = {"envs/prod": ("modules/net",)}
    house.open_change(1, "h1", NET)
    assert planned(house) == ["prod"]


@pytest.mark.parametrize(
    "triggers",
    [Triggers(find_modules=False), Triggers(patterns=("app/**",)), Triggers(patterns=("other/*",))],
)
def test_a_switch_and_patterns_leave_modules_out(two: House, triggers: Triggers) -> None:
    two.workspace("app", triggers=triggers)
    two.workspace("dns", triggers=triggers)
    two.push("c1", NET)
    assert planned(two) == []
    assert two.engine.looked == []


def test_git_is_asked_only_if_that_can_change_anything(two: House) -> None:
    two.push("c1", "app/main.tf", "dns/main.tf")
    two.push("c2", branch="other")
    two.push("c3", before="")
    assert two.engine.looked == []
    two.workspace("dns", triggers=Triggers(prefixes=("modules",)))
    two.workspace("app", triggers=Triggers(prefixes=("modules",)))
    two.push("c4", NET)
    assert two.engine.looked == []
    assert len(planned(two)) == 6


def test_a_commit_that_can_not_be_read_may_use_any_file(two: House) -> None:
    two.workspace("own", triggers=Triggers(find_modules=False))
    two.engine.fail("module_calls", EngineError("git is broken"))
    delivery = two.push("c1", NET)
    assert planned(two) == ["app", "dns"]
    why = f"{NET} may be in a module that it uses: the commit's modules can't be read"
    assert why in two.reasons(delivery)


def test_a_remote_that_is_away_is_asked_again(two: House) -> None:
    two.engine.fail("module_calls", RemoteUnavailable("the forge is away"))
    two.push("c1", NET)
    assert planned(two) == []
    two.sweep(minutes=10)
    assert planned(two) == ["app"]


def test_a_module_that_the_base_alone_uses_touches_nothing(two: House) -> None:
    two.engine.calls = {}
    delivery = two.push("c1", NET)
    assert planned(two) == []
    assert replace(Triggers(), find_modules=False).watched("app") in two.reasons(delivery)[0]


def test_a_comment_after_the_merge_still_means_those_that_use_the_module(two: House) -> None:
    two.workspace("app", merging=Merging(apply_when=ApplyWhen.AFTER_MERGE))
    two.engine.will_find("app", change("aws_s3_bucket.logs", "create"))
    two.open_change(1, "h1", NET)
    two.close_change(1, merged=True, as_commit="m1")
    two.push("m1", NET)
    two.say(1, "/apply")
    assert [run.status.value for run in two.runs(plan_only=False)] == ["applied"]
