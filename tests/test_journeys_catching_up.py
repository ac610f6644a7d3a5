"""Webhooks that never came, on real processes: the web is down while people work, and then it is back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bot.domain.events import RepoRef
from bot.domain.people.permissions import Person, Role
from bot.services.ports import DeliveryQuery
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
