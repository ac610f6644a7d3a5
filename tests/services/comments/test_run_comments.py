"""Runs and workspaces controlled by comments: the same services as the pages, in the comment's words."""

from __future__ import annotations

import pytest

from bot.domain.errors import ForgeUnavailable
from bot.domain.people.permissions import Role
from bot.domain.runs.lifecycle import RunStatus
from tests.fakes.engine import change
from tests.fakes.house import PLANNER, READER, REPO, WRITER, House

BUCKET = change("aws_s3_bucket.logs", "create", after={"name": "logs"})
OTHER = change("aws_s3_bucket.more", "create", after={"name": "more"})


@pytest.fixture
def nets(house: House) -> House:
    """A change that touches `net-a`, `net-b` in `nets/b`, and `app`; each plan has something to apply."""
    for name, directory in (("net-a", "nets/a"), ("net-b", "nets/b"), ("app", "app")):
        house.workspace(name, working_directory=directory)
        house.engine.will_find(directory, BUCKET)
    house.open_change(1, "h1", "nets/a/x.tf", "nets/b/x.tf", "app/x.tf")
    assert house.statuses() == ["planned_and_finished"] * 3
    return house


@pytest.fixture
def asked(house: House) -> House:
    """A run of a change that waits, for its plan is not the one that was approved."""
    house.workspace("network")
    house.engine.will_find("network", BUCKET)
    house.open_change(1, "h1", "network/a.tf")
    house.engine.will_find("network", BUCKET, OTHER)
    house.say(1, "/apply")
    assert house.statuses() == ["planned_and_finished", "planned"]
    return house


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ("net-*", ["net-a", "net-b"]),
        ("-d nets/b", ["net-b"]),
        ("-d nets/*", ["net-a", "net-b"]),
        ("app -d ./nets/a/", ["net-a", "app"]),
        ("net-? net-b", ["net-a", "net-b"]),
    ],
)
def test_workspaces_are_meant_by_globs_and_directories(nets: House, words: str, names: list[str]) -> None:
    nets.say(1, f"/apply {words}")
    applied = [run.workspace_id for run in nets.runs() if run.status is RunStatus.APPLIED]
    found = {nets.find_workspace(name).id: name for name in ("net-a", "net-b", "app")}  # type: ignore[union-attr]
    assert sorted(found[workspace] for workspace in applied) == sorted(names)


def test_a_glob_or_a_directory_that_means_nothing_is_answered_with_the_names_there_are(nets: House) -> None:
    nets.say(1, "/plan db-* -d nets")
    assert nets.comments(1)[-1] == (
        "refused for wren\n"
        "db-*: this change touches no workspace of that name; it touches: app, net-a, net-b\n"
        "-d nets: this change touches no workspace in that directory; it touches: app, net-a, net-b"
    )
    assert nets.reactions(1) == ["eyes", "confused"]


def test_discard_puts_the_waiting_run_aside_with_the_reason(asked: House) -> None:
    delivery = asked.say(1, "/discard because it is not what we want")
    run = asked.runs()[1]
    assert run.status is RunStatus.DISCARDED
    last = asked.timeline(run)[-1]
    assert (last.actor, last.message) == (WRITER.login, "it is not what we want")
    assert asked.outcomes(delivery) == ["discard"]
    assert asked.reactions(1)[-1] == "+1"


def test_discard_where_nothing_waits_says_what_is_possible(nets: House) -> None:
    nets.say(1, "/discard net-a")
    (why,) = [text for text in nets.comments(1) if text.startswith("refused")]
    assert "is planned_and_finished and can't be discarded; it is finished" in why


def test_cancel_stops_what_is_under_way_in_each_workspace(house: House) -> None:
    house.workspace("a")
    house.workspace("b")
    house.open_change(1, "h1", "a/x.tf", "b/x.tf", work=False)
    house.work("receive")
    house.say(1, "/cancel because of the weather", work=False)
    house.work("receive")
    assert house.statuses() == ["canceled", "canceled"]
    assert {run.cancel_requested_by for run in house.runs()} == {WRITER.login}
    house.work()
    assert house.statuses() == ["canceled", "canceled"]


def test_cancel_without_a_name_is_silent_about_what_is_finished(house: House) -> None:
    house.workspace("a")
    house.open_change(1, "h1", "a/x.tf", work=False)
    house.work("receive")
    house.workspace("b")
    house.say(1, "/cancel")
    assert house.statuses() == ["canceled"]
    assert [text for text in house.comments(1) if text.startswith("refused")] == []


