"""No state is lost with its worker: on one machine and on several, while the web is away (promise 3).

Real workers, real Terraform. On `machines`, each worker that starts has a data folder of its own, as on a new
machine: nobody ever finds what another one left there.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import signal
import sqlite3
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.run import CUT_OFF, Run
from tests.support import processes
from tests.support.killing import EFFECTS, LEASE_SECONDS, Ground, Scene
from tests.support.outside import Stranger

pytestmark = pytest.mark.e2e

SETTINGS = {"PLANGATE_SANDBOX": "auto", "PLANGATE_STATE_PATIENCE": "60s"}


@pytest.fixture(scope="module")
def one_machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    with Ground(tmp_path_factory.mktemp("one"), workers=2, **SETTINGS) as ground:
        yield ground


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    ground = Ground(tmp_path_factory.mktemp("many"), workers=2, **SETTINGS)
    ground.stage.machines = NewMachines(ground.stage.root)
    with ground:
        yield ground


class NewMachines(Mapping[int, Mapping[str, str]]):
    """The settings of workers: each time that they are asked for, those of a machine that nobody used yet."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._numbers = itertools.count()

    def __getitem__(self, worker: int) -> Mapping[str, str]:
        return {
            "PLANGATE_DATA": str(self._root / f"machine-{next(self._numbers)}"),
            "DATABASE_URL": f"sqlite:///{self._root / 'server' / 'plangate.db'}",
        }

    def __iter__(self) -> Iterator[int]:
        return iter(())

    def __len__(self) -> int:
        return 0


@pytest.fixture(params=[pytest.param("one_machine", marks=pytest.mark.soak), "machines"])
def ground(request: pytest.FixtureRequest) -> Iterator[Ground]:
    found: Ground = request.getfixturevalue(request.param)
    yield found
    found.mend()


def known(scene: Scene, run: Run) -> set[str]:
    """The resources of the current state, which came from this run."""
    with scene.ground.services.store.reading() as tx:
        current = tx.states.current(run.workspace_id)
        if current is None or current.run_id != run.id:
            return set()
        return {resource["name"] for resource in json.loads(tx.states.data(current.id))["resources"]}


def test_a_worker_is_lost_while_nobody_takes_the_state(ground: Ground) -> None:
    scene = ground.scene()
    sha = scene.started(shut="second")
    ground.kill_web()
    with Stranger(ground.stage.url, 403) as stranger:
        # Without its worker, Terraform stops after the first resource. Nobody takes its state: it gives up.
        scene.kill(sha)
        ground.journey.until(lambda: stranger.asked >= {"GET", "UNLOCK"} or None, "Terraform's end")
    ground.stage.start_web()

    run = scene.arrives(sha, RunStatus.ERRORED, RunStatus.APPLIED)
    assert run.error == CUT_OFF
    ground.journey.until(lambda: "first" in known(scene, run) or None, "the state of the lost worker")
    scene.open("second")
    # The state knows of the first: only the second is made anew.
    scene.goes_on({"second": 1})


@pytest.mark.soak
def test_a_worker_is_lost_while_its_finished_apply_waits_for_the_web(ground: Ground) -> None:
    scene = ground.scene()
    sha = scene.started(shut="second")
    ground.kill_web()
    with Stranger(ground.stage.url, 503) as stranger:
        scene.open("second")
        ground.journey.until(lambda: "GET" in stranger.asked or None, "Terraform with its state")
        scene.kill(sha)
    ground.stage.start_web()

    run = scene.arrives(sha, RunStatus.ERRORED, RunStatus.APPLIED)
    assert (run.status, run.error) == (RunStatus.APPLIED, "")
    assert known(scene, run) >= {"first", "second"}
    assert scene.outside.effects(scene.name, run.id) == EFFECTS
    scene.settles(sha, "success")
    scene.unlocked()


def test_the_database_is_away_while_an_apply_ends(one_machine: Ground) -> None:
    scene = one_machine.scene()
    sha = scene.started(shut="second")
    database = one_machine.stage.root / "server" / "plangate.db"
    with contextlib.closing(sqlite3.connect(database, isolation_level=None)) as away:
        away.execute("BEGIN EXCLUSIVE")
        scene.open("second")
        # Longer than the lease, and longer than a few quick retries.
        time.sleep(2 * LEASE_SECONDS + 5)
        away.execute("ROLLBACK")
    run = scene.ends_well(sha)
    assert [version.refused for version in scene.pushed(run)] == [""]
    scene.unlocked()


def test_a_worker_and_all_below_it_are_asked_twice_to_end(one_machine: Ground) -> None:
    scene = one_machine.scene()
    sha = scene.started(shut="second")
    run = scene.found(sha)
    assert run is not None
    pid = one_machine.journey.until(lambda: one_machine.holder(f"run:{run.id}"), "the worker")
    worker = one_machine.worker_of(pid)
    old = one_machine.replace(worker)
    for _ in range(2):
        for each in (worker, *processes.below(worker)):
            os.kill(each, signal.SIGTERM)
        # RQ takes a second request within a second for the same one.
        time.sleep(1.2)
    scene.open("second")
    assert "restarted" not in scene.timeline(scene.ends_well(sha))
    assert old.process is not None
    assert old.process.wait(30) == 0
