"""The run model's rest on real processes: destroy, locks, a cancel in mid-apply, run triggers, tags."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bot.domain.people.permissions import Person, Role
from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.run import Run, RunSource
from bot.services.ports import RunQuery
from tests.support.journeys import ROOMS, Journey, Repo, manifest, resource

pytestmark = pytest.mark.e2e

ADMIN = Person("admin", Role.OWNER)
REPOS = ROOMS[:6]


@pytest.fixture(scope="module")
def journey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Journey]:
    """The usual stage, on which workspaces also follow tags and each other's applies."""
    more = []
    for repo in REPOS:
        short = repo.partition("/")[2]
        more.append(
            f"  - {{name: {short}-late, repo: {repo}, branch: main, working_directory: late, "
            f"run_triggers: [{short}-net]}}"
        )
        more.append(f'  - {{name: {short}-tagged, repo: {repo}, working_directory: net, tag_regex: "^v"}}')
    more.append("defaults: {allowed_modes: [destroy, refresh-only, replace, target]}")
    text = manifest(REPOS, "\n".join(more) + "\n")
    with Journey(tmp_path_factory.mktemp("modes"), text) as found:
        yield found


def wait_for_run(journey: Journey, workspace: str, *statuses: RunStatus, **query: Any) -> Run:
    """Wait until the newest run of a workspace stands at one of the statuses."""

    def ask() -> Run | None:
        with journey.services.store.reading() as tx:
            place = tx.workspaces.named(workspace)
            runs = tx.runs.find(RunQuery(workspace_id=place.id, **query))
        return runs[0] if runs and runs[0].status in statuses else None

    return journey.until(ask, f"a run of {workspace} as {statuses}")


def resources(journey: Journey, workspace: str) -> list[str]:
    """Return what the current state of a workspace holds."""
    with journey.services.store.reading() as tx:
        place = tx.workspaces.named(workspace)
        current = tx.states.current(place.id)
        state = json.loads(tx.states.data(current.id)) if current else {}
    return [each["name"] for each in state.get("resources", [])]


def applied(journey: Journey, repo: Repo, name: str, commit: str) -> Run:
    """Confirm a workspace's run of a commit, and wait until it is applied."""
    waiting = wait_for_run(journey, f"{repo.short}-{name}", RunStatus.PLANNED, commit=commit)
    journey.services.controls.confirm(waiting.id, ADMIN)
    return wait_for_run(journey, f"{repo.short}-{name}", RunStatus.APPLIED, commit=commit)


def pushed(journey: Journey, repo: Repo) -> str:
    journey.ana.push(repo.tree, "main")
    return journey.ana.git(repo.tree, "rev-parse", "HEAD")


@pytest.mark.soak
def test_everything_is_destroyed_by_a_plan_with_a_flag_and_the_apply_of_it(journey: Journey) -> None:
    repo = journey.repo()
    applied(journey, repo, "net", pushed(journey, repo))
    assert resources(journey, f"{repo.short}-net") == ["net"]
    number, sha = repo.pull("farewell", {"net/main.tf": resource("net", "one") + "# farewell\n"})
    context = f"plangate/{repo.short}-net/plan"
    repo.settled(sha, context)

    journey.ben.comment(repo.name, number, "/plan -detroy")
    assert "did you mean -destroy?" in repo.comment_with(number, "did you mean")
    journey.ben.comment(repo.name, number, f"/plan -destroy {repo.short}-net")
    planned = repo.words(sha, context, "Plan with -destroy")
    assert planned["description"] == "Plan with -destroy: 0 to add, 0 to change, 1 to destroy"
    repo.comment_with(number, "Planned with -destroy")
    journey.ben.comment(repo.name, number, f"/apply {repo.short}-net")

    done = repo.settled(sha, f"plangate/{repo.short}-net/apply", "success")
    assert done["description"] == "Applied: +0 ~0 -1"
    assert resources(journey, f"{repo.short}-net") == []


def test_a_locked_workspace_waits_and_starts_when_it_is_unlocked(journey: Journey) -> None:
    repo = journey.repo()
    name = f"{repo.short}-net"
    journey.services.workspace_locks.lock(name, ADMIN, "the freeze")
    sha = pushed(journey, repo)
    context = f"plangate/{name}/plan"
    said = repo.words(sha, context, "Waiting")
    assert said["description"] == "Waiting: the workspace is locked by admin: the freeze"
    later = repo.push("main", "More", {"net/more.tf": resource("more", "two")})
    first = wait_for_run(journey, name, RunStatus.PENDING, commit=sha)
    queued = repo.words(later, context, "2nd in the queue")
    assert f"behind {first.id}" in queued["description"]

    journey.services.workspace_locks.unlock(name, ADMIN)
    wait_for_run(journey, name, RunStatus.PLANNED, commit=sha)
    repo.words(later, context, f"behind {first.id} (needs confirmation)")
    journey.services.controls.discard(first.id, ADMIN)
    applied(journey, repo, "net", later)
    assert sorted(resources(journey, name)) == ["more", "net"]