def test_retry_runs_the_same_commit_again(nets: House) -> None:
    delivery = nets.say(1, "/retry app")
    again = nets.runs()[-1]
    assert (again.commit, again.plan_only, again.created_by) == ("h1", True, WRITER.login)
    assert nets.outcomes(delivery) == ["retry"]


def test_retry_of_an_older_commits_run_is_refused(nets: House) -> None:
    nets.update_change(1, "h2", "nets/a/x.tf", work=False)
    nets.forge.set_files(REPO, 1, ["nets/a/x.tf"])
    nets.dispatch.lose_everything()
    nets.say(1, "/retry net-a")
    (why,) = [text for text in nets.comments(1) if text.startswith("refused")]
    assert "is of an older commit: comment `/plan` to plan the latest" in why


def test_retry_of_a_run_that_applies_needs_write(asked: House) -> None:
    asked.say(1, "/discard")
    asked.say(1, "/retry", by=PLANNER.login)
    assert "apply needs write access" in asked.comments(1)[-1]
    assert asked.statuses() == ["planned_and_finished", "discarded"]
    asked.say(1, "/retry")
    assert asked.statuses() == ["planned_and_finished", "discarded", "planned"]


def test_a_locked_workspace_makes_an_apply_wait_until_it_is_unlocked(nets: House) -> None:
    nets.say(1, "/lock net-a because we move house")
    workspace = nets.find_workspace("net-a")
    assert workspace is not None and workspace.lock is not None
    assert (workspace.lock.by, workspace.lock.reason) == (WRITER.login, "we move house")
    nets.say(1, "/apply net-a")
    waiting = nets.runs(workspace)[-1]
    assert waiting.status is RunStatus.PENDING
    assert "locked by wren: we move house" in nets.said("h1", "plangate/net-a/apply")[1]
    nets.say(1, "/unlock net-a")
    assert nets.run(waiting.id).status is RunStatus.APPLIED


def test_anothers_lock_is_taken_off_only_by_force_of_an_administrator(nets: House) -> None:
    nets.forge.set_role(REPO, "xena", Role.WRITE)
    nets.say(1, "/lock app")
    nets.say(1, "/lock app", by="xena")
    assert nets.comments(1)[-1] == "refused for xena\napp: app is locked already, by wren"
    nets.say(1, "/unlock app", by="xena")
    assert "wren unlocks it, or an administrator forces it" in nets.comments(1)[-1]
    nets.say(1, "/unlock -force app", by="xena")
    assert "xena has write access to this repository; force-unlock needs admin access" in nets.comments(1)[-1]
    nets.forge.set_role(REPO, "xena", Role.ADMIN)
    nets.say(1, "/unlock -force app", by="xena")
    found = nets.find_workspace("app")
    assert found is not None and found.lock is None


def test_help_is_one_comment_however_often_it_is_asked_for(nets: House) -> None:
    nets.say(1, "/help", by=READER.login)
    nets.say(1, "/help", by=PLANNER.login)
    assert [text for text in nets.comments(1) if text.startswith("commands")] == [nets.comments(1)[-1]]
    assert nets.reactions(1) == ["eyes", "+1", "eyes", "+1"]


def test_a_near_miss_is_answered_to_somebody_who_may_give_that_command(nets: House) -> None:
    nets.say(1, "/aply net-a")
    assert nets.comments(1)[-1] == "refused for wren\n/aply: did you mean `/apply`?"
    assert nets.statuses() == ["planned_and_finished"] * 3
    assert nets.reactions(1) == ["confused"]


def test_a_near_miss_of_somebody_who_may_not_is_left_alone(nets: House) -> None:
    delivery = nets.say(1, "/aply net-a", by=READER.login)
    assert nets.reasons(delivery) == ["the comment has no command for Plangate"]
    assert len(nets.comments(1)) == 1
    assert nets.reactions(1) == []


def test_a_comment_is_seen_before_what_it_asks_for_is_looked_into(nets: House) -> None:
    nets.forge.fail(ForgeUnavailable("down"), on="files_of_change")
    nets.say(1, "/plan app", work=False)
    nets.work()
    assert nets.reactions(1) == ["eyes"]
    nets.sweep()
    assert nets.reactions(1) == ["eyes", "+1"]
    assert nets.forge.calls.count("react") == 2


def test_several_commands_of_one_comment_are_carried_out_in_their_order(nets: House) -> None:
    delivery = nets.say(1, "First\n/lock app because first\nthen\n/apply net-*\n/unlock app")
    assert nets.outcomes(delivery) == ["lock", "run", "run", "unlock"]
