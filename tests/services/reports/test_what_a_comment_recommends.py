"""A comment recommends nothing that would be refused, and asks the forge nothing to know it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import pytest

from bot.domain.changes.reviews import Verdict
from bot.domain.events import ChangeAction, ChangeUpdated, ReviewersChanged
from bot.domain.people.permissions import Role
from bot.domain.policies.sets import PolicySet, SetOrigin
from bot.rendering import Rendering
from bot.services.approvals.shown_plans import summary_key
from tests.fakes.engine import change
from tests.fakes.house import REPO, House

BUCKET = change("aws_s3_bucket.logs", "create", after={"name": "logs"}, type="aws_s3_bucket", name="logs")
ASKED = {"reviews", "approval_rules", "commits_behind", "code_owners", "commit_authors", "role", "change"}


@pytest.fixture
def house(build: Callable[..., House]) -> House:
    return build(texts=Rendering("https://plangate.test"))


def planned(house: House, *require: str, draft: bool = False, **about: object) -> str:
    house.workspace("net", require=require)
    house.engine.will_find("net", BUCKET)
    house.open_change(1, "h1", "net/a.tf", work=False)
    if draft or about:
        made = house.forge.edit_change(REPO, 1, draft=draft, **about)
        house.deliver(ChangeUpdated(made, ChangeAction.NEW_COMMITS, "ann"))
    house.work()
    return house.comments(1)[0]


def test_a_change_that_people_have_to_approve_is_not_called_ready(house: House) -> None:
    comment = planned(house, "approved:2", "up_to_date")
    assert comment.startswith("### 🟡 1 workspace waiting for an approval\n")
    assert "| 🟡 Planned, needs an approval | `+1 ~0 -0` | once approved: `/apply net " in comment
    assert "\nRequires: `approved: 2`, `up_to_date`. Comment `/why` to see what is missing.\n" in comment


def test_who_is_asked_stands_beside_the_missing_approval(house: House) -> None:
    asked = ("ben", "acme/platform", *(f"p{number}" for number in range(6)))
    comment = planned(house, "approved", "up_to_date", asked=asked)
    names = "asked: `@ben`, `@acme/platform`, `@p0`, `@p1`, `@p2` and 3 more"
    assert f"\nRequires: `approved` ({names}), `up_to_date`. Comment `/why` " in comment
    house.forge.calls.clear()
    house.deliver(ReviewersChanged(REPO, 1, ("zoe",)))
    house.work()
    assert "\nRequires: `approved` (asked: `@zoe`), `up_to_date`." in house.comments(1)[0]
    house.deliver(ReviewersChanged(REPO, 1, ("zoe",)))
    house.work()
    assert not ASKED & set(house.forge.calls)
    assert house.forge.calls.count("update_comment") == 1
    house.deliver(ReviewersChanged(REPO, 1, ()))
    house.work()
    assert "\nRequires: `approved`, `up_to_date`." in house.comments(1)[0]


def test_nobody_is_named_once_the_change_is_approved(house: House) -> None:
    comment = planned(house, "approved", "up_to_date", asked=("ben", "zoe"))
    assert "`approved` (asked: `@ben`, `@zoe`), `up_to_date`." in comment
    house.forge.set_role(REPO, "ben", Role.WRITE)
    house.forge.review(REPO, 1, "ben", Verdict.APPROVED)
    house.deliver(ReviewersChanged(REPO, 1, ("zoe",), judged=True))
    house.work()
    comment = house.comments(1)[0]
    assert comment.startswith("### 🟡 1 workspace ready to apply\n")
    assert "\nRequires: `approved` (met), `up_to_date`. Comment `/why` to see what is missing.\n" in comment
    assert "once" not in comment and "zoe" not in comment
    house.forge.review(REPO, 1, "ben", Verdict.CHANGES_REQUESTED)
    house.deliver(ReviewersChanged(REPO, 1, None, judged=True))
    house.work()
    assert "Requires: `approved` (asked: `@zoe`), `up_to_date`." in house.comments(1)[0]


def test_a_verdict_is_read_only_if_people_have_to_approve(house: House) -> None:
    planned(house, "up_to_date")
    house.forge.calls.clear()
    delivery = house.deliver(ReviewersChanged(REPO, 1, None, judged=True))
    house.work()
    assert not ASKED & set(house.forge.calls)
    assert house.reasons(delivery) == ["nothing changes for who is asked for a review"]


def test_who_is_asked_matters_only_if_people_have_to_approve(house: House) -> None:
    assert "ben" not in planned(house, "up_to_date", asked=("ben",))


def test_reviewers_of_an_unknown_or_closed_change_lead_to_nothing(house: House) -> None:
    delivery = house.deliver(ReviewersChanged(REPO, 9, ("ben",)))
    house.work()
    assert house.reasons(delivery) == ["the change 9 is not known here"]


def test_code_owners_are_people_too(house: House) -> None:
    assert planned(house, "codeowners").startswith("### 🟡 1 workspace waiting for an approval\n")


def test_a_report_asks_the_forge_nothing_about_requirements(house: House) -> None:
    house.workspace("net", require=("approved", "codeowners", "up_to_date", "mergeable", "other_person"))
    house.engine.will_find("net", BUCKET)
    house.open_change(1, "h1", "net/a.tf", work=False)
    house.work("receive")
    house.forge.calls.clear()
    house.work()
    assert "create_comment" in house.forge.calls
    assert not ASKED & set(house.forge.calls)


def test_a_draft_is_told_to_be_marked_as_ready(house: House) -> None:
    comment = planned(house, "not_draft", draft=True)
    assert "| 🟡 Planned, not ready to be applied | `+1 ~0 -0` | it is a draft: mark it as" in comment
    assert "/apply" not in comment


def test_a_draft_that_may_be_applied_is_ready(house: House) -> None:
    assert planned(house, draft=True).startswith("### 🟡 1 workspace ready to apply\n")


def test_conflicts_are_told_if_the_forge_has_said_so(house: House) -> None:
    comment = planned(house, "mergeable", mergeable=False)
    assert "not ready to be applied | `+1 ~0 -0` | it has conflicts with main |" in comment
    assert "/apply" not in comment


def test_a_merge_that_the_forge_has_not_judged_yet_counts_as_possible(house: House) -> None:
    assert planned(house, "mergeable", mergeable=None).startswith("### 🟡 1 workspace ready to apply\n")


@pytest.fixture
def guarded(build: Callable[..., House]) -> House:
    made = build(
        texts=Rendering("https://plangate.test"),
        policy_sets=(PolicySet("guard", SetOrigin(folder="/policies"), everywhere=True),),
    )
    made.policies.folders["/policies"] = "tags soft-mandatory failed no tags"
    return made


def test_policies_that_have_to_pass_leave_no_apply(guarded: House) -> None:
    comment = planned(guarded, "policies_passed")
    assert comment.startswith("### 🟠 1 workspace stopped by policies\n")
    assert "| 🟠 Policies failed | `+1 ~0 -0` | push a fix: the policies have to pass |" in comment
    assert "/apply" not in comment


def test_an_apply_past_soft_policies_says_what_follows(guarded: House) -> None:
    comment = planned(guarded)
    code = guarded.only_run().plan_code
    assert f"push a fix, or comment `/apply net {code}`: its run then waits for an `/override`" in comment
    assert "```\n/apply" not in comment
    guarded.say(1, f"/apply net {code}")
    assert guarded.statuses()[-1] == "policy_override"


def in_order(house: House, first: str, then: str = "", *, draft: bool = False) -> str:
    """Open a change of `net` and of `app`, which depends on it. Return the comment."""
    house.workspace("net", require=(first,))
    house.workspace("app", depends_on=("net",), require=tuple(filter(None, (then,))))
    for name in ("net", "app"):
        house.engine.will_find(name, BUCKET)
    house.open_change(1, "h1", "net/a.tf", "app/a.tf", work=False)
    if draft:
        house.deliver(
            ChangeUpdated(house.forge.edit_change(REPO, 1, draft=True), ChangeAction.NEW_COMMITS, "ann")
        )
    house.work()
    return house.comments(1)[0]


def test_what_is_applied_after_an_unapproved_workspace_is_not_called_ready(house: House) -> None:
    comment = in_order(house, "approved")
    assert comment.startswith("### 🟡 2 workspaces waiting for an approval\n")
    assert comment.count("| once approved: `/apply net ") == 2


def test_what_has_no_command_yet_is_not_said_to_follow_an_approval(house: House) -> None:
    comment = in_order(house, "not_draft", "approved", draft=True)
    assert "/apply" not in comment
    assert "once approved" not in comment


def fleet(house: House, *names: str) -> str:
    for name in names:
        house.workspace(name)
        after = {"name": f"acme-{name}-logs"}
        house.engine.will_find(
            name, change("aws_s3_bucket.logs", "create", after=after, type="aws_s3_bucket", name="logs")
        )
    house.open_change(1, "h1", *(f"{name}/a.tf" for name in names))
    return house.comments(1)[0]


def test_plans_that_are_the_same_but_for_names_are_shown_once_and_applied_each(house: House) -> None:
    comment = fleet(house, "app-dev", "app-eu", "app-prod")
    assert comment.count("```diff") == 1
    assert "<b>app-dev, app-eu, app-prod</b> · the same 1 to add</summary>" in comment
    house.say(1, "/apply")
    assert house.statuses().count("applied") == 3


def shown_since(house: House) -> dict[str, datetime]:
    """Return since when the comment shows which runs' plans."""
    with house.store.reading() as tx:
        post = tx.shown.get(REPO, summary_key(1))
    assert post is not None
    return dict(post.shown)


