"""Drift on real processes: a state is edited, a check finds it, the page shows it, and an apply undoes it."""

from __future__ import annotations

import html
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from bot.domain.people.audit import AuditAction
from bot.domain.people.permissions import Person, Role
from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.run import Run, RunSource
from bot.services.ports import AuditQuery, DriftRecord, RunQuery
from tests.support.journeys import Journey, Repo, resource, rooms
from tests.support.receivers import HttpReceiver, http_receiver

pytestmark = pytest.mark.e2e

ADMIN = Person("admin", Role.OWNER)
PLACE = "net"
CONFIGURATION = resource("kept", "as applied") + resource("lost", "here") + resource("same", "same")


@pytest.fixture(scope="module")
def receiver() -> Iterator[HttpReceiver]:
    with http_receiver() as found:
        yield found


@pytest.fixture(scope="module")
def journey(tmp_path_factory: pytest.TempPathFactory, receiver: HttpReceiver) -> Iterator[Journey]:
    """A stage with a workspace that is checked once a year, so that only people who ask have it checked."""
    repo = rooms("github")[0]
    name = f"{repo.rpartition('/')[2]}-{PLACE}"
    text = f"""
forges:
  {{kind}}: {{kind: {{kind}}, url: "{{forge}}"}}
notifications:
  program:
    kind: webhook
    url: "{receiver.url}/in"
    key_env: PROGRAM_KEY
    triggers: [drifted, drift_resolved]
workspaces:
  - {{name: {name}, repo: {repo}, working_directory: {PLACE}, drift: "0 0 29 2 *"}}
"""
    with Journey(tmp_path_factory.mktemp("drift"), text, PROGRAM_KEY="a key") as found:
        yield found


