"""The order of workspaces on real processes: three in a row, each reads what the one before has made."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from bot.domain.errors import NotFound
from bot.domain.people.permissions import Person, Role
from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.run import Run
from bot.services.ports import RunQuery
from tests.support.journeys import PATIENCE, Journey, Repo, resource, rooms
from tests.support.killing import LEASE_SECONDS, kill_workers, start_workers

pytestmark = pytest.mark.e2e

ADMIN = Person("admin", Role.OWNER)
PLACES = ("network", "cluster", "app")
AUTO = 5


class States:
    """Serves the current states by the names of their workspaces, as a team's own place for outputs would.

    While `open` is not set, readers wait, and `reached` tells of the first one.
    """

    def __init__(self) -> None:
        self.journey: Journey | None = None
        self.open, self.reached = threading.Event(), threading.Event()
        self.open.set()
        states = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if not states.open.is_set():
                    states.reached.set()
                    states.open.wait(PATIENCE)
                found = states.of(self.path.strip("/"))
                self.send_response(200 if found else 404)
                self.send_header("Content-Length", str(len(found)))
                self.end_headers()
                with contextlib.suppress(BrokenPipeError):
                    self.wfile.write(found)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def of(self, name: str) -> bytes:
        assert self.journey is not None
        with self.journey.services.store.reading() as tx:
            try:
                current = tx.states.current(tx.workspaces.named(name).id)
            except NotFound:
                return b""
            return tx.states.data(current.id) if current else b""

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture(scope="module")
def states() -> Iterator[States]:
    found = States()
    yield found
    found.close()


@pytest.fixture(scope="module")
def journey(tmp_path_factory: pytest.TempPathFactory, kind: str, states: States) -> Iterator[Journey]:
    """A stage with three workspaces in a row in each repository. In the last one, pushes are applied."""
    # They read each other's outputs from an address of this machine.
    lines = [
        'forges:\n  {kind}: {kind: {kind}, url: "{forge}"}\n',
        "defaults: {network: host}",
        "workspaces:",
    ]
    for number, repo in enumerate(rooms(kind)[:6]):
        short = repo.rpartition("/")[2]
        auto = "true" if number == AUTO else "false"
        for place, source in zip(PLACES, ("", f"{short}-network", "cluster"), strict=True):
            after = f", depends_on: [{source}]" if source else ""
            more = f"working_directory: {place}, auto_apply: {auto}{after}"
            lines.append(f"  - {{name: {short}-{place}, repo: {repo}, {more}}}")
    text = "\n".join(lines) + "\n"
    lease = {"PLANGATE_LEASE_SECONDS": str(LEASE_SECONDS)}
    with Journey(tmp_path_factory.mktemp("order"), text, kind=kind, **lease) as found:
        states.journey = found
        yield found


def begun(journey: Journey, auto: str = "") -> Repo:
    """Return a repository with an applied main: each place has a state, without the outputs to come.

    `auto` is the name of the one in which pushes are applied.
    """
    found = journey.repo({f"{place}/main.tf": resource(place, "one") for place in PLACES}, auto)
    journey.ana.push(found.tree, "main")
    sha = journey.ana.git(found.tree, "rev-parse", "HEAD")
    for place in PLACES:
        context = f"plangate/{found.short}-{place}/apply"
        if not auto:
            waiting = found.settled(sha, context, "pending")
            journey.services.controls.confirm(found.run_of(waiting), ADMIN)
        found.settled(sha, context, "success")
    return found


def reading(states: States, repo: Repo, source: str, more: str) -> str:
    """Return a configuration that reads a workspace's outputs. What is not there yet is unknown."""
    return f"""
data "terraform_remote_state" "source" {{
  backend = "http"
  config  = {{ address = "{states.address}/{repo.short}-{source}" }}
}}

locals {{
  outputs = data.terraform_remote_state.source.outputs
  given   = try(local.outputs.made, timestamp())
}}
{more}"""


MAKES = '\noutput "made" {{\n  value = terraform_data.{0}.id\n}}\n'


def a_row(states: States, repo: Repo, cluster: str = "", app: str = "") -> dict[str, str]:
    """Return the files of a change: the network makes something, the cluster uses it, and the app that."""
    uses = 'resource "terraform_data" "{0}" {{\n  input = local.given\n{1}}}\n'
    return {
        "network/made.tf": resource("made", "new") + MAKES.format("made"),
        "cluster/made.tf": reading(
            states, repo, "network", uses.format("made", cluster) + MAKES.format("made")
        ),
        "app/made.tf": reading(states, repo, "cluster", uses.format("made", "") + app),
    }


def applies(repo: Repo, place: str, **query: object) -> list[Run]:
    """Return the runs of a place that may apply, newest first."""
    with repo.journey.services.store.reading() as tx:
        workspace = tx.workspaces.named(f"{repo.short}-{place}")
        found = tx.runs.find(RunQuery(workspace_id=workspace.id, plan_only=False, **query))  # type: ignore[arg-type]
        return list(found)


def inputs(repo: Repo, states: States, place: str) -> dict[str, str]:
    """Return the input and the id of what the change made in a place, from its state."""
    state = json.loads(states.of(f"{repo.short}-{place}"))
    (found,) = [each for each in state["resources"] if each["name"] == "made" and each["mode"] == "managed"]
    attributes = found["instances"][0]["attributes"]
    return {"input": attributes["input"]["value"], "id": attributes["id"]}


def settled(repo: Repo, sha: str, place: str, *states: str) -> str:
    return str(repo.settled(sha, f"plangate/{repo.short}-{place}/apply", *states)["description"])