def test_a_cancel_in_mid_apply_interrupts_and_keeps_the_state_so_far(journey: Journey) -> None:
    slow = (
        '  depends_on = [terraform_data.first]\n  provisioner "local-exec" {\n    command = "sleep 60"\n  }\n'
    )
    files = {"net/main.tf": resource("first", "one") + resource("slow", "two", slow)}
    repo = journey.repo(files)
    name = f"{repo.short}-net"
    sha = pushed(journey, repo)
    waiting = wait_for_run(journey, name, RunStatus.PLANNED, commit=sha)
    journey.services.controls.confirm(waiting.id, ADMIN)

    def at_work() -> bool | None:
        with journey.services.store.reading() as tx:
            said, run = tx.artifacts.output(waiting.id, "apply"), tx.runs.get(waiting.id)
        assert not run.final, f"{run.status} {run.error}: {said}"
        return "terraform_data.slow: Provisioning" in said or None

    journey.until(at_work, "the slow step")
    journey.services.controls.cancel(waiting.id, ADMIN, "too slow")

    ended = wait_for_run(journey, name, RunStatus.CANCELED, commit=sha)
    assert ended.cancel_requested_by == "admin"
    assert "first" in resources(journey, name)
    with journey.services.store.reading() as tx:
        assert tx.states.locked(ended.workspace_id) is None
        assert {version.run_id for version in tx.states.versions(ended.workspace_id)} == {ended.id}
    said = repo.settled(sha, f"plangate/{name}/apply", "error")
    assert said["description"] == "Apply canceled by admin"
    # What was canceled can be tried again, on the same commit, and waits for a person.
    again = journey.services.controls.retry(ended.id, ADMIN)
    planned = wait_for_run(journey, name, RunStatus.PLANNED, commit=sha)
    assert planned.id == again.id


def test_an_apply_starts_a_run_in_the_workspace_that_follows_it(journey: Journey) -> None:
    repo = journey.repo({"net/main.tf": resource("net", "one"), "late/main.tf": resource("late", "one")})
    sha = pushed(journey, repo)
    own = wait_for_run(journey, f"{repo.short}-late", RunStatus.PLANNED, commit=sha)
    journey.services.controls.discard(own.id, ADMIN)
    cause = applied(journey, repo, "net", sha)

    made = wait_for_run(journey, f"{repo.short}-late", RunStatus.PLANNED, commit=sha)
    assert (made.source, made.message) == (RunSource.TRIGGER, f"triggered by {cause.id}")
    applied(journey, repo, "late", sha)
    assert resources(journey, f"{repo.short}-late") == ["late"]


def test_a_tag_makes_a_run_and_one_that_is_deleted_makes_none(journey: Journey) -> None:
    repo = journey.repo()
    name = f"{repo.short}-tagged"
    sha = pushed(journey, repo)
    wait_for_run(journey, f"{repo.short}-net", RunStatus.PLANNED, commit=sha)
    ana, tree = journey.ana, repo.tree
    ana.git(tree, "tag", "-a", "v1", "-m", "The first")
    ana.git(tree, "push", "--quiet", "origin", "v1")
    run = wait_for_run(journey, name, RunStatus.PLANNED)
    # The tag's own object is not the commit.
    assert (run.source, run.commit, run.branch) == (RunSource.TAG, sha, "v1")
    journey.services.controls.confirm(run.id, ADMIN)
    wait_for_run(journey, name, RunStatus.APPLIED)

    ana.git(tree, "tag", "v2")
    ana.git(tree, "tag", "nightly")
    ana.git(tree, "push", "--quiet", "origin", "v2", "nightly")
    ana.git(tree, "push", "--quiet", "origin", "--delete", "v1")

    def told() -> set[str] | None:
        with journey.services.store.reading() as tx:
            found = [tx.deliveries.get(each.id) for each in tx.deliveries.recent(30)]
        reasons = {decision.reason for each in found for decision in each.decisions}
        wanted = {
            "this commit has a run here already",
            "tag nightly does not match ^v",
            "tag v1 was deleted",
        }
        return wanted if wanted <= reasons else None

    journey.until(told, "what became of the tags")
    with journey.services.store.reading() as tx:
        assert len(tx.runs.find(RunQuery(workspace_id=run.workspace_id))) == 1


@pytest.mark.soak
def test_a_plan_by_hand_uses_the_branch_as_it_is_now(journey: Journey) -> None:
    repo = journey.repo({"net/main.tf": resource("one", "1") + resource("two", "2")})
    name = f"{repo.short}-net"
    first = wait_for_run(journey, name, RunStatus.PLANNED, commit=pushed(journey, repo))
    journey.services.controls.discard(first.id, ADMIN)
    done = _plangate(
        journey, "runs", "queue", name, "--target", "terraform_data.two", "-m", "By hand", "--json"
    )
    run = wait_for_run(journey, name, RunStatus.PLANNED)
    assert run.id == done["id"]
    assert (run.source, run.commit, run.message) == (RunSource.MANUAL, first.commit, "By hand")
    assert _plangate(journey, "runs", "confirm", run.id, "--json")["status"] == "apply_queued"
    wait_for_run(journey, name, RunStatus.APPLIED)
    assert resources(journey, name) == ["two"]


def _plangate(journey: Journey, *words: str) -> Any:
    """Type a command at the server's terminal."""
    argv = [sys.executable, "-m", "bot.cli", *words]
    env = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **journey.stage.environment()}
    root = Path(__file__).parents[1]
    done = subprocess.run(argv, env=env, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
