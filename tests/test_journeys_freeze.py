"""Freezes on real processes: an apply waits, says until when, and starts by itself or because of an owner."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from bot.domain.people.permissions import Person, Role
from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.run import Run
from bot.domain.workspaces.freeze import FreezeWindow
from bot.services.ports import RunQuery
from tests.support.journeys import Journey, Repo, resource, rooms

pytestmark = pytest.mark.e2e

ADMIN = Person("admin", Role.OWNER)
ZONE = "Europe/Berlin"
YESTERDAY = datetime.now(ZoneInfo(ZONE)) - timedelta(days=1)
THAW = (YESTERDAY + timedelta(days=5)).replace(hour=0, minute=0)
WORDS = f"aits until {THAW:%a} {THAW.day} {THAW:%b} 00:00 {ZONE}: The fair is on"


@pytest.fixture(scope="module")
def journey(tmp_path_factory: pytest.TempPathFactory, kind: str) -> Iterator[Journey]:
    """A stage with a frozen workspace in the first repository, and one without a freeze in the second."""
    starts = f"0 0 {YESTERDAY.day} {YESTERDAY.month} *"
    freezes = (f'[{{deny: "{starts}", for: 5d, zone: {ZONE}, why: The fair is on}}]', "[]")
    lines = ['forges:\n  {kind}: {kind: {kind}, url: "{forge}"}\n', "workspaces:"]
    for repo, freeze in zip(rooms(kind), freezes, strict=False):
        name = repo.rpartition("/")[2]
        lines.append(f"  - {{name: {name}-net, repo: {repo}, working_directory: net, freeze: {freeze}}}")
    text = "\n".join(lines) + "\n"
    with Journey(tmp_path_factory.mktemp("freeze"), text, kind=kind, PLANGATE_OWNERS=f"{kind}:ana") as found:
        yield found


def opened(journey: Journey) -> tuple[Repo, int, str]:
    """Return the next repository, a change of it, and its commit; its main is out of the way."""
    repo = journey.repo({"net/main.tf": resource("net", "one")})
    journey.ana.push(repo.tree, "main")
    first = journey.ana.git(repo.tree, "rev-parse", "HEAD")
    waiting = repo.settled(first, f"plangate/{repo.short}-net/apply", "pending")
    journey.services.controls.discard(repo.run_of(waiting), ADMIN)
    number, sha = repo.pull("two", {"net/main.tf": resource("net", "two")})
    repo.settled(sha, "plangate", "success")
    return repo, number, sha


def applying(repo: Repo, sha: str) -> Run:
    with repo.journey.services.store.reading() as tx:
        workspace = tx.workspaces.named(f"{repo.short}-net")
        (run,) = tx.runs.find(RunQuery(workspace_id=workspace.id, commit=sha, plan_only=False))
        return run


def test_an_owner_lets_an_apply_start_during_a_freeze(journey: Journey) -> None:
    repo, number, sha = opened(journey)
    net, context = f"{repo.short}-net", f"plangate/{repo.short}-net/apply"
    journey.ben.comment(repo.name, number, "/apply")
    assert repo.words(sha, context, WORDS)["state"] == "pending"
    assert WORDS in repo.comment_with(number, WORDS)
    journey.ben.comment(repo.name, number, f"/why {net}")
    assert f"is approved already and w{WORDS}" in repo.comment_with(number, "### Why, as of commit")

    journey.ben.comment(repo.name, number, f"/apply {net} -ignore-freeze I am in a hurry")
    repo.comment_with(number, "ignore a freeze needs owner access")
    assert applying(repo, sha).waits_for_freeze
    journey.ana.comment(repo.name, number, f"/apply {net} -ignore-freeze the site is down")
    repo.settled(sha, context, "success")
    run = applying(repo, sha)
    assert (run.status, run.confirmed_by) == (RunStatus.APPLIED, "ben")
    assert run.freeze_ignored == "ana: the site is down"


@pytest.mark.soak
def test_an_apply_starts_by_itself_at_the_end_of_a_freeze(journey: Journey) -> None:
    repo, number, sha = opened(journey)
    context = f"plangate/{repo.short}-net/apply"
    now = datetime.now(UTC)
    length = timedelta(minutes=1 if now.second < 20 else 2)
    with journey.services.store.transaction() as tx:
        workspace = tx.workspaces.named(f"{repo.short}-net")
        window = FreezeWindow(f"{now.minute} {now.hour} * * *", length, why="A short one")
        tx.workspaces.put(replace(workspace, freeze=(window,)))
    end = now.replace(second=0, microsecond=0) + length
    journey.ben.comment(repo.name, number, "/apply")
    said = repo.words(sha, context, "A short one")["description"]
    assert said == f"Waits until {end:%a} {end.day} {end:%b} {end:%H:%M} UTC: A short one"
    # It may last longer than a journey's patience.
    time.sleep(max(0.0, (end - datetime.now(UTC)).total_seconds()))
    repo.settled(sha, context, "success")
    with journey.services.store.reading() as tx:
        begun = next(e.at for e in tx.runs.timeline(applying(repo, sha).id) if e.kind == "applying")
    assert begun >= end
