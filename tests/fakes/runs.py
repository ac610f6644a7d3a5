"""Runs, workspaces and changes for tests of the domain, complete but for what a test is about."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from bot.domain.events import Change, RepoRef
from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.run import Run, RunSource
from bot.domain.workspaces.workspace import Workspace

AT = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
LATER = AT + timedelta(minutes=1)
REPO = RepoRef("github", "acme/infra")


def a_run(run_id: str = "run-1", status: RunStatus = RunStatus.PENDING, **fields: Any) -> Run:
    about: dict[str, Any] = {
        "workspace_id": "ws-1",
        "source": RunSource.PUSH,
        "plan_only": False,
        "commit": "c1",
        "branch": "main",
        "message": "Add a bucket",
        "created_by": "ann",
        "created_at": AT,
        "status_at": AT,
    }
    return Run(id=run_id, status=status, **{**about, **fields})


def a_preview(run_id: str = "run-1", status: RunStatus = RunStatus.PENDING, **fields: Any) -> Run:
    about = {"plan_only": True, "source": RunSource.CHANGE, "change_number": 1}
    return a_run(run_id, status, **{**about, **fields})


def a_workspace(name: str = "network", **fields: Any) -> Workspace:
    return Workspace(**{"id": f"ws-{name}", "name": name, "repo": REPO, **fields})


def a_change(**fields: Any) -> Change:
    about: dict[str, Any] = {
        "repo": REPO,
        "number": 1,
        "title": "Add a bucket",
        "author": "ann",
        "head_sha": "h1",
        "head_branch": "topic",
        "base_branch": "main",
        "from_fork": False,
        "url": "https://forge.test/1",
        "default_branch": "main",
    }
    return Change(**{**about, **fields})
