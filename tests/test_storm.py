"""A storm of webhooks while plans run: each genuine one is accepted once and carried out (promise 3).

The full size runs with `make soak`, a small one with every `make test`. `make bench` prints how long the
answers take.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from bot.domain.runs.lifecycle import RunStatus
from bot.services.ports import RunQuery
from tests.support import processes, storm
from tests.support.journeys import Journey, Repo, manifest, resource
from tests.support.postgres import PostgresMissing, running_postgres
from tests.support.storm import Answer, Call, Kind

pytestmark = pytest.mark.e2e

# Far more than what a leak of a few kilobytes for each delivery would take: 2,000 times the body are 40 MB.
MOST_GROWTH = 48 << 20
ROOMS = ("acme/repo-1", "acme/repo-2")


@dataclass(frozen=True)
class Size:
    """How many deliveries, how many per second, and how many pushes make plans meanwhile."""

    deliveries: int
    rate: float
    pushes: int


SMALL = Size(deliveries=100, rate=100, pushes=1)
FULL = Size(deliveries=2000, rate=200, pushes=8)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.soak)])
def journey(request: pytest.FixtureRequest, stage_folder: Path) -> Iterator[Journey]:
    text = manifest(ROOMS)
    if request.param == "sqlite":
        with Journey(stage_folder, text) as found:
            yield found
        return
    try:
        with (
            running_postgres() as server,
            Journey(stage_folder, text, DATABASE_URL=server.create("s")) as found,
        ):
            yield found
    except PostgresMissing as missing:
        pytest.skip(str(missing))


@pytest.mark.parametrize(
    "size", [pytest.param(SMALL, id="small"), pytest.param(FULL, id="full", marks=pytest.mark.soak)]
)
def test_each_genuine_delivery_is_accepted_once_and_carried_out(journey: Journey, size: Size) -> None:
    address, secret = journey.stage.url.removeprefix("http://"), journey.stage.webhook_secret
    repos = [journey.repo(name=name) for name in ROOMS]
    pushed = {_push(repos[number % 2], number): repos[number % 2] for number in range(size.pushes)}
    # Everything that is loaded only once is loaded, before memory is measured.
    storm.send(
        address, [storm.genuine(_body(n, pushed), secret) for n in range(size.deliveries // 10)], size.rate
    )
    before = _memory(journey)

    calls = storm.stormy([_body(n, pushed) for n in range(size.deliveries)], secret, seed=size.deliveries)
    answers = storm.send(address, calls, size.rate)

    _are_answered_well(calls, answers)
    assert _memory(journey) - before < MOST_GROWTH
    _are_carried_out(journey, answers)
    # A push that others overtook is brought up to date: only the newest one must have a run of its own.
    newest = {repo.name: sha for sha, repo in pushed.items()}
    for sha, repo in pushed.items():
        _has_one_run(journey, repo, sha, overtaken=newest[repo.name] != sha)


def _push(repo: Repo, number: int) -> str:
    return repo.push("main", f"Push {number}", {"net/main.tf": resource("net", f"push {number}")})


def _body(number: int, pushed: dict[str, Repo]) -> bytes:
    """Return a push to a branch that nobody follows; one in twenty repeats the last push to `main`."""
    if number % 20:
        return storm.push(f"branch-{number}", f"{number:040x}", ROOMS[number % 2])
    sha, repo = list(pushed.items())[-1]
    return storm.push("main", sha, repo.name)


def _memory(journey: Journey) -> int:
    web = journey.stage.parts["web"].process
    assert web is not None
    return sum(map(processes.resident, (web.pid, *processes.below(web.pid))))


def _are_answered_well(calls: list[Call], answers: list[Answer]) -> None:
    assert len(answers) == len(calls)
    statuses: dict[str, list[int]] = defaultdict(list)
    for answer in answers:
        statuses[answer.call.id].append(answer.status)
        if answer.call.kind is Kind.FORGED:
            assert answer.status == 401
    of_genuine = {call.id for call in calls if call.kind is Kind.GENUINE}
    # A repeat may be answered before the first one is.
    assert {tuple(sorted(set(statuses[each]))) for each in of_genuine} <= {(202,), (200, 202)}
    assert all(statuses[each].count(202) == 1 for each in of_genuine)


def _are_carried_out(journey: Journey, answers: list[Answer]) -> None:
    accepted = {answer.call.id for answer in answers if answer.call.kind is not Kind.FORGED}
    forged = {answer.call.id for answer in answers if answer.call.kind is Kind.FORGED}
    services = journey.services

    def ask() -> bool | None:
        with services.store.reading() as tx:
            return not tx.deliveries.due(services.clock.now(), 1) or None

    journey.until(ask, "the end of every delivery")
    with services.store.reading() as tx:
        stored = {each.id: each for each in tx.deliveries.recent(1_000_000)}
    assert accepted <= set(stored)
    assert forged.isdisjoint(stored)
    ended = [stored[each] for each in accepted]
    assert [each.error for each in ended if each.error or not each.decisions] == []


def _has_one_run(journey: Journey, repo: Repo, sha: str, *, overtaken: bool) -> None:
    services = journey.services

    def ask() -> bool | None:
        with services.store.reading() as tx:
            workspace = tx.workspaces.named(f"{repo.short}-net")
            runs = tx.runs.find(RunQuery(workspace_id=workspace.id, commit=sha))
        assert len(runs) == 1 or (overtaken and not runs)
        waits = (RunStatus.PLANNED, RunStatus.PENDING)
        return all(run.final or run.status in waits for run in runs) or None

    journey.until(ask, f"the run of {sha[:8]}")
