"""Changes of the repository that a policy set is fetched from: tried on stored plans, told in one comment."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bot.domain.errors import EngineError, ForgeUnavailable, RemoteUnavailable
from bot.domain.events import Change, ChangeAction, ChangedFiles, ChangeUpdated, CommentAdded, RepoRef
from bot.domain.people.permissions import Role
from bot.domain.policies.sets import PolicySet, SetOrigin
from bot.domain.reports.replays import ReplayState
from bot.policies import RegoEngine
from bot.policies.child import Child
from bot.services.policies.replay import MOST_ATTEMPTS, PolicyReplay
from bot.services.policies.set_versions import SetVersions
from bot.services.ports import Files, GitRemote, Watch
from tests.fakes.engine import change
from tests.fakes.house import House
from tests.fakes.policies import FakePolicies

RULES = RepoRef("github", "acme/policies")
CONTEXT = "plangate/policies/guard"
PASSES = "tags soft-mandatory passed"
FAILS = "tags soft-mandatory failed secret-of-the-plan\nnew hard-mandatory failed no"


@pytest.fixture
def house(build: Callable[..., House]) -> House:
    """A house with two workspaces; a set that comes from a repository judges the first."""
    guard = PolicySet("guard", SetOrigin("terraform", RULES), workspaces=("net",))
    built = build(policy_sets=(guard,))
    built.forge.set_branch(RULES, "main", "p1")
    built.forge.set_role(RULES, "wren", Role.WRITE)
    built.forge.set_role(RULES, "rea", Role.READ)
    built.policies.commits = {"p1": PASSES, "p2": FAILS}
    for name in ("net", "app"):
        built.engine.will_find(name, change("aws_vpc.main"))
        built.workspace(name)
    built.open_change(1, "h1", "net/main.tf", "app/main.tf")
    return built


def opened(
    house: House, commit: str = "p2", *files: str, fork: bool = False, base: str = "main", work: bool = True
) -> str:
    """Have somebody open a change of the policies' repository; return the delivery."""
    about = Change(
        RULES, 7, "Stricter", "ann", commit, "stricter", base, fork, "https://forge.test/7",
        default_branch="main",
    )  # fmt: skip
    house.forge.add_change(about, files or ("terraform/a.rego",))
    return house._and_work(house.deliver(ChangeUpdated(about, ChangeAction.OPENED, "ann")), work)


def pushed(house: House, commit: str, *files: str) -> None:
    about = house.forge.edit_change(RULES, 7, head_sha=commit)
    house.forge.set_files(RULES, 7, ChangedFiles(files or ("terraform/a.rego",)))
    house._and_work(house.deliver(ChangeUpdated(about, ChangeAction.NEW_COMMITS, "ann")), True)


def says(house: House, text: str, by: str) -> None:
    comment_id = house.forge.say(RULES, 7, by, text)
    house._and_work(house.deliver(CommentAdded(RULES, 7, comment_id, by, False, text)), True)


def told(house: House) -> list[str]:
    """Return what the bot wrote on the change."""
    return [c.body.partition("\n\n<!--")[0] for c in house.forge.own_comments(RULES, 7)]


def status(house: House, commit: str = "p2") -> tuple[str, str] | None:
    found = house.forge.latest_status(RULES, commit, CONTEXT)
    return (found.state.value, found.description) if found else None


def only_replay(house: House) -> Any:
    with house.store.reading() as tx:
        record = tx.changes.numbered(RULES, 7)
        assert record is not None
        (found,) = tx.replays.of_change(record.id)
    return found


def test_a_change_of_a_set_is_tried_on_the_plans_of_its_workspaces(house: House) -> None:
    delivery = opened(house)
    assert house.reasons(delivery)[-1] == "the change touches the policy set guard"
    assert status(house) == ("success", "1 plan: 1 newly blocked, 0 newly allowed")
    words = "guard: 1 plan: 1 newly blocked, 0 newly allowed"
    assert told(house) == [f"policies of p2\n{words}\nnet: passes -> is stopped +new,tags -"]
    assert house.statuses() == ["planned_and_finished"] * 2
    # The repository has no workspace, so nothing is said of any.
    assert house.forge.latest_status(RULES, "p2", "plangate") is None


