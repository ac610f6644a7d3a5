"""Commands in comments: who may, what they do, and what is answered where they can't."""

from __future__ import annotations

import pytest

from bot.domain.errors import EngineError, ForgeUnavailable
from bot.domain.people.permissions import Role
from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.run import RunSource
from tests.fakes.engine import change
from tests.fakes.house import PLANNER, READER, REPO, WRITER, House

BUCKET = change("aws_s3_bucket.logs", "create", after={"name": "logs"})
OTHER = change("aws_s3_bucket.more", "create", after={"name": "more"})


@pytest.fixture
def previewed(house: House) -> House:
    """A change that is previewed in one workspace, with something to apply."""
    house.workspace("network")
    house.engine.will_find("network", BUCKET)
    house.open_change(1, "h1", "network/a.tf")
    assert house.statuses() == ["planned_and_finished"]
    return house


def test_apply_goes_on_by_itself_where_the_plan_equals_the_one_that_was_shown(previewed: House) -> None:
    delivery = previewed.say(1, "/apply")
    preview, run = previewed.runs()
    assert (run.status, run.source, run.commit) == (RunStatus.APPLIED, RunSource.COMMENT, "h1")
    assert run.approval is not None
    assert (run.approval.by, run.approval.shown_run_id) == (WRITER.login, preview.id)
    assert run.confirmed_by == WRITER.login
    # It holds a saved plan of its own, and that very plan is applied.
    assert previewed.engine.applied == [(run.id, previewed.saved_plan(run))]
    assert previewed.saved_plan(run) != previewed.saved_plan(preview)
    assert previewed.outcomes(delivery) == ["run"]
    assert previewed.reactions(1) == ["eyes", "+1"]


def test_the_outcome_of_an_apply_is_a_comment_of_its_own(previewed: House) -> None:
    previewed.say(1, "/apply")
    summary, outcome = previewed.comments(1)
    assert summary == previewed.summary(1)
    assert "network: Applied; next: nothing" in summary
    assert outcome == "network applied: \napplying\nApply complete!"
    assert previewed.said("h1") == ("success", "1 workspace applied: +1 ~0 -0")


def test_the_outcome_of_an_older_apply_is_outdated_once_a_later_one_ended(previewed: House) -> None:
    previewed.say(1, "/apply")
    previewed.engine.will_find("network", OTHER)
    previewed.update_change(1, "h2", "network/a.tf")
    previewed.say(1, "/apply")
    later = previewed.runs()[-1]
    _, first, second = previewed.comments(1)
    assert first == f"outdated by https://plangate.test/runs/{later.id}: network applied"
    assert second.startswith("network applied: ")


def test_apply_stops_at_another_plan_says_what_is_new_and_asks_again(previewed: House) -> None:
    previewed.engine.will_find("network", BUCKET, OTHER)
    previewed.say(1, "/apply")
    run = previewed.runs()[1]
    assert run.status is RunStatus.PLANNED
    assert run.delta == "+ aws_s3_bucket.more"
    assert previewed.engine.applied == []
    assert "delta: + aws_s3_bucket.more" in previewed.summary(1)
    assert "next: /apply network" in previewed.summary(1)
    assert previewed.said("h1", "plangate/network/apply") == (
        "pending",
        "The plan changed since it was approved (+ aws_s3_bucket.more): comment /apply to approve this one",
    )

    previewed.say(1, "/apply")
    assert previewed.statuses() == ["planned_and_finished", "applied"]
    assert previewed.engine.applied == [(run.id, previewed.saved_plan(run))]


def test_another_value_of_the_same_resource_asks_again_too(previewed: House) -> None:
    previewed.engine.will_find("network", change("aws_s3_bucket.logs", "create", after={"name": "secrets"}))
    previewed.say(1, "/apply")
    run = previewed.runs()[1]
    assert (run.status, run.delta) == (
        RunStatus.PLANNED,
        "other values for aws_s3_bucket.logs (name)",
    )


