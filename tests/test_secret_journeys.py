"""A sensitive variable on its way: to Terraform, and in nothing that anybody sees."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from bot.domain.people.permissions import Person, Role
from bot.domain.workspaces.variables import Category
from bot.services.ports import ArtifactKind
from bot.services.variables.editor import VariableInput, WorkspaceVariables
from tests.support.journeys import Journey, Repo, manifest

pytestmark = pytest.mark.e2e

ADMIN = Person("admin", Role.OWNER)
TOKEN = "xyzzy-plugh-42"
KEY = '-----BEGIN KEY-----\nplover "quoted" words\nrearward <tag> & more\n-----END KEY-----\n'
TRACES = ("xyzzy", "plugh", "plover", "rearward", "BEGIN KEY")
SETS = """
variable_sets:
  - name: keys
    workspaces: ["*-net"]
    variables:
      - {key: key, value_file: key.pem, sensitive: true}
      - {key: TOKEN_OF_ENV, category: env, value_env: JOURNEY_TOKEN, sensitive: true}
"""
# The variables are not called sensitive here: then Terraform itself would hide them.
LEAKING = """
variable "token" { type = string }
variable "key" { type = string }
output "token" { value = "<${var.token}>" }
output "key" { value = jsonencode({ key = var.key }) }
resource "terraform_data" "keys" {
  for_each = toset([var.token])
  input    = var.key
  provisioner "local-exec" {
    command     = "printf %s $ONE; sleep 0.3; echo $TWO; echo $TOKEN_OF_ENV"
    environment = { ONE = substr(var.token, 0, 7), TWO = substr(var.token, 7, -1) }
  }
}
"""
FAILING = """
variable "token" { type = string }
variable "key" { type = string }
resource "terraform_data" "checked" {
  lifecycle {
    precondition {
      condition     = var.token == ""
      error_message = "This will not do: ${var.token}, nor will ${jsonencode(var.key)}."
    }
  }
}
"""


@pytest.fixture(scope="module")
def journey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Journey]:
    root = tmp_path_factory.mktemp("secrets")
    (root / "key.pem").write_text(KEY)
    with Journey(root, manifest(more=SETS), JOURNEY_TOKEN="xyzzy-of-env") as found:
        yield found


def traces(text: str) -> list[str]:
    return [trace for trace in TRACES if trace in text]


def begun(journey: Journey) -> Repo:
    """A repository in whose workspace a token was set by hand."""
    repo = journey.repo({"app/main.tf": ""})
    journey.ana.push(repo.tree, "main")
    wish = VariableInput("token", Category.TERRAFORM, TOKEN, sensitive=True)
    journey.services.variables.put(WorkspaceVariables(f"{repo.short}-net"), wish, ADMIN)
    return repo


def test_no_sensitive_value_shows_on_the_way_from_a_pull_request_to_its_apply(journey: Journey) -> None:
    repo = begun(journey)
    number, sha = repo.pull("leak", {"net/main.tf": LEAKING})
    repo.settled(sha, f"plangate/{repo.short}-net/plan", "success")
    repo.comment_with(number, f"/apply {repo.short}-net")
    journey.ben.comment(repo.name, number, f"/apply {repo.short}-net")
    applied = repo.settled(sha, f"plangate/{repo.short}-net/apply", "success")
    repo.comment_with(number, "Apply complete!")
    run_id = repo.run_of(applied)
    with journey.services.store.reading() as tx:
        outputs = tx.artifacts.output(run_id, "plan") + tx.artifacts.output(run_id, "apply")
        plan = tx.artifacts.get(run_id, ArtifactKind.PLAN_JSON)
        state = tx.states.current(tx.runs.get(run_id).workspace_id)
        assert state is not None
        kept = json.loads(tx.states.data(state.id))
    # Terraform was handed all of it ...
    assert plan is not None
    assert TOKEN.encode() in plan
    assert kept["outputs"]["token"]["value"] == f"<{TOKEN}>"
    assert json.loads(kept["outputs"]["key"]["value"]) == {"key": KEY}
    # ... and nothing that is shown or lies on the disk in plain text has any.
    assert 'terraform_data.keys["***"] (local-exec): ***' in outputs
    assert traces(outputs) == []
    assert traces("".join(repo.bot_comments(number))) == []
    assert traces(json.dumps(journey.ana.statuses(repo.name, sha))) == []
    assert _on_disk(journey) == []
    assert _on_disk(journey, ("(local-exec)",)), "the search finds what is not encrypted"


@pytest.mark.soak
def test_no_sensitive_value_shows_where_a_plan_fails(journey: Journey) -> None:
    repo = begun(journey)
    number, sha = repo.pull("fail", {"net/main.tf": FAILING})
    failed = repo.settled(sha, f"plangate/{repo.short}-net/plan", "failure", "error")
    repo.comment_with(number, "This will not do: ***")
    with journey.services.store.reading() as tx:
        run = tx.runs.get(repo.run_of(failed))
        timeline = tx.runs.timeline(run.id)
    assert "***" in run.error
    assert traces(run.error + failed["description"] + "".join(line.message for line in timeline)) == []
    assert traces("".join(repo.bot_comments(number))) == []
    assert _on_disk(journey) == []


def _on_disk(journey: Journey, traces: tuple[str, ...] = TRACES) -> list[str]:
    """What of a secret lies readable in the database, its log, the workers' folders and the logs."""
    found = []
    for folder in (journey.stage.root / "server", journey.stage.logs):
        for path in folder.rglob("*"):
            if path.is_file() and "mirrors" not in path.parts:
                raw = path.read_bytes()
                found += [f"{path.name}: {trace}" for trace in traces if trace.encode() in raw]
    return found
