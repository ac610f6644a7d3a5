"""Approvals on real processes: reused plans, void and carried-over approvals, applies after a merge."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from bot.domain.people.permissions import Person, Role
from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.run import Run
from bot.services.ports import ArtifactKind, RunQuery
from tests.support.journeys import Journey, Repo, resource, rooms

pytestmark = pytest.mark.e2e

ADMIN = Person("admin", Role.OWNER)
PLACES = {
    "net": "",
    "keep": ", keep_approval_if_same_plan: true",
    "late": ", apply: after_merge",
    "auto": ", automerge: true",
}
FILES = {f"{place}/main.tf": resource(place, "one") for place in PLACES}


@pytest.fixture(scope="module")
def journey(tmp_path_factory: pytest.TempPathFactory, kind: str) -> Iterator[Journey]:
    """A stage whose repositories have a workspace for each way to approve."""
    lines = ['forges:\n  {kind}: {kind: {kind}, url: "{forge}"}\n', "workspaces:"]
    for repo in rooms(kind)[:9]:
        short = repo.rpartition("/")[2]
        for room, more in PLACES.items():
            lines.append(f"  - {{name: {short}-{room}, repo: {repo}, working_directory: {room}{more}}}")
    text = "\n".join(lines) + "\n"
    place = tmp_path_factory.mktemp("approvals")
    with Journey(place, text, kind=kind, PLANGATE_REPLAN_SIBLINGS="10") as found:
        yield found


def quiet(journey: Journey) -> Repo:
    """Return a repository with nothing applied, whose first runs are out of the way."""
    repo = journey.repo(FILES)
    journey.ana.push(repo.tree, "main")
    for place in PLACES:
        first = newest(journey, repo, place, RunStatus.PLANNED)
        journey.services.controls.discard(first.id, ADMIN)
    return repo


def runs(journey: Journey, repo: Repo, place: str) -> list[Run]:
    with journey.services.store.reading() as tx:
        workspace = tx.workspaces.named(f"{repo.short}-{place}")
        return list(tx.runs.find(RunQuery(workspace_id=workspace.id, plan_only=False)))


def newest(journey: Journey, repo: Repo, place: str, *statuses: RunStatus) -> Run:
    """Wait until the newest run that may apply stands at one of the statuses, and return it."""

    def ask() -> Run | None:
        found = runs(journey, repo, place)
        return found[0] if found and found[0].status in statuses else None

    return journey.until(ask, f"a run of {repo.short}-{place} as {statuses}")


def approve_locked(journey: Journey, repo: Repo, place: str, *numbers: int) -> None:
    """Have changes approved while the workspace is locked, in this order."""
    journey.services.workspace_locks.lock(f"{repo.short}-{place}", ADMIN)
    for count, number in enumerate(numbers, start=1):
        journey.ben.comment(repo.name, number, f"/apply {repo.short}-{place}")

        def ask(count: int = count) -> bool | None:
            pending = [run for run in runs(journey, repo, place) if run.status is RunStatus.PENDING]
            return True if len(pending) == count else None

        journey.until(ask, f"{count} runs that wait in {repo.short}-{place}")


def unlock(journey: Journey, repo: Repo, place: str) -> None:
    journey.services.workspace_locks.unlock(f"{repo.short}-{place}", ADMIN)


@pytest.mark.soak
def test_two_changes_of_one_workspace_overlap_and_the_second_asks_again(journey: Journey) -> None:
    repo = quiet(journey)
    one, one_sha = repo.pull("one", {"net/main.tf": resource("net", "two")})
    two, two_sha = repo.pull("two", {"net/extra.tf": resource("extra", "new")})
    repo.settled(one_sha)
    repo.settled(two_sha)
    shown = repo.comment_with(one, f"{two} plans to change terraform\\_data.net too")
    assert journey.stage.words.change in shown
    repo.comment_with(two, f"{one} plans to change terraform\\_data.net too")
    approve_locked(journey, repo, "net", one, two)
    unlock(journey, repo, "net")

    repo.settled(one_sha, f"plangate/{repo.short}-net/apply", "success")
    first = runs(journey, repo, "net")[1]
    assert first.approval is not None
    with journey.services.store.reading() as tx:
        plans = [
            tx.artifacts.get(each, ArtifactKind.SAVED_PLAN)
            for each in (first.id, first.approval.shown_run_id)
        ]
        said = [event.message for event in tx.runs.timeline(first.id)]
    assert plans[0] == plans[1]
    assert any("is reused" in words for words in said)

    # The first one's apply has moved the state, and made what the second one's plan made too.
    asks = repo.words(two_sha, f"plangate/{repo.short}-net/apply", "The plan changed since it was approved")
    assert "terraform_data.net" in asks["description"]
    repo.comment_with(two, f"What differs, in {repo.short}-net")
    journey.ben.comment(repo.name, two, "/apply")
    repo.settled(two_sha, f"plangate/{repo.short}-net/apply", "success")


@pytest.mark.soak
def test_an_apply_has_the_plans_of_other_changes_made_again(journey: Journey) -> None:
    repo = quiet(journey)
    one, one_sha = repo.pull("one", {"net/main.tf": resource("net", "two")})
    _, two_sha = repo.pull("two", {"net/extra.tf": resource("extra", "new")})
    repo.settled(one_sha)
    before = repo.run_of(repo.settled(two_sha, f"plangate/{repo.short}-net/plan", "success"))
    journey.ben.comment(repo.name, one, "/apply")
    again = repo.words(two_sha, f"plangate/{repo.short}-net/plan", "1 to add, 1 to change")
    assert repo.run_of(again) != before


def test_an_approval_outlives_a_commit_with_the_same_plan_and_no_other(journey: Journey) -> None:
    repo = quiet(journey)
    number, sha = repo.pull(
        "grow", {"net/main.tf": resource("net", "two"), "keep/main.tf": resource("keep", "two")}
    )
    repo.settled(sha)
    approve_locked(journey, repo, "net", number)
    approve_locked(journey, repo, "keep", number)
    same = repo.push("grow", "Words", {"docs/notes.md": "words\n"})
    dropped = newest(journey, repo, "net", RunStatus.DISCARDED)
    carried = newest(journey, repo, "keep", RunStatus.PENDING)
    assert (dropped.commit, carried.commit) == (sha, same)

    other = repo.push("grow", "More", {"keep/main.tf": resource("keep", "three")})
    repo.settled(other, f"plangate/{repo.short}-keep/plan", "success")
    newest(journey, repo, "keep", RunStatus.DISCARDED)
    unlock(journey, repo, "keep")
    unlock(journey, repo, "net")
    repo.comment_with(number, other[:7])
    states = {run.status for place in ("net", "keep") for run in runs(journey, repo, place)}
    assert states == {RunStatus.DISCARDED}


def test_what_was_approved_is_applied_from_the_branch_once_it_is_merged(journey: Journey) -> None:
    repo = quiet(journey)
    number, sha = repo.pull("later", {"late/main.tf": resource("late", "two")})
    repo.settled(sha)
    journey.ben.comment(repo.name, number, "/apply")

    def approved() -> bool | None:
        with journey.services.store.reading() as tx:
            workspace = tx.workspaces.named(f"{repo.short}-late")
            return True if tx.approvals.of_change(workspace.id, number) else None

    journey.until(approved, "the approval")
    merged = journey.ana.merge(repo.name, number)
    applied = repo.settled(merged, f"plangate/{repo.short}-late/apply", "success")
    assert applied["description"] == "Applied: +1 ~0 -0"
    run = newest(journey, repo, "late", RunStatus.APPLIED)
    assert (run.commit, run.confirmed_by) == (merged, "ben")
    repo.comment_with(number, "Apply complete! Resources: 1 added")


@pytest.mark.soak
def test_a_change_merges_itself_once_it_is_applied_and_the_forge_lets_it(journey: Journey) -> None:
    repo = quiet(journey)
    journey.stage.admin(
        "PUT", f"/repos/{repo.name}/protections/main", {"contexts": ["plangate"], "approvals": 1}
    )
    number, sha = repo.pull("itself", {"auto/main.tf": resource("auto", "two")})
    repo.settled(sha)
    journey.ana.comment(repo.name, number, "/apply")
    repo.settled(sha, f"plangate/{repo.short}-auto/apply", "success")
    missing = {"github": "At least 1 approving review is required", "gitlab": "approvals are missing"}
    assert missing[journey.kind] in repo.comment_with(number, "Applied, but not merged yet: ")

    journey.ben.approve(repo.name, number)
    commit = journey.until(lambda: journey.ana.merged(repo.name, number), f"the merge of {number}")
    journey.ana.git(repo.tree, "fetch", "--quiet", "origin", commit)
    assert journey.ana.git(repo.tree, "rev-parse", f"{commit}^2") == sha
    # What the merge brought to the branch is applied already.
    repo.words(commit, f"plangate/{repo.short}-auto/plan", "As applied on")


def test_a_plan_code_means_that_plan_and_no_other(journey: Journey) -> None:
    repo = quiet(journey)
    number, sha = repo.pull("coded", {"net/main.tf": resource("net", "two")})
    repo.settled(sha)
    name = f"{repo.short}-net"
    first = re.findall(rf"/apply {name} ([0-9a-f]{{7}})", repo.comment_with(number, f"/apply {name} "))[0]
    newer = repo.push("coded", "Another", {"net/main.tf": resource("net", "three")})
    repo.settled(newer)
    repo.comment_with(number, newer[:7])
    journey.ben.comment(repo.name, number, f"/apply {name} {first}")
    repo.comment_with(number, "the plan that can be applied now is")
    second = re.findall(rf"/apply {name} ([0-9a-f]{{7}})", repo.comment_with(number, f"/apply {name} "))[0]
    assert second != first
    journey.ben.comment(repo.name, number, f"/apply {name} {second}")
    repo.settled(newer, f"plangate/{name}/apply", "success")


@pytest.mark.soak
def test_an_approver_who_lost_access_in_the_queue_applies_nothing(journey: Journey) -> None:
    repo = quiet(journey)
    number, sha = repo.pull("lost", {"net/main.tf": resource("net", "two")})
    repo.settled(sha)
    approve_locked(journey, repo, "net", number)
    journey.stage.admin("PUT", f"/repos/{repo.name}/roles/ben", {"role": "read"})
    unlock(journey, repo, "net")
    repo.words(sha, f"plangate/{repo.short}-net/apply", "Not applied, for it lacks permission")
    assert newest(journey, repo, "net", RunStatus.PLANNED).confirmed_by == ""
    repo.comment_with(number, "Not applied, for it lacks permission")
    journey.ana.comment(repo.name, number, "/apply")
    repo.settled(sha, f"plangate/{repo.short}-net/apply", "success")


@pytest.mark.soak
def test_our_comment_that_somebody_edited_is_written_again(journey: Journey) -> None:
    repo = quiet(journey)
    number, sha = repo.pull("edited", {"net/main.tf": resource("net", "two")})
    repo.settled(sha)
    repo.comment_with(number, "ready to apply")
    ours = next(c for c in journey.ana.comments(repo.name, number) if "ready to apply" in c["body"])
    journey.ana.edit_comment(repo.name, number, int(ours["id"]), "Nothing to fear")
    shown = repo.comment_with(number, "ana edited or deleted this comment")
    assert f"/apply {repo.short}-net" in shown
