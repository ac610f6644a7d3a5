"""Webhooks that never came, on real processes: the web is down while people work, and then it is back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from bot.demo.stage import BOT
from bot.domain.events import RepoRef
from bot.domain.people.permissions import Person, Role
from bot.domain.runs.run import RunSource
from bot.services.ports import DeliveryQuery, RunQuery
from tests.support.journeys import Journey, resource

pytestmark = pytest.mark.e2e

ADMIN = Person("admin", Role.OWNER)


@pytest.fixture(scope="module")
def journey(tmp_path_factory: pytest.TempPathFactory, kind: str) -> Iterator[Journey]:
    """Processes that compare repositories with the forge only when they start."""
    settings = {"PLANGATE_CATCH_UP_EVERY": "2h", "PLANGATE_CATCH_UP_CALLS": "1000"}
    with Journey(tmp_path_factory.mktemp("catching-up"), kind=kind, **settings) as found:
        yield found


def test_what_happened_while_the_web_was_down_is_made_up_for_once_it_is_back(journey: Journey) -> None:
    repo = journey.repo()
    journey.ana.push(repo.tree, "main")
    first = journey.ana.git(repo.tree, "rev-parse", "HEAD")
    for name in ("net", "app"):
        waiting = repo.settled(first, f"plangate/{repo.short}-{name}/apply", "pending")
        _discard(journey, repo.run_of(waiting))
    merging, merging_sha = repo.pull("merging", {"app/main.tf": resource("app", "two")})
    applying, applying_sha = repo.pull("applying", {"net/main.tf": resource("net", "two")})
    growing, growing_sha = repo.pull("growing", {"net/main.tf": resource("net", "three")})
    for sha in (merging_sha, applying_sha, growing_sha):
        assert repo.settled(sha)["state"] == "success"
    journey.services.catch_up.hurry()
    journey.until(lambda: _looked_at(journey, repo.name), "the first look at the repository")
    assert _found(journey) == []

    journey.stage.parts["web"].kill()
    merged = journey.ana.merge(repo.name, merging)
    journey.ben.comment(repo.name, applying, f"/apply {repo.short}-net")
    grown = repo.push("growing", "More", {"net/more.tf": resource("more", "four")})
    _, opened = repo.pull("opening", {"app/more.tf": resource("more", "one")})
    journey.stage.start_web()

    assert repo.settled(opened)["state"] == "success"
    assert repo.settled(grown)["state"] == "success"
    repo.settled(applying_sha, f"plangate/{repo.short}-net/apply", "success")
    assert "ben" in repo.comment_with(applying, "Apply complete! Resources: 1 added")
    waiting = repo.settled(merged, f"plangate/{repo.short}-app/apply", "pending")
    assert "Waiting for confirmation" in waiting["description"]
    repo.comment_with(growing, grown[:7])
    assert _found(journey) == [
        *["change (found)"] * 3,
        "comment (found)",
        "push (found)",
    ]


@pytest.mark.soak
def test_what_comparing_cannot_find_is_sent_again_once_the_web_is_back(journey: Journey) -> None:
    repo = journey.repo()
    journey.stage.admin("PUT", f"/repos/{repo.name}/roles/{BOT}", {"role": "admin"})
    journey.ana.push(repo.tree, "main")
    first = journey.ana.git(repo.tree, "rev-parse", "HEAD")
    for name in ("net", "app"):
        _discard(journey, repo.run_of(repo.settled(first, f"plangate/{repo.short}-{name}/apply", "pending")))
    journey.stage.admin(
        "PUT", f"/repos/{repo.name}/protections/main", {"contexts": ["plangate"], "queue": True}
    )
    number, sha = repo.pull("queueing", {"net/more.tf": resource("more", "one")})
    assert repo.settled(sha)["state"] == "success"
    journey.services.failed_deliveries.hurry()
    journey.until(lambda: _listed(journey, repo.name), "the first look at the webhook's deliveries")
    found = _found(journey)

    # The merge queue asks for a status of its own commit, and asks nobody twice.
    journey.stage.parts["web"].kill()
    queued = journey.ana.enqueue(repo.name, number)
    journey.until(lambda: _failed(journey), "a failed delivery on the forge")
    journey.stage.start_web()

    repo.settled(queued)
    summary = journey.services.failed_deliveries.summary()
    assert (summary.arrived, summary.lost) == (summary.asked, 0)
    with journey.services.store.reading() as tx:
        sent_again = [
            record.event for record in tx.deliveries.recent(100) if (record.forge, record.id) in summary.ids
        ]
        runs = tx.runs.find(RunQuery(commit=queued))
    assert {"github": "merge_group", "gitlab": "Pipeline Hook"}[journey.kind] in sent_again
    assert [run.source for run in runs] == [RunSource.QUEUE]
    # It came as a webhook, with a signature: comparing did not find it.
    assert _found(journey) == found


def _listed(journey: Journey, name: str) -> bool | None:
    """Whether the list of a repository's webhook was read."""
    hook = RepoRef(journey.kind, name)
    read = [watch for watch in journey.services.catch_up.hooks() if watch.repo == hook and watch.listed_at]
    return True if read else None


def _failed(journey: Journey) -> bool | None:
    """Whether the forge could not deliver the merge queue's event."""
    wanted = {"github": "merge_group", "gitlab": "Pipeline Hook"}[journey.kind]
    deliveries: Any = journey.stage.admin("GET", "/deliveries", {})
    return True if any(each["event"] == wanted and each["error"] for each in deliveries) else None


def _discard(journey: Journey, run_id: str) -> None:
    journey.services.controls.discard(run_id, ADMIN)


def _looked_at(journey: Journey, name: str) -> bool | None:
    with journey.services.store.reading() as tx:
        watch = tx.repo_watches.get(RepoRef(journey.kind, name))
    return True if watch is not None and watch.since else None


def _found(journey: Journey) -> list[str]:
    """Return the events that were found, sorted."""
    with journey.services.store.reading() as tx:
        found = tx.deliveries.recent(100, query=DeliveryQuery(event="(found)"))
    return sorted(record.event for record in found)
