"""Outputs between workspaces on real processes: handed over as variables, and read from a shared state."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from bot.domain.runs.run import Run
from bot.services.ports import RunQuery
from tests.support.journeys import Journey, Repo, resource, rooms

pytestmark = pytest.mark.e2e

PLACES = ("network", "app", "reader", "other")
MAKES = resource("made", "new") + 'output "made" {\n  value = terraform_data.made.id\n}\n'
TAKES = 'variable "network_id" {}\n\nresource "terraform_data" "app" {\n  input = var.network_id\n}\n'
READS = """
variable "plangate_states" { type = map(string) }

data "terraform_remote_state" "network" {
  backend = "http"
  config  = { address = var.plangate_states["NAME"] }
}

resource "terraform_data" "read" {
  input = data.terraform_remote_state.network.outputs.made
}
"""


@pytest.fixture(scope="module")
def journey(tmp_path_factory: pytest.TempPathFactory, kind: str) -> Iterator[Journey]:
    """A stage with a network in each repository, an app that gets its output, and a reader of its state."""
    lines = ['forges:\n  {kind}: {kind: {kind}, url: "{forge}"}\n', "workspaces:"]
    for repo in rooms(kind)[:3]:
        short = repo.rpartition("/")[2]
        more = {
            "network": f"share_state_with: [{short}-app, '*-reader']",
            "app": f"inputs: {{network_id: {short}-network.made}}",
            "reader": f"depends_on: [{short}-network]",
            "other": "auto_apply: false",
        }
        for place in PLACES:
            about = f"repo: {repo}, working_directory: {place}, {more[place]}"
            lines.append(f"  - {{name: {short}-{place}, {about}}}")
    with Journey(tmp_path_factory.mktemp("outputs"), "\n".join(lines) + "\n", kind=kind) as found:
        yield found


def begun(journey: Journey) -> Repo:
    found = journey.repo({"README.md": "No workspace runs for this file.\n"})
    journey.ana.push(found.tree, "main")
    return found


def runs(repo: Repo, place: str, **query: Any) -> list[Run]:
    """Return the runs of a place, newest first."""
    with repo.journey.services.store.reading() as tx:
        workspace = tx.workspaces.named(f"{repo.short}-{place}")
        return list(tx.runs.find(RunQuery(workspace_id=workspace.id, **query)))


def state(repo: Repo, place: str) -> Any:
    with repo.journey.services.store.reading() as tx:
        current = tx.states.current(tx.workspaces.named(f"{repo.short}-{place}").id)
        assert current is not None
        return json.loads(tx.states.data(current.id))


def attributes(repo: Repo, place: str, name: str) -> Any:
    found = [each for each in state(repo, place)["resources"] if each["name"] == name]
    return found[0]["instances"][0]["attributes"]


def settled(repo: Repo, sha: str, place: str, stage: str, *states: str) -> str:
    return str(repo.settled(sha, f"plangate/{repo.short}-{place}/{stage}", *states)["description"])


def test_an_output_is_handed_over(journey: Journey) -> None:
    repo = begun(journey)
    number, sha = repo.pull("hand", {"network/made.tf": MAKES, "app/made.tf": TAKES})
    settled(repo, sha, "network", "plan", "success")
    assert "the variable network_id is" in settled(repo, sha, "app", "plan", "failure", "error", "failed")
    (failed,) = runs(repo, "app", commit=sha)
    with journey.services.store.reading() as tx:
        said = tx.runs.timeline(failed.id)[-1].message
    assert f"the variable network_id is {repo.short}-network.made" in said
    assert "has no state yet: apply it first" in said
    repo.comment_with(number, "has no state yet: apply it first")

    journey.ben.comment(repo.name, number, f"/apply {repo.short}-network")
    settled(repo, sha, "network", "apply", "success")
    settled(repo, sha, "app", "plan", "success")
    made = attributes(repo, "network", "made")["id"]
    journey.ben.comment(repo.name, number, f"/apply {repo.short}-app")
    settled(repo, sha, "app", "apply", "success")
    assert attributes(repo, "app", "app")["input"] == {"value": made, "type": "string"}


def test_a_shared_state_is_read_and_its_password_is_nowhere(journey: Journey) -> None:
    repo = begun(journey)
    name = f"{repo.short}-network"
    number, sha = repo.pull("make", {"network/made.tf": MAKES})
    settled(repo, sha, "network", "plan", "success")
    journey.ben.comment(repo.name, number, "/apply")
    settled(repo, sha, "network", "apply", "success")

    reads = READS.replace("NAME", name)
    number, sha = repo.pull("read", {"reader/read.tf": reads, "other/read.tf": reads})
    settled(repo, sha, "reader", "plan", "success")
    settled(repo, sha, "other", "plan", "failure", "error", "failed")
    journey.ben.comment(repo.name, number, f"/apply {repo.short}-reader")
    settled(repo, sha, "reader", "apply", "success")
    made = attributes(repo, "network", "made")["id"]
    assert attributes(repo, "reader", "read")["input"] == {"value": made, "type": "string"}
    config = attributes(repo, "reader", "network")["config"]["value"]
    with journey.services.store.reading() as tx:
        address = journey.services.addresses.state(tx.workspaces.named(name).id)
    assert config == {"address": address}
    (applied,) = runs(repo, "reader", plan_only=False, commit=sha)
    assert applied.digest == (applied.approval.digest if applied.approval else "")


@pytest.mark.soak
def test_a_module_runs_the_workspaces_that_use_it(journey: Journey) -> None:
    repo = begun(journey)
    calls = 'module "net" {\n  source = "../modules/net"\n}\n'
    files = {
        "other/main.tf": calls,
        "reader/main.tf": resource("reader", "one"),
        "modules/net/main.tf": 'module "base" {\n  source = "../base"\n}\n',
        "modules/base/main.tf": resource("base", "one"),
    }
    repo.push("main", "All", files)
    number, sha = repo.pull("module", {"modules/base/main.tf": resource("base", "two")})
    settled(repo, sha, "other", "plan", "success")
    assert [len(runs(repo, place, commit=sha)) for place in PLACES] == [0, 0, 0, 1]
    journey.ben.comment(repo.name, number, f"/why {repo.short}-other")
    repo.comment_with(number, "modules/base/main.tf is in modules/base, a module that it uses")