def test_an_approved_plan_that_has_nothing_left_to_do_ends_without_an_apply(previewed: House) -> None:
    previewed.engine.will_find("network")
    previewed.say(1, "/apply")
    assert previewed.statuses() == ["planned_and_finished", "planned_and_finished"]
    assert previewed.engine.applied == []


def test_an_apply_asked_for_before_the_plan_was_there_does_not_approve_it_unseen(house: House) -> None:
    house.workspace("network")
    house.engine.will_find("network", BUCKET)
    house.open_change(1, "h1", "network/a.tf", work=False)
    house.work("receive")
    hasty = house.say(1, "/apply", work=False)
    house.clock.forward(seconds=30)
    house.work("preview")
    house.work()
    assert house.reasons(hasty) == ["the plan is newer than your comment: look at it, and comment again"]
    assert house.engine.applied == []
    house.say(1, "/apply")
    assert house.statuses() == ["planned_and_finished", "applied"]


@pytest.mark.parametrize("limited", [True, False])
def test_an_apply_means_the_plan_that_the_change_shows_and_no_newer_one(
    previewed: House, limited: bool
) -> None:
    previewed.engine.will_find("network", BUCKET, change("aws_s3_bucket.more", "create"))
    previewed.say(1, "/plan", work=False)
    previewed.work("receive", "preview")
    if limited:
        previewed.forge.fail(ForgeUnavailable("slow down", 60), "set_status")
        previewed.work()
    hasty = previewed.say(1, "/apply")
    assert previewed.outcomes(hasty) == ([] if limited else ["refused"]), "it waits for the delayed comment"
    previewed.sweep(minutes=2)
    previewed.sweep()
    assert previewed.outcomes(hasty) == ["refused"]
    assert "was not shown here yet" in previewed.reasons(hasty)[0]
    previewed.say(1, "/apply")
    assert previewed.statuses()[-1] == "applied"


def test_a_second_apply_does_not_approve_a_delta_that_nobody_has_seen(previewed: House) -> None:
    previewed.engine.will_find("network", BUCKET, OTHER)
    previewed.say(1, "/apply", work=False)
    previewed.work("receive")
    impatient = previewed.say(1, "/apply", work=False)
    previewed.clock.forward(seconds=30)
    previewed.work("plan")
    previewed.work()
    assert previewed.statuses() == ["planned_and_finished", "planned"]
    assert previewed.reasons(impatient) == [
        "the plan is newer than your comment: look at it, and comment again"
    ]
    assert previewed.engine.applied == []


def test_an_apply_that_was_handled_late_does_not_approve_a_commit_pushed_meanwhile(previewed: House) -> None:
    delivery = previewed.say(1, "/apply", work=False)
    previewed.dispatch.lose_everything()
    previewed.update_change(1, "h2", "network/a.tf")
    previewed.intake.handle(delivery)
    previewed.work()
    assert previewed.engine.applied == []
    assert previewed.outcomes(delivery) == ["refused"]


@pytest.mark.parametrize(
    ("who", "has"),
    [(READER.login, "read access"), (PLANNER.login, "plan access")],
)
def test_apply_of_somebody_without_write_access_is_refused_with_the_reason(
    previewed: House, who: str, has: str
) -> None:
    delivery = previewed.say(1, "/apply", by=who)
    assert previewed.outcomes(delivery) == ["refused"]
    assert len(previewed.runs()) == 1
    assert previewed.comments(1)[-1] == (
        f"refused for {who}\n/apply: {who} has {has} to this repository; apply needs write access"
    )
    assert previewed.reactions(1) == ["confused"]


def test_a_stranger_is_not_answered_at_all(previewed: House) -> None:
    previewed.forge.calls.clear()
    delivery = previewed.say(1, "/apply\n/override it is fine\n/help\n/aply", by="stranger")
    assert previewed.reasons(delivery) == ["stranger has no access to this repository, so it gets no answer"]
    assert previewed.forge.calls == ["role"]
    assert len(previewed.runs()) == 1


