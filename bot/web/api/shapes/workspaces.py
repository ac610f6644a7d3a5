"""What a workspace looks like to clients."""

from __future__ import annotations

from bot.domain.people.permissions import Action, Person, Role
from bot.domain.plans.modes import Mode
from bot.domain.runs.run import Run
from bot.domain.workspaces.workspace import ExecutionMode, Workspace, WorkspaceOrigin
from bot.services.states.history import may_write_state
from bot.web.api.documents import ApiLink, ApiLinks, ApiResource, Fields, Related, moment
from bot.web.api.gate import short_hash


def workspace_resource(
    there: Workspace,
    person: Person,
    organization: str,
    current: Run | None = None,
    state_id: str = "",
    project_id: str = "",
) -> ApiResource:
    """Return a workspace as who asks sees it. `current` is the run that holds it, or the latest one."""
    at = f"/api/v2/workspaces/{there.id}"
    relationships: dict[str, ApiLink | ApiLinks | Related] = {
        "organization": ApiLink("organizations", organization, f"/api/v2/organizations/{organization}"),
        "current-run": ApiLink(
            "runs", current.id if current else "", f"/api/v2/runs/{current.id}" if current else ""
        ),
        "latest-run": ApiLink("runs", current.id if current else ""),
        "locked-by": _locked_by(there, current),
        "current-state-version": ApiLink("state-versions", state_id, f"{at}/current-state-version"),
        "project": ApiLink("projects", project_id),
        "tag-bindings": Related(f"{at}/tag-bindings"),
    }
    about = _attributes(there, person, locked=there.lock is not None or _holds(current))
    return ApiResource("workspaces", there.id, about, relationships, {"self": at})


def tag_names(there: Workspace) -> list[str]:
    """Return the tags that are only names."""
    return list(there.tags)


def _holds(current: Run | None) -> bool:
    return current is not None and current.holds_workspace


def _locked_by(there: Workspace, current: Run | None) -> ApiLink:
    """Return who has the lock: there is one, for people and for runs."""
    if there.lock is not None:
        return ApiLink("users", f"user-{short_hash(there.lock.by)}")
    return ApiLink("runs", current.id if current is not None and current.holds_workspace else "")


def _attributes(there: Workspace, person: Person, *, locked: bool) -> Fields:
    details = there.details
    made_here = there.origin is WorkspaceOrigin.API
    created_at = moment(details.created_at) or "2026-01-01T00:00:00.000Z"
    return {
        "name": there.name,
        "description": details.description,
        "environment": "default",
        "auto-apply": there.auto_apply,
        "auto-apply-run-trigger": there.auto_apply_run_triggers,
        "allow-destroy-plan": Mode.DESTROY in there.allowed_modes,
        "locked": locked,
        "locked-reason": there.lock.reason if there.lock else "",
        "execution-mode": details.execution.value,
        "operations": details.execution is not ExecutionMode.LOCAL,
        "setting-overwrites": {"execution-mode": True, "agent-pool": True},
        "terraform-version": there.engine_version or "latest",
        "working-directory": there.working_directory,
        "tag-names": tag_names(there),
        "structured-run-output-enabled": False,
        "global-remote-state": there.shares_with_all,
        "queue-all-runs": False,
        "speculative-enabled": True,
        "file-triggers-enabled": there.triggers.file_triggers and there.has_repo,
        "trigger-prefixes": list(there.triggers.prefixes),
        "trigger-patterns": list(there.triggers.patterns),
        "source": "tfe-api" if made_here else "tfe-ui",
        "source-name": None,
        "source-url": None,
        "resource-count": 0,
        "assessments-enabled": False,
        "created-at": created_at,
        "updated-at": created_at,
        "vcs-repo": _repository(there),
        "actions": {"is-destroyable": made_here and person.may(Action.FORCE_UNLOCK)},
        "permissions": _permissions(there, person),
    }


def _repository(there: Workspace) -> Fields | None:
    if not there.has_repo:
        return None
    return {
        "identifier": there.repo.path,
        "display-identifier": there.repo.path,
        "branch": there.branch,
        "ingress-submodules": False,
        "oauth-token-id": "",
        "repository-http-url": "",
        "service-provider": there.repo.forge,
        "tags-regex": there.triggers.tag_regex,
    }


def _permissions(there: Workspace, person: Person) -> Fields:
    may = person.may
    owns = there.origin is WorkspaceOrigin.API and person.role >= Role.ADMIN
    return {
        "can-read-run": True,
        "can-queue-run": may(Action.PLAN),
        "can-queue-apply": may(Action.CONFIRM),
        "can-queue-destroy": may(Action.CONFIRM) and Mode.DESTROY in there.allowed_modes,
        "can-lock": may(Action.LOCK),
        "can-unlock": may(Action.LOCK),
        "can-force-unlock": may(Action.FORCE_UNLOCK),
        "can-read-settings": True,
        "can-update": owns,
        "can-destroy": owns,
        "can-force-delete": owns,
        "can-read-variable": True,
        "can-update-variable": may(Action.EDIT_VARIABLES),
        "can-read-state-versions": may(Action.EDIT_STATE),
        "can-read-state-outputs": may(Action.EDIT_STATE),
        "can-create-state-versions": may_write_state(there, person),
        "can-manage-tags": owns,
        "can-manage-run-tasks": False,
    }
