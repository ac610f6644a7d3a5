"""The real pytfe drives Plangate: workspaces, variables, uploads, runs, plans, applies, states.

Pytfe checks each answer by its models, so that a field of a wrong type fails here.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytfe import TFEClient, TFEConfig
from pytfe.errors import NotFound, TFEError
from pytfe.models import (
    CategoryType,
    ConfigurationVersionCreateOptions,
    Run,
    RunCreateOptions,
    RunListOptions,
    StateVersionCreateOptions,
    StateVersionListOptions,
    VariableCreateOptions,
    VariableUpdateOptions,
    Workspace,
    WorkspaceCreateOptions,
    WorkspaceListOptions,
    WorkspaceLockOptions,
    WorkspaceUpdateOptions,
)

from bot.domain.people.accounts import Account
from bot.domain.people.permissions import Person, Role
from tests.support.journeys import ROOMS, Journey, manifest

pytestmark = pytest.mark.e2e

ORGANIZATION = "plangate"
CONFIGURATION = """variable "word" {
  type = string
}

resource "terraform_data" "one" {
  input = var.word
}

output "word" {
  value = terraform_data.one.output
}

output "hidden" {
  value     = "s3cret-${var.word}"
  sensitive = true
}
"""


@pytest.fixture(scope="module")
def journey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Journey]:
    # Nothing of a forge is of interest here, so nothing is asked of it.
    calm = {"PLANGATE_CATCH_UP_CALLS": "0", "PLANGATE_SWEEP_SECONDS": "5"}
    root = tmp_path_factory.mktemp("pytfe")
    with Journey(root, manifest(ROOMS[:1]), PLANGATE_OWNERS="ana", **calm) as found:
        found.repo()
        yield found


@pytest.fixture
def tfe(journey: Journey) -> Iterator[TFEClient]:
    token = journey.services.tokens.make(Account("github", "ana"), Person("ana", Role.NONE), "sdk", "admin")
    with TFEClient(TFEConfig(address=journey.stage.url, token=token)) as client:
        yield client


def test_pytfe_takes_a_workspace_from_its_first_upload_to_its_end(
    journey: Journey, tfe: TFEClient, tmp_path: Path
) -> None:
    made = tfe.workspaces.create(
        ORGANIZATION, WorkspaceCreateOptions.model_validate({"name": "sdk", "description": "from Python"})
    )
    _work_on_the_settings(tfe, made)
    _work_on_the_variables(tfe, made)

    run = _planned(journey, tfe, made, tmp_path)
    assert run.plan is not None and run.apply is not None
    plan = tfe.plans.read(run.plan.id)
    assert (plan.status, plan.has_changes, plan.resource_additions) == ("finished", True, 1)
    document = tfe.plans.read_json_output(run.plan.id)
    assert document is not None
    assert [each["address"] for each in document["resource_changes"]] == ["terraform_data.one"]
    tfe.runs.apply(run.id)
    assert journey.until(lambda: _ended(tfe, run), "the end of the apply") == "applied"
    applied = tfe.applies.read(run.apply.id)
    assert (applied.status, applied.resource_additions) == ("finished", 1)
    assert [each.id for each in tfe.runs.list(made.id, RunListOptions.model_validate({}))] == [run.id]

    _work_on_the_states(tfe, made)
    tfe.workspaces.delete_by_id(made.id)
    with pytest.raises(NotFound):
        tfe.workspaces.read_by_id(made.id)


def _work_on_the_settings(tfe: TFEClient, made: Workspace) -> None:
    changed = tfe.workspaces.update_by_id(
        made.id, WorkspaceUpdateOptions.model_validate({"description": "of a program"})
    )
    assert (changed.id, changed.description, changed.auto_apply) == (made.id, "of a program", False)
    assert tfe.workspaces.read("sdk", organization=ORGANIZATION).id == made.id
    listed = tfe.workspaces.list(
        ORGANIZATION, options=WorkspaceListOptions.model_validate({"search[name]": "sd"})
    )
    assert [each.id for each in listed] == [made.id]
    assert tfe.workspaces.lock(made.id, WorkspaceLockOptions.model_validate({"reason": "a look"})).locked
    assert not tfe.workspaces.unlock(made.id).locked
    with pytest.raises(TFEError) as refused:
        tfe.workspaces.create(ORGANIZATION, WorkspaceCreateOptions.model_validate({"name": "sdk"}))
    assert refused.value.status == 422


def _work_on_the_variables(tfe: TFEClient, made: Workspace) -> None:
    word = tfe.variables.create(
        made.id, VariableCreateOptions(key="word", value="first", category=CategoryType.TERRAFORM)
    )
    secret = tfe.variables.create(
        made.id,
        VariableCreateOptions(key="TOKEN", value="s3cret", category=CategoryType.ENV, sensitive=True),
    )
    assert word.id and secret.id and not secret.value
    assert tfe.variables.update(made.id, word.id, VariableUpdateOptions(value="second")).value == "second"
    assert {each.key for each in tfe.variables.list(made.id)} == {"word", "TOKEN"}
    assert {each.key for each in tfe.variables.list_all(made.id)} == {"word", "TOKEN"}
    tfe.variables.delete(made.id, secret.id)
    assert [each.id for each in tfe.variables.list(made.id)] == [word.id]
    assert tfe.variables.read(made.id, word.id).value == "second"


def _planned(journey: Journey, tfe: TFEClient, made: Workspace, folder: Path) -> Run:
    """Upload a configuration; return its run once it is planned."""
    (folder / "main.tf").write_text(CONFIGURATION)
    version = tfe.configuration_versions.create(
        made.id, ConfigurationVersionCreateOptions.model_validate({"auto-queue-runs": False})
    )
    assert version.upload_url
    tfe.configuration_versions.upload(version.upload_url, str(folder))
    assert tfe.configuration_versions.read(version.id).status == "uploaded"
    # By their ids: pytfe can't write the times that it has read.
    options = {
        "workspace": {"id": made.id},
        "configuration-version": {"id": version.id},
        "message": "from Python",
    }
    run = tfe.runs.create(RunCreateOptions.model_validate(options))
    assert run.message == "from Python"
    assert journey.until(lambda: _ended(tfe, run), "the plan") == "planned"
    return tfe.runs.read(run.id)


def _ended(tfe: TFEClient, run: Run) -> str | None:
    """Return the status of a run that waits for somebody or has ended, None while it works."""
    found = tfe.runs.read(run.id)
    assert found.status is not None
    waits = found.actions is not None and found.actions.is_confirmable
    return found.status.value if waits or found.status.value in ("applied", "errored", "canceled") else None


def _work_on_the_states(tfe: TFEClient, made: Workspace) -> None:
    current = tfe.state_versions.read_current(made.id)
    state = json.loads(tfe.state_versions.download(current.id))
    assert state["outputs"]["word"]["value"] == "second"
    outputs = {each.name: each for each in tfe.state_versions.list_outputs(current.id)}
    assert (outputs["word"].value, outputs["hidden"].value) == ("second", None)
    assert {each.name for each in tfe.state_version_outputs.read_current(made.id)} == {"word", "hidden"}

    state["serial"] += 1
    state["outputs"]["word"]["value"] = "third"
    raw = json.dumps(state).encode()
    about = {
        "serial": state["serial"],
        "lineage": state["lineage"],
        "md5": hashlib.md5(raw).hexdigest(),
        "state": base64.b64encode(raw).decode(),
    }
    claim = StateVersionCreateOptions.model_validate(about)
    with pytest.raises(TFEError):
        tfe.state_versions.create(made.id, claim)
    tfe.workspaces.lock(made.id, WorkspaceLockOptions.model_validate({"reason": "a push"}))
    pushed = tfe.state_versions.create(made.id, claim)
    tfe.workspaces.unlock(made.id)
    assert tfe.state_versions.read_current(made.id).id == pushed.id
    there = {"filter[organization][name]": ORGANIZATION, "filter[workspace][name]": "sdk"}
    listed = tfe.state_versions.list(StateVersionListOptions.model_validate(there))
    assert {pushed.id, current.id} <= {each.id for each in listed}
