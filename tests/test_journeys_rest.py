"""Applies that fail half-way, on real processes: exactly the rest goes on, anything else asks again."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from bot.domain.people.permissions import Person, Role
from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.run import Run
from bot.services.ports import RunQuery
from tests.support.journeys import Journey, Repo, resource, rooms

pytestmark = pytest.mark.e2e

ADMIN = Person("admin", Role.OWNER)


class Cloud:
    """Something outside that a provisioner asks: it refuses the repositories in `refused`."""

    def __init__(self) -> None:
        self.refused: set[str] = set()
        cloud = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                fine = self.path.strip("/") not in cloud.refused
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b"fine\n" if fine else b"quota exceeded\n")

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def asking(self, repo: Repo) -> str:
        """Return a provisioner that fails while the cloud refuses the repository."""
        port = self._server.server_port
        call = f"exec 3<>/dev/tcp/127.0.0.1/{port}; printf 'GET /{repo.short} HTTP/1.0\\r\\n\\r\\n' >&3"
        return f"""  provisioner "local-exec" {{
    interpreter = ["/bin/bash", "-c"]
    command     = "{call.replace(chr(92), chr(92) * 2)}; grep -q fine <&3"
  }}
"""

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    found = Cloud()
    yield found
    found.close()


@pytest.fixture(scope="module")
def journey(tmp_path_factory: pytest.TempPathFactory, kind: str) -> Iterator[Journey]:
    """A stage with a workspace in each repository, whose runs reach this machine."""
    lines = [
        'forges:\n  {kind}: {kind: {kind}, url: "{forge}"}\n',
        "defaults: {network: host}",
        "workspaces:",
        *(
            f"  - {{name: {repo.rpartition('/')[2]}-net, repo: {repo}, working_directory: net}}"
            for repo in rooms(kind)[:4]
        ),
    ]
    with Journey(tmp_path_factory.mktemp("rest"), "\n".join(lines) + "\n", kind=kind) as found:
        yield found


def runs(repo: Repo, **query: Any) -> list[Run]:
    """Return the runs of the workspace that may apply, newest first."""
    with repo.journey.services.store.reading() as tx:
        workspace = tx.workspaces.named(f"{repo.short}-net")
        return list(tx.runs.find(RunQuery(workspace_id=workspace.id, plan_only=False, **query)))


def made(repo: Repo) -> dict[str, str]:
    """Return the ids of what the state has, by name; of a tainted object, nothing."""
    with repo.journey.services.store.reading() as tx:
        current = tx.states.current(tx.workspaces.named(f"{repo.short}-net").id)
        state = json.loads(tx.states.data(current.id)) if current else {"resources": []}
    return {
        each["name"]: each["instances"][0]["attributes"]["id"]
        for each in state["resources"]
        if each["instances"][0].get("status") != "tainted"
    }


def failed_half_way(journey: Journey, cloud: Cloud) -> tuple[Repo, int, str]:
    """Return a repository, a change and its commit, whose apply has made one of three things."""
    repo = journey.repo({"net/main.tf": resource("net", "one")})
    journey.ana.push(repo.tree, "main")
    first = journey.ana.git(repo.tree, "rev-parse", "HEAD")
    context = f"plangate/{repo.short}-net/apply"
    journey.services.controls.confirm(repo.run_of(repo.settled(first, context, "pending")), ADMIN)
    repo.settled(first, context, "success")

    network = 'resource "terraform_data" "vpc" {\n  input = "vpc"\n}\n'
    subnet = (
        f'resource "terraform_data" "subnet" {{\n  input = terraform_data.vpc.id\n{cloud.asking(repo)}}}\n'
    )
    machine = 'resource "terraform_data" "machine" {\n  input = terraform_data.subnet.id\n}\n'
    cloud.refused.add(repo.short)
    number, sha = repo.pull("three", {"net/three.tf": "\n".join((network, subnet, machine))})
    repo.settled(sha, "plangate", "success")
    journey.ben.comment(repo.name, number, "/apply")
    repo.settled(sha, context, "failure")
    assert made(repo).keys() == {"net", "vpc"}
    told = repo.comment_with(number, "Apply failed")
    assert f"/retry {repo.short}-net" in told
    return repo, number, sha


def test_the_rest_goes_on_under_the_approval(journey: Journey, cloud: Cloud) -> None:
    repo, number, sha = failed_half_way(journey, cloud)
    before = made(repo)

    # While the cloud refuses, the rest fails in turn, and stays the rest.
    journey.ana.comment(repo.name, number, f"/retry {repo.short}-net")
    journey.until(lambda: (len(found := runs(repo, commit=sha)) == 2 and found[0].final) or None, "a retry")
    repo.settled(sha, f"plangate/{repo.short}-net/apply", "failure")
    cloud.refused.discard(repo.short)
    journey.ana.comment(repo.name, number, f"/retry {repo.short}-net")
    repo.settled(sha, f"plangate/{repo.short}-net/apply", "success")

    newest, second, oldest = runs(repo, commit=sha)
    assert [run.confirmed_by for run in (newest, second, oldest)] == ["ben"] * 3
    said = [run.rest_of.words for run in (newest, second) if run.rest_of]
    assert said == [
        "0 done, 1 failed, 1 left: the plan is exactly the rest",
        "1 done, 1 failed, 1 left: the plan is exactly the rest",
    ]
    assert "1 failed, 1 left: the plan is exactly the rest" in repo.comment_with(number, "exactly the rest")
    now = made(repo)
    assert now.keys() == {"net", "vpc", "subnet", "machine"}
    # What was done was not touched again.
    assert before.items() <= now.items()


@pytest.mark.soak
def test_a_plan_that_is_anything_else_asks_again(journey: Journey, cloud: Cloud) -> None:
    repo, number, sha = failed_half_way(journey, cloud)
    cloud.refused.discard(repo.short)
    # Somebody changes the state by hand: it has one thing less now.
    with journey.services.store.reading() as tx:
        current = tx.states.current(tx.workspaces.named(f"{repo.short}-net").id)
        assert current is not None
        state = json.loads(tx.states.data(current.id))
    state["resources"] = [each for each in state["resources"] if each["name"] != "vpc"]
    state["serial"] += 1
    text = json.dumps(state).encode()
    journey.services.state_versions.push(current.workspace_id, text, ADMIN)

    journey.ben.comment(repo.name, number, f"/retry {repo.short}-net")
    context = f"plangate/{repo.short}-net/apply"
    asks = repo.words(sha, context, "changed since it was approved")
    assert "it is not exactly what" in asks["description"]
    (run, _) = runs(repo, commit=sha)
    assert run.status is RunStatus.PLANNED
    assert made(repo).keys() == {"net"}
    assert "the state is not the one that" in run.delta
    journey.ben.comment(repo.name, number, f"/apply {repo.short}-net")
    repo.settled(sha, context, "success")
    assert made(repo).keys() == {"net", "vpc", "subnet", "machine"}
