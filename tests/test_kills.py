"""Promise 3, on real processes: whatever is killed at whatever stage of a run, every run reaches its end.

Terraform is held where it asks the outside for something, so that each kill hits the stage it is meant for.
What it does to the outside is counted there. Scenes of one stage go on at the same time; each is a test.
A kill of each kind is part of every `make test`; the others run with `make soak`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest

from bot.domain.runs.lifecycle import RunStatus
from tests.support import processes
from tests.support.killing import ADMIN, EFFECTS, Ground, Scene
from tests.support.outside import Stranger

pytestmark = pytest.mark.e2e

Play = Callable[[Scene], None]


# --- a worker, at each stage --------------------------------------------------------------------------------


def killed_while_it_fetches(scene: Scene) -> None:
    scene.ground.trouble("POST", f"{scene.name}.git/git-upload-pack", status=None, delay=4)
    sha = scene.push()
    scene.arrives(sha, RunStatus.FETCHING)
    scene.kill(sha)
    assert "restarted" not in scene.timeline(scene.ends_well(sha))


def killed_while_it_inits(scene: Scene) -> None:
    sha = scene.started(shut="init")
    scene.kill(sha)
    scene.open("init")
    assert scene.timeline(scene.ends_well(sha)).count("restarted") == 1


def killed_while_it_plans(scene: Scene) -> None:
    sha = scene.started(shut="plan")
    scene.kill(sha)
    scene.open("plan")
    assert scene.timeline(scene.ends_well(sha)).count("restarted") == 1


def killed_while_it_plans_and_so_is_the_next_one(scene: Scene) -> None:
    sha = scene.started(shut="plan")
    scene.kill(sha)
    # The second was woken by the sweep: what it leaves behind in the queue must not keep a third away.
    scene.shut("plan")
    scene.reach("plan")
    scene.kill(sha)
    scene.open("plan")
    assert scene.timeline(scene.ends_well(sha)).count("restarted") == 2


def killed_with_its_terraform_while_it_plans(scene: Scene) -> None:
    sha = scene.started(shut="plan")
    scene.kill(sha, terraform=True)
    scene.open("plan")
    # The killed plan held the state: it is let go before the plan begins anew.
    scene.ends_well(sha)


def killed_while_its_first_resource_is_made(scene: Scene) -> None:
    sha = scene.started(shut="first")
    scene.kill(sha)
    run = scene.ends_cut_off(sha, {"first": 1})
    scene.unlocked()
    assert [v.refused for v in scene.pushed(run)] == [""] * len(scene.pushed(run)) != []
    scene.open("first")
    scene.goes_on(EFFECTS)


def killed_while_its_second_resource_is_made(scene: Scene) -> None:
    sha = scene.started(shut="second")
    scene.kill(sha)
    run = scene.ends_cut_off(sha, EFFECTS)
    scene.unlocked()
    assert [v.refused for v in scene.pushed(run)] == [""] * len(scene.pushed(run)) != []
    scene.open("second")
    # The state knows of the first: only the second is made anew.
    scene.goes_on({"second": 1})


def killed_and_the_rest_goes_on_under_its_approval(scene: Scene) -> None:
    sha = scene.started(shut="second")
    scene.kill(sha)
    run = scene.ends_cut_off(sha, EFFECTS)
    scene.unlocked()
    scene.open("second")
    # Its Terraform stored everything before it ended, so it is known what is left: nobody is asked.
    retry = scene.retried(run, RunStatus.APPLIED, RunStatus.PLANNED)
    assert (retry.status, retry.delta) == (RunStatus.APPLIED, "")
    assert scene.outside.effects(scene.name, retry.id) == {"second": 1}
    assert retry.rest_of is not None
    assert retry.rest_of.words == "1 done, 1 failed, 0 left: the plan is exactly the rest"


def _ended(pid: int) -> bool | None:
    return not processes.alive(pid) or None


def killed_with_its_terraform_while_it_applies(scene: Scene) -> None:
    sha = scene.started(shut="second")
    for pid in scene.kill(sha, terraform=True):
        scene.ground.journey.until(partial(_ended, pid), "Terraform's end")
    run = scene.ends_cut_off(sha, EFFECTS)
    scene.open("second")
    # Nobody is left to unlock the state: the sweep does.
    scene.unlocked()
    # What the killed Terraform has done may not be in the state: a person has to look.
    retry = scene.retried(run, RunStatus.APPLIED, RunStatus.PLANNED)
    assert retry.status is RunStatus.PLANNED
    assert "it is not certain what" in retry.delta
    scene.ground.services.controls.discard(retry.id, ADMIN)
    scene.goes_on(EFFECTS)


def killed_while_it_reports(scene: Scene) -> None:
    sha = scene.push({})
    scene.arrives(sha, RunStatus.PLANNED_AND_FINISHED)
    scene.ground.trouble("POST", f"{scene.name}/issues/1/comments", status=None, delay=3, after=True)
    number, sha = scene.repo.pull("change", scene.files)
    journey = scene.ground.journey
    journey.until(lambda: scene.repo.bot_comments(number) or None, "the comment whose answer is late")
    lease = f"report:{scene.change(number)}"
    pid = journey.until(lambda: scene.ground.holder(lease), "the worker that reports")
    scene.ground.kill(pid)
    assert scene.repo.settled(sha)["state"] == "success"
    assert "terraform_data.second" in scene.repo.comment_with(number, "terraform_data.second")
    assert len(scene.repo.bot_comments(number)) == 1


# --- half of a worker ---------------------------------------------------------------------------------------


def only_its_job_is_killed_while_it_plans(scene: Scene) -> None:
    sha = scene.started(shut="plan")
    scene.kill(sha, parent=False)
    scene.open("plan")
    scene.ends_well(sha)


def only_its_job_is_killed_while_it_applies(scene: Scene) -> None:
    sha = scene.started(shut="second")
    scene.kill(sha, parent=False)
    scene.ends_cut_off(sha, EFFECTS)
    scene.open("second")
    scene.unlocked()
    scene.goes_on({"second": 1})


def only_its_parent_is_killed(scene: Scene) -> None:
    sha = scene.started(shut="plan")
    scene.kill(sha, horse=False)
    scene.open("plan")
    run = scene.arrives(sha, RunStatus.PLANNED)
    assert "restarted" not in scene.timeline(run)
    scene.shut("second")
    scene.confirm(sha)
    scene.reach("second")
    scene.kill(sha, horse=False)
    scene.open("second")
    # Whoever worked for it goes on, and nobody else begins.
    scene.ends_well(sha)


ALWAYS: tuple[Play, ...] = (
    killed_while_it_plans,
    killed_while_its_second_resource_is_made,
    killed_with_its_terraform_while_it_applies,
)
SOAK: tuple[Play, ...] = (
    killed_while_it_fetches,
    killed_while_it_inits,
    killed_while_it_plans_and_so_is_the_next_one,
    killed_with_its_terraform_while_it_plans,
    killed_while_its_first_resource_is_made,
    killed_and_the_rest_goes_on_under_its_approval,
    killed_while_it_reports,
    only_its_job_is_killed_while_it_plans,
    only_its_job_is_killed_while_it_applies,
    only_its_parent_is_killed,
)
OF_WORKERS = [
    *(pytest.param(play, id=play.__name__) for play in ALWAYS),
    *(pytest.param(play, id=play.__name__, marks=pytest.mark.soak) for play in SOAK),
]


@pytest.fixture(scope="module")
def played(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[Play, Future[None]]]:
    """Every scene of the workers that is asked for, begun at once."""
    items = [item for item in request.session.items if isinstance(item, pytest.Function)]
    plays: list[Any] = [item.callspec.params["play"] for item in items if item.function is test_a_worker_is]
    settings = {"PLANGATE_SANDBOX": "off", "PLANGATE_STATE_LOCK_GRACE": "8s"}
    with (
        Ground(tmp_path_factory.mktemp("kills"), workers=4, **settings) as ground,
        ThreadPoolExecutor(len(plays)) as stage,
    ):
        yield {play: stage.submit(ground.play, play) for play in plays}


@pytest.mark.parametrize("play", OF_WORKERS)
def test_a_worker_is(play: Play, played: dict[Play, Future[None]]) -> None:
    assert played[play].result() is None


# --- Valkey, the web, and all workers -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def kept_ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """Two workers: once both are held, what is to be done waits in Valkey. Sandboxed where that can be."""
    with Ground(tmp_path_factory.mktemp("kills"), workers=2, PLANGATE_SANDBOX="auto") as found:
        yield found


@pytest.fixture
def ground(kept_ground: Ground) -> Iterator[Ground]:
    """The same ground for each test, in good order again after one that failed."""
    yield kept_ground
    kept_ground.mend()


@pytest.mark.soak
def test_valkey_is_killed_and_forgets_everything(ground: Ground) -> None:
    planning, applying, waiting, confirmed, stored, unsaid = (ground.scene() for _ in range(6))
    ground.trouble("POST", f"{unsaid.name}/statuses", status=503, times=None)
    quiet = {scene: scene.push() for scene in (waiting, confirmed, unsaid)}
    for scene, sha in quiet.items():
        scene.arrives(sha, RunStatus.PLANNED)
    held = {planning: planning.started(shut="plan"), applying: applying.started(shut="second")}
    confirmed.confirm(quiet[confirmed])
    quiet[stored] = stored.push()
    assert ground.answered(quiet[stored]) == 202
    assert stored.found(quiet[stored]) is None

    ground.stage.lose_valkey()
    ground.no_trouble()
    ground.stage.start_valkey()

    planning.open("plan")
    applying.open("second")
    for scene, sha in {**held, **quiet}.items():
        assert "restarted" not in scene.timeline(scene.ends_well(sha))


def test_the_web_is_killed_and_comes_back(ground: Ground) -> None:
    planning, applying, stored, missed = (ground.scene() for _ in range(4))
    pushed = {planning: planning.started(shut="plan"), applying: applying.started(shut="second")}
    pushed[stored] = stored.push()
    assert ground.answered(pushed[stored]) == 202

    ground.kill_web()
    pushed[missed] = missed.push()
    assert ground.answered(pushed[missed]) == 0
    with Stranger(ground.stage.url, 503) as stranger:
        planning.open("plan")
        applying.open("second")
        # The one wants to unlock the state; the other to push it, and first to see what is there.
        ground.journey.until(lambda: stranger.asked >= {"GET", "UNLOCK"} or None, "Terraform with its state")
    ground.stage.start_web()
    ground.redeliver(pushed[missed])
    assert ground.answered(pushed[missed]) == 202

    runs = {scene: scene.ends_well(sha) for scene, sha in pushed.items()}
    assert {version.refused for version in applying.pushed(runs[applying])} == {""}


def test_the_web_is_killed_and_what_answers_in_its_place_takes_no_state(ground: Ground) -> None:
    scene = ground.scene()
    sha = scene.started(shut="second")
    ground.kill_web()
    with Stranger(ground.stage.url, 403):
        scene.open("second")
        run = scene.arrives(sha, RunStatus.APPLIED, RunStatus.ERRORED)
    ground.stage.start_web()
    # Everything was applied. The worker stores the state, which is the next one.
    assert (run.status, run.error) == (RunStatus.APPLIED, "")
    scene.settles(sha, "success")
    assert scene.outside.effects(scene.name, run.id) == EFFECTS
    (kept,) = scene.pushed(run)
    assert kept.refused == ""
    with ground.services.store.reading() as tx:
        assert {"first", "second"} <= {r["name"] for r in json.loads(tx.states.data(kept.id))["resources"]}
    scene.unlocked()
    following = scene.push({"net/more.tf": "# more\n"})
    assert not scene.arrives(following, RunStatus.PLANNED, RunStatus.PLANNED_AND_FINISHED).has_changes


@pytest.mark.soak
def test_all_workers_are_killed_at_once(ground: Ground) -> None:
    planning, applying, confirmed, waiting = (ground.scene() for _ in range(4))
    quiet = {scene: scene.push() for scene in (confirmed, waiting)}
    for scene, sha in quiet.items():
        scene.arrives(sha, RunStatus.PLANNED)
    quiet[planning] = planning.started(shut="plan")
    cut_off = applying.started(shut="first")
    confirmed.confirm(quiet[confirmed])

    ground.kill_workers()
    ground.start_workers()

    planning.open("plan")
    run = applying.ends_cut_off(cut_off, {"first": 1})
    applying.unlocked()
    assert {version.refused for version in applying.pushed(run)} == {""}
    applying.open("first")
    for scene, sha in quiet.items():
        scene.ends_well(sha)
    applying.goes_on(EFFECTS)