def test_pushed_runs_are_applied_in_order(journey: Journey, states: States) -> None:
    repo = begun(journey, rooms(journey.kind)[AUTO])
    sha = repo.push("main", "All", a_row(states, repo))
    for place in PLACES:
        settled(repo, sha, place, "success")
    network, cluster, app = (inputs(repo, states, place) for place in PLACES)
    assert (cluster["input"], app["input"]) == (network["id"], cluster["id"])


@pytest.mark.soak
def test_values_that_become_known_need_no_new_approval(journey: Journey, states: States) -> None:
    repo = begun(journey)
    number, sha = repo.pull("row", a_row(states, repo))
    repo.settled(sha, "plangate", "success")
    names = [f"**{repo.short}-{place}**" for place in PLACES]
    shown = repo.comment_with(number, "Applied in this order")
    (line,) = [each for each in shown.splitlines() if "Applied in this order" in each]
    assert [line.index(name) for name in names] == sorted(line.index(name) for name in names)

    journey.ben.comment(repo.name, number, f"/apply {repo.short}-app")
    refused = repo.comment_with(number, "depends on")
    every = " ".join(f"{repo.short}-{place}" for place in PLACES)
    assert f"comment `/apply {every}` to apply them in order" in refused

    journey.ben.comment(repo.name, number, "/apply")
    for place in PLACES:
        settled(repo, sha, place, "success")
    network, cluster, app = (inputs(repo, states, place) for place in PLACES)
    assert (cluster["input"], app["input"]) == (network["id"], cluster["id"])
    ended = []
    for place in PLACES:
        (run,) = applies(repo, place, commit=sha)
        assert run.approval is not None
        assert (run.digest == run.approval.digest) is (place == "network")
        ended.append(run.status_at)
    assert ended == sorted(ended)
    assert journey.ana.merge(repo.name, number)


@pytest.mark.soak
def test_one_that_fails_holds_those_after_it(journey: Journey, states: States) -> None:
    repo = begun(journey)
    broken = '  provisioner "local-exec" {\n    command = "exit 3"\n  }\n'
    number, sha = repo.pull("broken", a_row(states, repo, cluster=broken))
    repo.settled(sha, "plangate", "success")
    journey.ben.comment(repo.name, number, "/apply")

    assert settled(repo, sha, "network", "success")
    assert settled(repo, sha, "cluster", "failure", "failed")
    waits = repo.words(sha, f"plangate/{repo.short}-app/plan", "which failed")
    assert waits["description"] == f"Waits for {repo.short}-cluster, which failed"
    journey.ben.comment(repo.name, number, f"/why {repo.short}-app")
    why = repo.comment_with(number, "it is applied after")
    assert f"Waits for {repo.short}-cluster, which failed" in why

    journey.ana.git(repo.tree, "checkout", "-q", "broken")
    fixed = repo.push("broken", "Fix", a_row(states, repo))
    repo.settled(fixed, "plangate", "success")
    assert [run.status for run in applies(repo, "app", commit=sha)] == [RunStatus.DISCARDED]
    journey.ben.comment(repo.name, number, "/apply")
    for place in ("cluster", "app"):
        settled(repo, fixed, place, "success")
    assert inputs(repo, states, "app")["input"] == inputs(repo, states, "cluster")["id"]


@pytest.mark.soak
def test_one_whose_plan_differs_stops_and_asks_again(journey: Journey, states: States) -> None:
    repo = begun(journey)
    more = (
        'resource "terraform_data" "more" {\n  count = can(local.outputs.made) ? 1 : 0\n  input = "more"\n}\n'
    )
    number, sha = repo.pull("differs", a_row(states, repo, app=more))
    repo.settled(sha, "plangate", "success")
    journey.ben.comment(repo.name, number, "/apply")

    for place in ("network", "cluster"):
        settled(repo, sha, place, "success")
    asks = repo.words(sha, f"plangate/{repo.short}-app/apply", "changed since it was approved")
    assert "terraform_data.more[0]" in asks["description"]
    shown = repo.comment_with(number, "is not the approved one")
    assert "terraform\\_data.more" in shown or "terraform_data.more" in shown
    (run,) = applies(repo, "app", commit=sha)
    assert run.status is RunStatus.PLANNED
    journey.ben.comment(repo.name, number, f"/apply {repo.short}-app")
    settled(repo, sha, "app", "success")


@pytest.mark.soak
def test_workers_that_die_while_a_dependent_is_planned_again_lose_nothing(
    journey: Journey, states: States
) -> None:
    repo = begun(journey)
    number, sha = repo.pull("dies", a_row(states, repo))
    repo.settled(sha, "plangate", "success")
    states.reached.clear()
    states.open.clear()
    try:
        journey.ben.comment(repo.name, number, "/apply")
        # The network is applied, and the cluster's plan reads what it made.
        assert states.reached.wait(PATIENCE)
        kill_workers(journey.stage)
    finally:
        states.open.set()
    (network,), (cluster,), (app,) = (applies(repo, place, commit=sha) for place in PLACES)
    assert (network.status, cluster.status) == (RunStatus.APPLIED, RunStatus.PLANNING)
    assert (app.status, app.after) == (RunStatus.PENDING, (cluster.id, network.id))

    start_workers(journey.stage)
    for place in PLACES:
        settled(repo, sha, place, "success")
    assert inputs(repo, states, "app")["input"] == inputs(repo, states, "cluster")["id"]
    with journey.services.store.reading() as tx:
        kinds = [[event.kind for event in tx.runs.timeline(run.id)] for run in (network, cluster, app)]
    assert [each.count("applying") for each in kinds] == [1, 1, 1]
    assert "restarted" in kinds[1]
