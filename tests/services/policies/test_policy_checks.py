"""Runs under policies: what each level stops, who may override, which version judged, and lost workers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bot.domain.errors import Forbidden, IllegalMove, Invalid
from bot.domain.events import RepoRef
from bot.domain.people.permissions import Person, Role
from bot.domain.policies.owners import Owner
from bot.domain.policies.sets import PolicySet, SetOrigin
from bot.domain.workspaces.variables import Category, StoredVariable, Variable
from bot.services.ports import ApplyResult
from tests.fakes.engine import change
from tests.fakes.house import REPO, WRITER, House

OWNER = Person("olga", Role.READ)
LOCAL = SetOrigin("rules")
POLICIES = RepoRef("github", "acme/policies")


def owners(*logins: str) -> tuple[Owner, ...]:
    return tuple(Owner("github", login) for login in logins)


def judged(build: Callable[..., House], says: str, **fields: Any) -> House:
    """Return a house in which one set judges every workspace, with a plan that adds something."""
    about = {"everywhere": True, "owners": owners("olga"), **fields}
    house = build(policy_sets=(PolicySet("guard", **{"origin": LOCAL, **about}),))
    house.policies.folders["rules"] = says
    house.engine.will_find("net", change("aws_vpc.main"))
    house.workspace("net")
    return house


def test_a_set_that_passes_lets_a_run_wait_for_its_confirmation(build: Callable[..., House]) -> None:
    house = judged(build, "tags soft-mandatory passed")
    house.push("c1", "net/main.tf")
    run = house.only_run()
    assert run.status.value == "policy_checked"
    assert house.kinds(run)[-3:] == ["planned", "policy_checking", "policy_checked"]
    assert house.said("c1", "plangate/net/policy") == ("success", "1 passed")
    house.controls.confirm(run.id, WRITER)
    house.work()
    assert house.only_run().status.value == "applied"


def test_without_a_set_nothing_is_judged_and_nothing_said(house: House) -> None:
    house.engine.will_find("net", change("aws_vpc.main"))
    house.workspace("net")
    house.push("c1", "net/main.tf")
    assert house.kinds(house.only_run())[-1] == "planned"
    assert house.forge.latest_status(REPO, "c1", "plangate/net/policy") is None
    assert house.policies.jobs == []


@pytest.mark.parametrize("outcome", ["failed", "errored"])
def test_each_level_stops_what_it_should(build: Callable[..., House], outcome: str) -> None:
    ends = {}
    for level in ("advisory", "soft-mandatory", "hard-mandatory"):
        house = judged(build, f"p {level} {outcome} too much")
        house.push("c1", "net/main.tf")
        house.open_change(1, "h1", "net/main.tf")
        ends[level] = house.statuses()
    assert ends == {
        "advisory": ["policy_checked", "planned_and_finished"],
        "soft-mandatory": ["policy_override", "policy_soft_failed"],
        "hard-mandatory": ["errored", "errored"],
    }
    run = house.runs()[0]
    assert run.error == "hard-mandatory policy not passed: guard/p"
    assert run.plan_status.value == "finished"
    assert house.said("c1", "plangate/net/policy")[0] == "failure"


def test_a_plan_without_changes_waits_for_no_override(build: Callable[..., House]) -> None:
    house = judged(build, "p soft-mandatory failed no")
    house.engine.will_find("net")
    house.push("c1", "net/main.tf")
    assert house.statuses() == ["planned_and_finished"]
    assert house.said("c1", "plangate/net/policy") == ("failure", "1 soft failed")


def test_an_owner_overrides_and_what_was_approved_goes_on(build: Callable[..., House]) -> None:
    house = judged(build, "p soft-mandatory failed no tags\nq advisory passed")
    house.open_change(1, "h1", "net/main.tf")
    assert house.statuses() == ["policy_soft_failed"]
    house.say(1, "/override it is fine", "olga")
    assert "comment `/apply`" in house.comments(1)[-1]
    house.say(1, "/apply")
    assert house.statuses() == ["policy_soft_failed", "policy_override"]
    assert house.said("h1", "plangate/net/policy") == (
        "pending",
        "1 passed, 1 soft failed: an owner may override",
    )
    house.say(1, "/override p but why not", WRITER.login)
    assert f"{WRITER.login} is not an owner of the policy set guard" in house.comments(1)[-1]
    house.say(1, "/override", "olga")
    assert "an override needs a reason" in house.comments(1)[-1]
    house.say(1, "/apply")
    assert "policies hold" in house.comments(1)[-1]
    house.say(1, "/override net p we know", "olga")
    run = house.runs()[-1]
    assert run.status.value == "applied"
    (line,) = [event for event in house.timeline(run) if event.kind == "policy overridden"]
    assert (line.actor, line.message) == ("olga", "guard/p: we know")
    assert house.said("h1", "plangate/net/policy") == ("success", "1 passed, 1 overridden")


def test_one_of_two_overridden_is_not_enough(build: Callable[..., House]) -> None:
    house = judged(build, "p soft-mandatory failed a\nq soft-mandatory errored b")
    house.push("c1", "net/main.tf")
    run = house.only_run()
    with pytest.raises(Invalid, match="no policy named r holds this run; what does: p, q"):
        house.controls.override(run.id, OWNER, "because", "r")
    assert house.controls.override(run.id, OWNER, "because", "p").status.value == "policy_override"
    assert house.controls.override(run.id, OWNER, "because", "guard/q").status.value == "policy_checked"
    with pytest.raises(IllegalMove, match="can't be overridden"):
        house.controls.override(run.id, OWNER, "because")
    with house.store.reading() as tx:
        assert [check.override.by for check in tx.policies.of_run(run.id) if check.override] == ["olga"] * 2


def test_the_author_alone_may_not_override_where_the_set_says_so(build: Callable[..., House]) -> None:
    house = judged(
        build, "p soft-mandatory failed a", owners=owners("ann", "olga"), prevent_self_override=True
    )
    house.open_change(1, "h1", "net/main.tf")
    house.say(1, "/apply")
    run = house.runs()[-1]
    with pytest.raises(Forbidden, match="Ann is the author of this change"):
        house.controls.override(run.id, Person("Ann", Role.OWNER), "mine")
    assert house.controls.override(run.id, OWNER, "fine").status.value == "apply_queued"


def test_without_owners_only_an_owner_of_the_server_overrides(build: Callable[..., House]) -> None:
    house = judged(build, "p soft-mandatory failed a", owners=())
    house.push("c1", "net/main.tf")
    run = house.only_run()
    with pytest.raises(Forbidden, match="names no owners"):
        house.controls.override(run.id, Person("adm", Role.ADMIN), "because")
    assert house.controls.override(run.id, Person("root", Role.OWNER), "yes").status.value == "policy_checked"


def test_auto_apply_waits_for_policies_and_goes_on_behind_them(build: Callable[..., House]) -> None:
    house = judged(build, "p soft-mandatory failed a")
    house.workspace("net", auto_apply=True)
    house.push("c1", "net/main.tf")
    run = house.only_run()
    assert run.status.value == "policy_override"
    house.controls.override(run.id, OWNER, "fine")
    house.work()
    assert house.only_run().status.value == "applied"


def test_sets_choose_by_name_tag_and_exclusion(build: Callable[..., House]) -> None:
    chosen = PolicySet("guard", LOCAL, workspaces=("prod-*",), tags=("pci",), exclude=("prod-lab",))
    house = build(policy_sets=(chosen,))
    for name, tags in (("prod-net", ()), ("prod-lab", ("pci",)), ("dev", ("pci",)), ("other", ("x",))):
        workspace = house.workspace(name, tags=tags)
        assert chosen.judges(workspace) is (name in ("prod-net", "dev"))


def test_a_run_keeps_the_version_that_judged_it_and_the_next_has_the_new(
    build: Callable[..., House],
) -> None:
    house = judged(build, "", origin=SetOrigin("terraform", POLICIES, "main"))
    house.forge.set_branch(POLICIES, "main", "p1")
    house.policies.commits = {
        "p1": "old soft-mandatory passed",
        "p2": "new hard-mandatory failed not any more",
    }
    house.push("c1", "net/main.tf")
    first = house.only_run()
    house.forge.set_branch(POLICIES, "main", "p2")
    house.controls.confirm(first.id, WRITER)
    house.work()
    house.engine.will_find("net", change("aws_vpc.other"))
    house.push("c2", "net/main.tf", before="c1")
    assert house.statuses() == ["applied", "errored"]
    with house.store.reading() as tx:
        commits = [tx.policies.origins(run.id)["guard"] for run in house.runs()]
        assert [check.policy for check in tx.policies.of_run(first.id)] == ["old"]
    place = "github:acme/policies@main:terraform"
    assert commits == [(place, "p1"), (place, "p2")]
    house.push("c3", "net/main.tf", before="c2")
    assert house.policies.fetched == ["p1", "p2"]


def test_a_worker_killed_while_it_judges_is_followed_by_one_that_judges_again(
    build: Callable[..., House],
) -> None:
    house = judged(build, "p soft-mandatory passed")
    house.push("c1", "net/main.tf", work=False)
    house.work("preview")

    def die() -> None:
        raise KeyboardInterrupt

    house.policies.during.append(die)
    with pytest.raises(KeyboardInterrupt):
        house.work()
    run = house.only_run()
    assert run.status.value == "policy_checking"
    house.sweep(minutes=5)
    assert house.only_run().status.value == "policy_checked"
    assert house.engine.count("plan", run.id) == 1


def test_a_cancel_while_policies_judge_ends_the_run(build: Callable[..., House]) -> None:
    house = judged(build, "p hard-mandatory failed a")
    house.push("c1", "net/main.tf", work=False)
    house.policies.during.append(lambda: house.controls.cancel(house.only_run().id, WRITER))
    house.work()
    assert house.statuses() == ["canceled"]


def test_policies_are_told_of_variables_but_never_their_values_and_their_words_are_masked(
    build: Callable[..., House],
) -> None:
    house = judged(build, "p advisory failed the password is hunter22")
    workspace = house.find_workspace("net")
    assert workspace is not None
    with house.store.transaction() as tx:
        secret = Variable("password", "hunter22", Category.TERRAFORM, sensitive=True)
        tx.variables.put(StoredVariable("var-1", secret, "ann", house.clock.now()), workspace_id=workspace.id)
    house.push("c1", "net/main.tf")
    (job,) = house.policies.jobs
    assert job.run["variables"] == {"password": {"category": "terraform", "sensitive": True}}
    assert "hunter22" not in str(job.run)
    with house.store.reading() as tx:
        (check,) = tx.policies.of_run(house.only_run().id)
    assert check.messages == ("the password is ***",)


def test_a_sticky_override_holds_while_the_messages_are_the_same(build: Callable[..., House]) -> None:
    house = judged(build, "p soft-mandatory failed no tags", sticky_overrides=True)
    house.open_change(1, "h1", "net/main.tf")
    house.say(1, "/apply")
    house.controls.override(house.runs()[-1].id, OWNER, "known")
    house.engine.fail("apply", ApplyResult(False, "no"))
    house.work()
    house.update_change(1, "h2", "net/main.tf")
    assert house.statuses()[-1] == "planned_and_finished"
    house.policies.folders["rules"] = "p soft-mandatory failed something else"
    house.update_change(1, "h3", "net/main.tf")
    assert house.statuses()[-1] == "policy_soft_failed"