def test_many_commands_of_somebody_who_may_not_are_refused_in_one_line(previewed: House) -> None:
    previewed.say(1, "\n".join(f"/apply w{number}" for number in range(30)), by=READER.login)
    assert previewed.comments(1)[1:] == [
        "refused for rea\n/apply w0: rea has read access to this repository; apply needs write access\n"
        "/apply w20: only the first 20 commands of a comment are carried out"
    ]


def test_plan_needs_less_than_apply(previewed: House) -> None:
    refused = previewed.say(1, "/plan", by=READER.login)
    assert previewed.outcomes(refused) == ["refused"]
    previewed.say(1, "/plan", by=PLANNER.login)
    assert previewed.statuses() == ["planned_and_finished", "planned_and_finished"]


def test_a_role_is_asked_for_anew_with_each_comment(previewed: House) -> None:
    previewed.forge.set_role(REPO, WRITER.login, Role.READ)
    refused = previewed.say(1, "/apply")
    assert previewed.outcomes(refused) == ["refused"]


def test_bots_give_no_commands(previewed: House) -> None:
    delivery = previewed.say(1, "/apply", bot=True)
    assert previewed.reasons(delivery) == ["bots give no commands"]
    assert previewed.reactions(1) == []


def test_the_bots_own_comments_give_no_commands_even_where_it_writes_as_a_person(previewed: House) -> None:
    own = previewed.forge.own_comments(REPO, 1)[0].body
    delivery = previewed.say(1, f"/apply\n{own}", by=WRITER.login)
    assert previewed.reasons(delivery) == ["bots give no commands"]


def test_talk_is_no_command(previewed: House) -> None:
    delivery = previewed.say(1, "shall we /apply this?")
    assert previewed.reasons(delivery) == ["the comment has no command for Plangate"]


def test_plan_by_name_plans_that_workspace_alone(house: House) -> None:
    network, database = house.workspace("network"), house.workspace("database")
    house.open_change(1, "h1", "network/a.tf", "database/a.tf")
    house.say(1, "/plan database")
    assert len(house.runs(network)) == 1
    assert len(house.runs(database)) == 2


def test_an_unknown_name_is_answered_with_the_names_there_are(previewed: House) -> None:
    previewed.say(1, "/apply netwrok")
    assert previewed.comments(1)[-1].splitlines()[1] == (
        "netwrok: this change touches no workspace of that name; it touches: network"
    )
    assert len(previewed.runs()) == 1


def test_a_known_name_beside_an_unknown_one_is_carried_out(previewed: House) -> None:
    previewed.say(1, "/apply nonsense network")
    assert previewed.statuses() == ["planned_and_finished", "applied"]
    assert "nonsense" in previewed.comments(1)[1]
    assert previewed.reactions(1) == ["eyes", "+1"]


def test_a_workspace_that_the_change_does_not_touch_can_not_be_applied_through_it(previewed: House) -> None:
    previewed.workspace("unrelated")
    delivery = previewed.say(1, "/apply unrelated")
    assert previewed.outcomes(delivery) == ["refused"]


def test_apply_without_a_name_applies_what_can_be_and_is_silent_about_the_rest(house: House) -> None:
    house.workspace("network")
    database = house.workspace("database")
    house.engine.will_find("network", BUCKET)
    house.open_change(1, "h1", "network/a.tf", "database/a.tf")
    delivery = house.say(1, "/apply")
    assert house.outcomes(delivery) == ["refused", "run"]
    assert house.statuses(database) == ["planned_and_finished"]
    assert not any("refused" in text for text in house.comments(1))


def test_apply_while_the_plan_runs_is_refused(house: House) -> None:
    house.workspace("network")
    house.engine.will_find("network", BUCKET)
    house.open_change(1, "h1", "network/a.tf", work=False)
    house.work("receive")
    house.say(1, "/apply", work=False)
    house.work("receive")
    house.work()
    assert "not finished yet" in house.comments(1)[-1] + house.comments(1)[0]
    assert house.statuses() == ["planned_and_finished"]