class Browser:
    """The local administrator's browser."""

    def __init__(self, journey: Journey) -> None:
        self.url = journey.stage.url
        self.client = httpx.Client(follow_redirects=True, timeout=60)
        form = self.client.get(f"{self.url}/")
        password = journey.stage.sign_in_address().partition("#")[2]
        assert self.client.post(form.url, data={"password": password, "next": "/"}).status_code == 200

    def read(self, path: str) -> str:
        answer = self.client.get(f"{self.url}{path}")
        assert answer.status_code == 200, answer.text
        return html.unescape(answer.text)

    def press(self, path: str, button: str) -> httpx.Response:
        """Send the form of a page whose button has these words."""
        page = self.client.get(f"{self.url}{path}").text
        forms = re.findall(r'<form method="post" action="([^"]+)"[^>]*>(.*?)</form>', page, re.DOTALL)
        action, body = next(form for form in forms if f">{button}</button>" in form[1])
        fields = dict(re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', body))
        answer = self.client.post(f"{self.url}{html.unescape(action)}", data=fields)
        assert answer.status_code == 200, answer.text
        return answer


def plangate(journey: Journey, *words: str, stdin: bytes = b"") -> bytes:
    """Run a command on the stage's server, as an operator does."""
    command = [sys.executable, "-m", "bot.cli", *words]
    done = subprocess.run(
        command, env=journey.stage.environment(), input=stdin, capture_output=True, timeout=120, check=False
    )
    assert done.returncode == 0, (words, done.stdout, done.stderr)
    return done.stdout


def lasting(journey: Journey, name: str) -> DriftRecord | None:
    with journey.services.store.reading() as tx:
        return tx.drifts.lasting(tx.workspaces.named(name).id)


def runs(journey: Journey, name: str, **query: Any) -> list[Run]:
    """Return the runs of a workspace, newest first."""
    with journey.services.store.reading() as tx:
        return list(tx.runs.find(RunQuery(workspace_id=tx.workspaces.named(name).id, **query)))


def state(journey: Journey, name: str) -> Any:
    with journey.services.store.reading() as tx:
        current = tx.states.current(tx.workspaces.named(name).id)
        assert current is not None
        return json.loads(tx.states.data(current.id))


def edited(document: Any) -> Any:
    """Return a state in which one resource has another value and one is forgotten."""
    resources = [each for each in document["resources"] if each["name"] != "lost"]
    for each in resources:
        if each["name"] == "kept":
            attributes = each["instances"][0]["attributes"]
            attributes["input"]["value"] = attributes["output"]["value"] = "by hand"
    return document | {"serial": document["serial"] + 1, "resources": resources}


def told(journey: Journey, receiver: HttpReceiver, number: int) -> list[tuple[str, str]]:
    """Wait until the program was told so many events, and return all of them."""
    journey.until(lambda: len(receiver.calls) >= number or None, f"{number} messages")
    found = [json.loads(call.body)["notifications"] for call in receiver.calls]
    return [(each["trigger"], each["message"]) for part in found for each in part]


def applied(repo: Repo, run: Run) -> None:
    """Confirm a run once it waits, and wait for the end of its apply."""
    journey = repo.journey

    def is_(*statuses: RunStatus) -> bool | None:
        with journey.services.store.reading() as tx:
            return tx.runs.get(run.id).status in statuses or None

    journey.until(lambda: is_(RunStatus.PLANNED, RunStatus.POLICY_CHECKED), f"the plan of {run.id}")
    journey.services.controls.confirm(run.id, ADMIN)
    journey.until(lambda: is_(RunStatus.APPLIED), f"the apply of {run.id}")


def test_an_edited_state_is_found_shown_told_and_undone_by_an_apply(
    journey: Journey, receiver: HttpReceiver
) -> None:
    repo = journey.repo({f"{PLACE}/main.tf": CONFIGURATION})
    name = f"{repo.short}-{PLACE}"
    journey.ana.push(repo.tree, "main")
    (first,) = journey.until(lambda: runs(journey, name) or None, "the first run")
    applied(repo, first)
    browser, path = Browser(journey), f"/workspaces/{name}/drift"

    # Nothing has drifted yet, and a check says so.
    assert "No drift is known" in browser.read(path)
    browser.press(path, "Check now")
    journey.until(lambda: "No drift</" in browser.read(path) or None, "a check that finds nothing")
    assert lasting(journey, name) is None

    plangate(journey, "states", "push", name, "-", stdin=json.dumps(edited(state(journey, name))).encode())
    browser.press(path, "Check now")
    found = journey.until(lambda: lasting(journey, name), "the drift")
    assert {each.address: each.words for each in found.resources} == {
        "terraform_data.kept": "an apply would update it: input, output",
        "terraform_data.lost": "an apply would create it",
    }
    page = browser.read(path)
    for words in ("Drifted", "terraform_data.kept", "terraform_data.lost", "pushed from a file by"):
        assert words in page
    assert "terraform_data.same" not in page
    # Names of attributes, never values.
    assert "by hand" not in page
    assert name in browser.read("/drift")
    assert "Drifted" in browser.read("/")
    assert told(journey, receiver, 1) == [("assessment:drifted", f"{name} drifted: 2 resources")]
    check = runs(journey, name)[0]
    assert (check.id, check.source, check.plan_only) == (found.run_id, RunSource.DRIFT, True)

    browser.press(path, "Apply the configuration")
    undo = runs(journey, name, plan_only=False)[0]
    assert undo.id != first.id
    applied(repo, undo)
    journey.until(lambda: lasting(journey, name) is None or None, "the end of the drift")
    page = browser.read(path)
    assert "Not as it was applied" not in page
    assert f"{undo.id} brought the configuration into effect" in re.sub(r"<[^>]+>", "", page)
    names = {each["name"]: each["instances"][0]["attributes"] for each in state(journey, name)["resources"]}
    assert (names["kept"]["output"]["value"], names["lost"]["output"]["value"]) == ("as applied", "here")
    with journey.services.store.reading() as tx:
        deeds = [each.deed for each in tx.audit.find(AuditQuery()) if each.workspace == name]
    drift = [each for each in deeds if each in (AuditAction.DRIFTED, AuditAction.DRIFT_RESOLVED)]
    assert drift == [AuditAction.DRIFT_RESOLVED, AuditAction.DRIFTED]
    assert [trigger for trigger, _ in told(journey, receiver, 2)] == [
        "assessment:drifted",
        "assessment:drift_resolved",
    ]