def test_what_the_policies_of_a_change_say_of_a_plan_is_told_to_nobody(house: House) -> None:
    opened(house)
    with house.store.reading() as tx:
        assert "secret-of-the-plan" not in str(tx.replays.get(only_replay(house).id))
    assert "secret-of-the-plan" not in "".join(told(house))


def test_a_new_push_is_tried_anew_and_edits_the_one_comment(house: House) -> None:
    house.policies.commits["p3"] = PASSES
    opened(house)
    pushed(house, "p3")
    assert told(house) == ["policies of p3\nguard: 1 plan: 0 newly blocked, 0 newly allowed"]
    assert status(house, "p3") == ("success", "1 plan: 0 newly blocked, 0 newly allowed")
    pushed(house, "p4", "README.md")
    assert told(house) == ["policies of p4"]
    assert status(house, "p4") == ("success", "Not touched by this change")


def test_a_change_that_lets_more_through_says_so(house: House) -> None:
    house.forge.set_branch(RULES, "main", "p2")
    house.open_change(2, "h2", "net/main.tf")
    opened(house, "p1")
    assert status(house, "p1") == ("success", "2 plans: 0 newly blocked, 2 newly allowed")


def test_the_set_in_force_is_not_asked_again_about_runs_that_it_judged(house: House) -> None:
    asked = len(house.policies.jobs)
    opened(house)
    # Without a plan, and on the plan that there is.
    assert len(house.policies.jobs) - asked == 2
    assert house.policies.fetched.count("p1") == 1


@pytest.mark.parametrize(
    ("files", "base", "why"),
    [
        (("README.md",), "main", None),
        (("terraform/a.rego",), "develop", None),
    ],
)
def test_other_folders_and_other_branches_are_no_change_of_the_set(
    house: House, files: tuple[str, ...], base: str, why: None
) -> None:
    opened(house, "p2", *files, base=base)
    assert told(house) == []
    assert status(house) == (("success", "Not touched by this change") if base == "main" else None)


def test_a_change_from_a_fork_is_tried_when_somebody_with_write_access_says_so(house: House) -> None:
    opened(house, fork=True)
    waits = "From a fork: someone with write access may comment /plan"
    assert status(house) == ("pending", waits)
    assert "p2" not in house.policies.fetched
    says(house, "/plan", "rea")
    assert status(house) == ("pending", waits)
    assert "plan needs" in told(house)[-1] or "needs write access" in told(house)[-1]
    says(house, "/plan", "wren")
    assert status(house) == ("success", "1 plan: 1 newly blocked, 0 newly allowed")
    house.policies.commits["p3"] = PASSES
    pushed(house, "p3")
    assert status(house, "p3") == ("pending", waits)


def test_plan_has_a_change_tried_again(house: House) -> None:
    opened(house)
    house.open_change(2, "h2", "net/main.tf")
    says(house, "/plan", "wren")
    assert status(house) == ("success", "2 plans: 2 newly blocked, 0 newly allowed")
    assert len([text for text in told(house) if text.startswith("policies of")]) == 1


def test_the_same_delivery_twice_tries_it_once(house: House) -> None:
    opened(house)
    asked = len(house.policies.jobs)
    opened(house)
    assert len(house.policies.jobs) == asked
    assert len(told(house)) == 1


def test_a_set_that_cannot_be_evaluated_fails_the_status_and_says_why(house: House) -> None:
    house.policies.commits["p2"] = "tags soft-mandatory errored no such rule"
    opened(house)
    assert status(house) == ("failure", "1 plan: 1 newly blocked, 0 newly allowed, 1 with errors")
    assert "tags: no such rule" in told(house)[-1]


def test_a_change_that_removes_the_set_fails(house: House) -> None:
    del house.policies.commits["p2"]
    opened(house)
    words = "Policy set guard: acme/policies has no policies in terraform at p2"
    assert status(house) == ("failure", words)