@pytest.mark.parametrize(
    ("prepare", "why"),
    [
        (lambda h: h.engine.fail("plan", EngineError("no")), "the plan of the latest commit failed"),
        (lambda h: h.engine.will_find("network"), "nothing to apply"),
    ],
    ids=["a failed plan", "no changes"],
)
def test_there_must_be_something_to_apply(house: House, prepare: object, why: str) -> None:
    house.workspace("network")
    house.engine.will_find("network", BUCKET)
    prepare(house)  # type: ignore[operator]
    house.open_change(1, "h1", "network/a.tf")
    house.say(1, "/apply")
    assert why in house.comments(1)[-1]
    assert len(house.runs()) == 1


def test_apply_twice_does_it_once(previewed: House) -> None:
    previewed.say(1, "/apply", work=False)
    previewed.work("receive")
    again = previewed.say(1, "/apply")
    assert previewed.outcomes(again) == ["refused"]
    assert "under way already" in previewed.reasons(again)[0]
    assert len(previewed.engine.applied) == 1
    third = previewed.say(1, "/apply")
    assert previewed.reasons(third) == [f"this commit is applied already, by {previewed.runs()[1].id}"]


def test_apply_on_a_merged_or_closed_change_is_refused(previewed: House) -> None:
    previewed.close_change(1, merged=True)
    merged = previewed.say(1, "/apply")
    assert previewed.reasons(merged) == ["it is merged already, and the branch has no run of that merge yet"]
    previewed.forge.edit_change(REPO, 1, merged=False)
    closed = previewed.say(1, "/apply")
    assert previewed.reasons(closed) == ["it is closed: reopen it to plan and apply"]
    plan = previewed.say(1, "/plan")
    assert previewed.reasons(plan) == ["the change is closed: there is nothing to plan"]
    assert len(previewed.runs()) == 1


def test_a_run_that_waits_with_an_older_commits_plan_is_not_confirmed(previewed: House) -> None:
    previewed.engine.will_find("network", BUCKET, OTHER)
    previewed.say(1, "/apply")
    previewed.update_change(1, "h2", "network/a.tf")
    previewed.say(1, "/apply")
    waiting, run = previewed.runs()[1], previewed.runs()[-1]
    assert (waiting.status, waiting.commit) == (RunStatus.DISCARDED, "h1")
    assert (run.status, run.commit) == (RunStatus.APPLIED, "h2")


def test_a_comment_on_a_repository_without_workspaces_is_left_alone(house: House) -> None:
    house.open_change(1, "h1", "network/a.tf")
    delivery = house.say(1, "/apply")
    assert house.reasons(delivery) == ["no workspace is configured for acme/infra"]
    assert house.comments(1) == []


def test_a_change_that_touches_nothing_says_so_to_a_command(house: House) -> None:
    house.workspace("network")
    house.open_change(1, "h1", "README.md")
    house.say(1, "/plan")
    assert house.comments(1) == ["refused for wren\n/plan: this change touches no workspace"]


def test_a_command_works_on_a_change_never_heard_of_before(house: House) -> None:
    house.workspace("network")
    house.open_change(1, "h1", "network/a.tf", work=False)
    house.dispatch.lose_everything()
    house.say(1, "/plan")
    assert house.statuses() == ["planned_and_finished"]


def test_an_answer_is_written_even_if_no_worker_could_be_woken_for_it(previewed: House) -> None:
    previewed.dispatch.down = True
    delivery = previewed.say(1, "/plan", work=False)
    previewed.intake.handle(delivery)
    previewed.dispatch.down = False
    previewed.sweep()
    assert previewed.statuses() == ["planned_and_finished", "planned_and_finished"]
    assert previewed.reactions(1) == ["eyes", "+1"]
