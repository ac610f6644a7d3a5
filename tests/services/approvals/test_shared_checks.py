"""Runs of one `/apply` share the forge's good answers for some seconds. Each guard has its test here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from bot.domain.changes.reviews import Verdict
from bot.domain.people.permissions import Role
from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.run import Run
from bot.domain.workspaces.workspace import Merging, PlanOf
from tests.fakes.engine import change
from tests.fakes.house import REPO, WRITER, House

BUCKET = change("aws_s3_bucket.logs", "create", after={"name": "logs"})
QUESTIONS = ("role", "change", "comment", "reviews")


def confirmed(house: House, first: str = "", second: str = "", plan_of: PlanOf = PlanOf.HEAD) -> list[Run]:
    """Have two workspaces approved by one `/apply`, and the first one applied. The second waits."""
    house.forge.set_branch(REPO, "main", "base1")
    for name, require in (("a", first), ("b", second)):
        house.workspace(name, require=(require,) if require else (), merging=Merging(plan_of=plan_of))
        house.engine.will_find(name, BUCKET)
    house.forge.set_role(REPO, "xena", Role.WRITE)
    house.open_change(1, "h1", "a/x.tf", "b/x.tf")
    house.forge.review(REPO, 1, "xena", Verdict.APPROVED)
    house.workspace_locks.lock("b", WRITER)
    house.say(1, "/apply")
    found = [run for run in house.runs() if not run.plan_only]
    runs = sorted(found, key=lambda run: run.status is not RunStatus.APPLIED)
    assert [run.status for run in runs] == [RunStatus.APPLIED, RunStatus.PENDING]
    house.forge.calls.clear()
    return runs


def go_on(house: House) -> None:
    """Have the second run start its apply."""
    house.workspace_locks.unlock("b", WRITER)
    house.work("apply", "plan")


def asked(house: House) -> Counter[str]:
    return Counter(call for call in house.forge.calls if call in QUESTIONS)


@pytest.mark.parametrize("require", ["", "approved", "up_to_date"])
def test_a_run_takes_the_answers_that_another_run_just_had(house: House, require: str) -> None:
    _, second = confirmed(house, require, require)
    go_on(house)
    assert house.run(second.id).status is RunStatus.APPLIED
    assert asked(house) == Counter()


def test_runs_of_merge_results_share_what_is_said_of_the_base(house: House) -> None:
    _, second = confirmed(house, plan_of=PlanOf.MERGE)
    go_on(house)
    assert house.run(second.id).status is RunStatus.APPLIED
    assert (asked(house), house.forge.calls.count("branch_head")) == (Counter(), 0)


def test_a_base_that_a_webhook_told_of_counts_at_once(house: House) -> None:
    """Which files a plan reads is its own: the answer about the other workspace says nothing of it."""
    house.engine.places = ("a", "b")
    _, second = confirmed(house, plan_of=PlanOf.MERGE)
    house.merges.bases["base2"] = {"b/x.tf": "1"}
    house.push("base2", "elsewhere/a.tf")
    go_on(house)
    assert house.run(second.id).status is not RunStatus.APPLIED


def test_a_base_that_moved_is_asked_about_for_each_run(house: House) -> None:
    house.engine.places = ("a", "b")
    _, second = confirmed(house, plan_of=PlanOf.MERGE)
    house.clock.forward(seconds=5)
    house.merges.bases["base2"] = {"b/x.tf": "1"}
    house.forge.set_branch(REPO, "main", "base2")
    go_on(house)
    assert house.run(second.id).status is RunStatus.PLANNED
    assert "main has moved" in house.run(second.id).lacks


def test_after_some_seconds_it_asks_again(house: House) -> None:
    _, second = confirmed(house)
    house.clock.forward(seconds=5)
    house.forge.set_role(REPO, WRITER.login, Role.READ)
    go_on(house)
    assert house.run(second.id).status is RunStatus.PLANNED
    assert "wren has read access" in house.run(second.id).lacks


def test_what_another_workspace_requires_is_asked_for(house: House) -> None:
    _, second = confirmed(house, "", "approved")
    house.forge.review(REPO, 1, "xena", Verdict.CHANGES_REQUESTED)
    go_on(house)
    assert house.run(second.id).lacks == "approved: xena asked for changes"


@pytest.mark.parametrize("require", ["codeowners", "policies_passed"])
def test_what_depends_on_the_workspace_is_never_shared(build: Callable[..., House], require: str) -> None:
    house = build()
    if require == "codeowners":
        house.forge.set_code_owners(REPO, "* @xena")
    confirmed(house, require, require)
    go_on(house)
    assert asked(house)["role"] >= 1


def test_a_commit_that_a_webhook_told_of_counts_at_once(house: House) -> None:
    _, second = confirmed(house)
    house.update_change(1, "h2", "a/x.tf", "b/x.tf", work=False)
    house.work("receive")
    go_on(house)
    assert house.run(second.id).status is not RunStatus.APPLIED


def test_a_comment_that_a_webhook_called_edited_counts_at_once(house: House) -> None:
    _, second = confirmed(house)
    with house.store.transaction() as tx:
        post = tx.shown.get(REPO, "comment:1:summary")
        assert post is not None
        tx.shown.disturbed(post)
    go_on(house)
    assert house.run(second.id).status is not RunStatus.APPLIED


def test_what_another_person_approved_is_asked_for(house: House) -> None:
    """The role of the one says nothing of the other."""
    house.forge.set_role(REPO, "zoe", Role.WRITE)
    for name in ("a", "b"):
        house.workspace(name)
        house.engine.will_find(name, BUCKET)
    house.open_change(1, "h1", "a/x.tf", "b/x.tf")
    house.workspace_locks.lock("b", WRITER)
    house.say(1, "/apply b", by="zoe")
    house.say(1, "/apply a")
    house.forge.set_role(REPO, "zoe", Role.READ)
    go_on(house)
    (run,) = [run for run in house.runs() if run.status is RunStatus.PLANNED]
    assert "zoe has read access" in run.lacks


def test_the_calls_of_an_apply_do_not_grow_with_the_workspaces(house: House) -> None:
    """Each run's process asks for itself, as with one job for each run."""
    for number in range(12):
        house.workspace(f"w{number:02}")
        house.engine.will_find(f"w{number:02}", BUCKET)
    house.open_change(1, "h1", *(f"w{number:02}/x.tf" for number in range(12)))
    house.forge.calls.clear()
    house.say(1, "/apply")
    assert house.statuses().count("applied") == 12
    # Once for the comment, once for all of its runs.
    assert asked(house) == Counter({"role": 2, "change": 2, "comment": 1})
