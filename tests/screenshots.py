"""Takes the screenshots in docs/screenshots: tells the demo's story, goes on a little, looks at each page.

`make screenshots` runs it. Needs Chromium.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from playwright.sync_api import Browser, ViewportSize, sync_playwright

from bot.demo import sample
from bot.demo.people import person
from bot.demo.screen import Screen
from bot.demo.stage import Stage
from bot.demo.story import Story
from bot.domain.people.permissions import Person, Role
from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.run import Run
from bot.services.ports import RunQuery
from bot.services.variables.editor import VariableInput, WorkspaceVariables
from bot.wiring import Services, build, configured
from tests.browser.conftest import CHROMIUM

T = TypeVar("T")
FOLDER = Path(__file__).parents[1] / "docs" / "screenshots"
SIZE: ViewportSize = {"width": 1280, "height": 800}
MOST_BYTES = 150_000
PATIENCE = 90.0
ADMIN = Person("admin", Role.OWNER)
REPO = sample.REPOS["github"]
_ZONES = ('["a", "b"]', '["a", "b", "c"]')
_TIER = ("cidr = each.value,", "cidr = each.value, tier = 1,")
THIRD_ZONE = {name: text.replace(*_ZONES).replace(*_TIER) for name, text in sample.CHANGE.items()}
SETTINGS = {
    "PLANGATE_LOCAL_ADMIN": ADMIN.login,
    "PLANGATE_SWEEP_SECONDS": "2",
    "PLANGATE_TERRAFORM_FROM_PATH": "false",
}


def main() -> int:
    """Take them all. Returns 1 where one is too large."""
    if CHROMIUM is None:
        sys.stderr.write("no Chromium here: apt install chromium\n")
        return 1
    root = Path(tempfile.mkdtemp(prefix="plangate-"))
    stage = Stage(root / "stage", sample.manifest("github"), SETTINGS)
    try:
        Story(stage, Screen()).tell()
        services = build(configured(stage.environment()))
        paths = _go_on(stage, services)
        FOLDER.mkdir(parents=True, exist_ok=True)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            for scheme in ("light", "dark"):
                _shoot(browser, stage, scheme, paths)
            browser.close()
    finally:
        stage.stop()
        shutil.rmtree(root, ignore_errors=True)
    large = [path.name for path in sorted(FOLDER.glob("*.png")) if path.stat().st_size > MOST_BYTES]
    if large:
        sys.stderr.write(f"too large: {', '.join(large)}\n")
    return 1 if large else 0


def _go_on(stage: Stage, services: Services) -> Mapping[str, str]:
    """Open another change, have a run wait for a person, lock a workspace; return the pages' paths."""
    ana = person(stage, "ana")
    tree = ana.clone(REPO, stage.root / "again")
    for variable in (
        VariableInput("region", value="eu-central-1", description="Where all of it is"),
        VariableInput("database_password", value="correct horse", sensitive=True),
    ):
        services.variables.put(WorkspaceVariables("network-prod"), variable, ADMIN)
    services.workspace_locks.lock("app-prod", ADMIN, "The shop's release is on Thursday")
    ana.git(tree, "checkout", "-q", "-B", "staging", "origin/staging")
    ana.commit(tree, "Two zones in staging too", sample.CHANGE)
    ana.push(tree, "staging")
    asks = _until(lambda: _run(services, "network-staging", RunStatus.PLANNED))
    ana.git(tree, "checkout", "-q", "-B", "third-zone", "origin/main")
    head = ana.commit(tree, "A third zone", THIRD_ZONE)
    ana.push(tree, "third-zone")
    ana.open_pull(REPO, "third-zone", "Give the network a third zone")
    preview = _until(lambda: _run(services, "network-prod", RunStatus.PLANNED_AND_FINISHED, head))
    applied = _until(lambda: _run(services, "network-prod", RunStatus.APPLIED))
    with services.store.reading() as tx:
        repo = tx.workspaces.named("network-prod").repo
        change = tx.changes.open_of(repo, 1)[0].id
        state = tx.states.versions(tx.workspaces.named("network-prod").id, 1)[0]
    # Nothing runs any more: the picture of the estate has something to connect.
    with services.store.transaction() as tx:
        for name in ("app-prod", "network-staging"):
            tx.workspaces.put(replace(tx.workspaces.named(name), run_triggers=("network-prod",)))
    workspace = "/workspaces/network-prod"
    return {
        "workspaces": "/",
        "runs": "/runs",
        "estate": "/estate",
        "resources": "/resources",
        "workspace": workspace,
        "run-to-confirm": f"/runs/{asks.id}",
        "run-of-a-preview": f"/runs/{preview.id}",
        "run-applied": f"/runs/{applied.id}",
        "change": f"/changes/{change}",
        "queue-plan": f"{workspace}/queue-plan",
        "variables": f"{workspace}/variables",
        "state": f"{workspace}/states/{state.id}",
        "settings": f"{workspace}/settings",
        "variable-sets": "/variable-sets",
        "states": f"{workspace}/states",
        "deliveries": "/deliveries",
        "activity": "/activity",
        "tokens": "/tokens",
        "sign-in": "/sign-in",
    }


def _run(services: Services, name: str, status: RunStatus, commit: str | None = None) -> Run | None:
    with services.store.reading() as tx:
        place, wanted = tx.workspaces.named(name).id, frozenset({status.value})
        query = RunQuery(workspace_id=place, statuses=wanted, commit=commit, limit=1)
        return next(iter(tx.runs.find(query)), None)


def _until(ask: Callable[[], T | None]) -> T:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if (found := ask()) is not None:
            return found
        time.sleep(0.2)
    raise SystemExit("what should be shown did not come about")


def _shoot(browser: Browser, stage: Stage, scheme: str, paths: Mapping[str, str]) -> None:
    with browser.new_context(
        viewport=SIZE, color_scheme="dark" if scheme == "dark" else "light", reduced_motion="reduce"
    ) as context:
        page = context.new_page()
        page.goto(stage.sign_in_address())
        page.wait_for_url(f"{stage.url}/")
        for name, path in paths.items():
            page.goto(f"{stage.url}{path}")
            page.screenshot(path=str(FOLDER / f"{name}-{scheme}.png"))


if __name__ == "__main__":
    sys.exit(main())