def test_a_change_that_brings_the_set_is_held_against_none(house: House) -> None:
    del house.policies.commits["p1"]
    with house.store.transaction() as tx:
        run = next(run for run in house.runs() if run.commit == "h1")
        tx.policies.put(run.id, ())
    house.forge.set_branch(RULES, "main", "p0")
    opened(house)
    assert status(house) == ("success", "1 plan: 1 newly blocked, 0 newly allowed")


def test_a_forge_or_a_git_that_is_away_is_waited_for(house: House) -> None:
    house.policies.fetch_errors = [RemoteUnavailable("acme/policies could not be fetched: timed out")]
    opened(house)
    assert status(house) == (
        "pending",
        "Waits: policy set guard: acme/policies could not be fetched: timed out",
    )
    house.forge.fail(ForgeUnavailable("github is away"), on="remote")
    house.sweep(minutes=2)
    assert status(house) == ("pending", "Waits: github is away")
    house.sweep(minutes=2)
    assert status(house) == ("success", "1 plan: 1 newly blocked, 0 newly allowed")


def test_a_worker_killed_while_it_tries_is_followed_by_another_but_not_for_ever(house: House) -> None:
    def die() -> None:
        raise KeyboardInterrupt

    opened(house, work=False)
    for _ in range(MOST_ATTEMPTS):
        house.policies.during.append(die)
        with pytest.raises(KeyboardInterrupt):
            house.sweep(minutes=11)
    house.policies.during.append(die)
    house.sweep(minutes=11)
    assert status(house) == ("failure", "Given up: its worker was lost each time")
    assert only_replay(house).state is ReplayState.FAILED


def test_losing_redis_loses_no_trying(house: House) -> None:
    opened(house, work=False)
    house.work("receive", "report")
    house.dispatch.lose_everything()
    house.sweep()
    assert status(house) == ("success", "1 plan: 1 newly blocked, 0 newly allowed")


def test_a_newer_commit_ends_the_trying_of_an_older_one(house: House) -> None:
    house.policies.commits["p3"] = PASSES
    opened(house, work=False)
    house.work("receive")
    pushed(house, "p3")
    assert house.policies.fetched == ["p1", "p3"]


def test_an_error_of_fetching_for_good_is_told(house: House) -> None:
    house.policies.fetch_errors = [EngineError("terraform is too large: 1000 files and 16 MB at most")]
    opened(house)
    found = status(house)
    assert found is not None and found[0] == "failure"
    assert "too large" in found[1]


def test_rules_of_a_change_can_bring_nothing_of_a_plan_into_the_comment(house: House) -> None:
    """The real evaluator, on rules that would tell everything that they see, as messages and as errors."""

    class Rules(FakePolicies):
        def at_commit(self, remote: GitRemote, commit: str, folder: str, watch: Watch) -> Files:
            texts = {"p1": "deny contains 1 if input.nothing", "p2": TELLING}
            return {"main.rego": f"package main\n\n{texts[commit]}\n".encode()}

    guard = PolicySet("guard", SetOrigin("terraform", RULES), workspaces=("net",))
    versions = SetVersions(house.store, house.clock, {"github": house.forge}, Rules())
    engine = RegoEngine(Child(lambda argv, _: argv))
    house.policy_replay = PolicyReplay(
        house.store, house.clock, engine, versions, [guard], house.transitions, house.limits, 5
    )
    opened(house)
    assert status(house) == ("failure", "1 plan: 1 newly blocked, 0 newly allowed, 1 with errors")
    comment = told(house)[-1]
    assert "aws_vpc" not in comment
    assert "net: passes -> needs an override +deny_all,deny_errors,violation_zero -" in comment
    assert "violation_zero: main.rego, line 7: divide by zero" in comment
    with house.store.reading() as tx:
        assert "aws_vpc" not in str(tx.replays.get(only_replay(house).id))


TELLING = """deny_all contains json.marshal(input) if true

deny_errors contains to_number(json.marshal(input)) if true

violation_zero contains 1 / 0 if true
"""
