"""Fifty clients at once on twenty workspaces, three of them real: each run is applied once, in order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bot.domain.people.accounts import Account
from bot.domain.people.permissions import Person, Role
from bot.domain.runs.lifecycle import RunStatus
from bot.services.ports import RunQuery
from tests.support.cloud_cli import CloudCli, terraform_on_path
from tests.support.cloud_client import CloudClient, Timed, all_at_once, print_times
from tests.support.journeys import ROOMS, Journey, manifest
from tests.support.outside import Outside

pytestmark = [pytest.mark.e2e, pytest.mark.soak]

CLIENTS, REAL, WORKSPACES = 50, 3, 20
# In seconds, for a run with all that wait before it. Long: only a test that fails waits for it.
PATIENCE = 1500.0


@pytest.fixture
def journey(tmp_path: Path) -> Iterator[Journey]:
    if terraform_on_path() is None:
        pytest.skip("there is no terraform on PATH")
    # Runs tell a server of this machine what they do.
    calm = {"PLANGATE_CATCH_UP_CALLS": "0", "PLANGATE_SWEEP_SECONDS": "5", "PLANGATE_NETWORK": "host"}
    made = Journey(tmp_path / "crowd", manifest(ROOMS[:1]), PLANGATE_OWNERS="ana", **calm)
    made.stage.workers, made.stage.jobs, made.stage.web_processes = 1, 4, 2
    with made:
        made.repo()
        yield made


def test_fifty_clients_at_once_on_twenty_workspaces(journey: Journey) -> None:
    names = [f"crowd-{number % WORKSPACES:02}" for number in range(CLIENTS)]
    times: list[Timed] = []
    with Outside() as outside:

        def job(number: int) -> Callable[[], None]:
            name, step = names[number], outside.step(names[number], f"c{number}")
            step += f'\noutput "last" {{\n  value = "c{number}"\n}}\n'
            token = _token(journey, number)
            if number < REAL:
                return lambda: _real(journey, token, name, step, number)
            return lambda: _imitated(journey, token, name, step, times, auto=bool(number % 2))

        all_at_once([job(number) for number in range(CLIENTS)])
        effects = outside.all_effects()
    print_times(times)

    assert set(effects.values()) == {1}
    begun: dict[str, list[str]] = defaultdict(list)
    for scene, name, _ in effects:
        begun[scene].append(name)
    assert {scene: sorted(found) for scene, found in begun.items()} == {
        name: sorted(f"c{n}" for n in range(CLIENTS) if names[n] == name) for name in names
    }
    with journey.services.store.reading() as tx:
        for name in names:
            there = tx.workspaces.named(name)
            found = sorted(
                tx.runs.find(RunQuery(workspace_id=there.id, limit=None)), key=lambda run: run.sequence
            )
            assert [run.status for run in found] == [RunStatus.APPLIED] * len(begun[name])
            assert [_applied(tx, run.id) for run in found] == sorted(_applied(tx, run.id) for run in found)
            assert [run for scene, _, run in effects if scene == name] == [run.id for run in found]
            assert there.lock is None
            assert tx.states.locked(there.id) is None


def _token(journey: Journey, number: int) -> str:
    nobody = Person("ana", Role.NONE)
    return journey.services.tokens.make(Account("github", "ana"), nobody, f"laptop {number}", "admin")


def _imitated(journey: Journey, token: str, name: str, step: str, times: list[Timed], *, auto: bool) -> None:
    with CloudClient(journey.stage.url, token, name, PATIENCE) as client:
        there = client.init()
        _, log = client.apply(step, auto=auto)
        assert "Apply complete!" in log, log
        assert client.outputs(there)["last"].startswith("c")
    times.extend(client.times)


def _real(journey: Journey, token: str, name: str, step: str, number: int) -> None:
    program = terraform_on_path()
    assert program is not None
    cli = CloudCli(program, journey.stage.root / f"laptop-{number}", journey.stage.url, token)
    cli.write(step, f'name = "{name}"')
    for argv in (("init",), ("apply", "-auto-approve")):
        done = cli.run(*argv, seconds=PATIENCE)
        assert done.code == 0, done.text
    assert "Apply complete!" in done.text


def _applied(tx: Any, run_id: str) -> Any:
    return next(event.at for event in tx.runs.timeline(run_id) if event.kind == RunStatus.APPLIED.value)
