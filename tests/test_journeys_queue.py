"""A merge queue on real processes: what was approved is merged and applied, another plan is not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bot.domain.people.permissions import Person, Role
from bot.services.ports import RunQuery
from tests.support.journeys import Journey, Repo, resource, rooms

pytestmark = pytest.mark.e2e

ADMIN = Person("admin", Role.OWNER)


@pytest.fixture(scope="module")
def journey(tmp_path_factory: pytest.TempPathFactory, kind: str) -> Iterator[Journey]:
    """A stage with one workspace, whose plans are applied once they are merged."""
    room = rooms(kind)[0]
    short = room.rpartition("/")[2]
    text = (
        'forges:\n  {kind}: {kind: {kind}, url: "{forge}"}\n'
        f"workspaces:\n  - {{name: {short}-late, repo: {room}, working_directory: late, "
        "apply: after_merge}\n"
    )
    with Journey(tmp_path_factory.mktemp("queue"), text, kind=kind) as found:
        yield found


def approve(journey: Journey, repo: Repo, number: int) -> None:
    """Have a plan approved, and wait until the comment says so."""
    journey.ben.comment(repo.name, number, "/apply")
    repo.comment_with(number, "Approved by ben, applied once it is merged")


def test_the_queue_merges_what_was_approved_and_refuses_another_plan(journey: Journey) -> None:
    repo = journey.repo({"late/main.tf": resource("late", "one")})
    journey.ana.push(repo.tree, "main")
    begun = journey.ana.git(repo.tree, "rev-parse", "HEAD")
    repo.words(begun, f"plangate/{repo.short}-late/apply", "Waiting for confirmation")
    with journey.services.store.reading() as tx:
        (first,) = tx.runs.find(RunQuery(commit=begun))
    journey.services.controls.discard(first.id, ADMIN)
    journey.stage.admin(
        "PUT", f"/repos/{repo.name}/protections/main", {"contexts": ["plangate"], "queue": True}
    )
    one, one_sha = repo.pull("one", {"late/main.tf": resource("late", "two")})
    two, two_sha = repo.pull("two", {"late/extra.tf": resource("extra", "new")})
    for number, sha in ((one, one_sha), (two, two_sha)):
        repo.settled(sha)
        approve(journey, repo, number)

    # The same plan as the one approved: the check turns green, the queue merges, and the run goes on.
    queued = journey.ana.enqueue(repo.name, one)
    applied = repo.settled(queued, f"plangate/{repo.short}-late/apply", "success")
    assert applied["description"] == "Applied: +1 ~0 -0"
    assert journey.ana.merged(repo.name, one) == queued
    states = [s["state"] for s in journey.ana.statuses(repo.name, queued) if s["context"] == "plangate"]
    assert "failure" not in states

    # The other change's plan is another one by now: what it would have made is there already.
    queued = journey.ana.enqueue(repo.name, two)
    red = repo.settled(queued, "plangate", "failure")
    assert red["description"].startswith(f"{repo.short}-late: Not approved: not what ben approved: ")
    assert "terraform_data.late" in red["description"]
    repo.comment_with(two, f"Not merged by the queue, as {queued[:7]}")
    assert journey.ana.merged(repo.name, two) is None