def test_a_plan_that_is_no_longer_the_same_is_shown_anew_and_the_others_since_before(house: House) -> None:
    fleet(house, "app-dev", "app-eu", "app-prod")
    before = shown_since(house)
    assert before.keys() == {run.id for run in house.runs()}
    house.engine.will_find("app-eu", BUCKET)
    house.say(1, "/plan app-eu")
    comment, now = house.comments(1)[0], shown_since(house)
    assert comment.count("```diff") == 2
    assert "<b>app-dev, app-prod</b> · the same 1 to add</summary>" in comment
    assert "<b>app-eu</b> · 1 to add" in comment
    kept = before.keys() & now.keys()
    assert len(kept) == 2
    assert all(now[run_id] == before[run_id] for run_id in kept)
    [(_, newer)] = [(run_id, at) for run_id, at in now.items() if run_id not in before]
    assert newer > max(before.values())


def test_plans_that_differ_in_a_value_that_is_too_long_to_be_shown_are_apart(house: House) -> None:
    for name, end in (("app-dev", "a"), ("app-eu", "b")):
        house.workspace(name)
        after = {"policy": "x" * 50_000 + end}
        house.engine.will_find(
            name, change("aws_s3_bucket.logs", "create", after=after, type="aws_s3_bucket", name="logs")
        )
    house.open_change(1, "h1", "app-dev/a.tf", "app-eu/a.tf")
    assert house.comments(1)[0].count("```diff") == 2
