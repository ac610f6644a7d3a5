"""What runs, plans and applies look like to clients."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from bot.domain.ids import apply_id, plan_id
from bot.domain.people.permissions import Action, Person
from bot.domain.runs import actions, lifecycle
from bot.domain.runs.lifecycle import RunStatus, StageStatus
from bot.domain.runs.run import Run, RunEvent, RunSource
from bot.domain.workspaces.variables import Variable
from bot.domain.workspaces.workspace import Workspace
from bot.services.plans.snapshot import own_variables_of_all
from bot.services.ports import Transaction
from bot.web.api import signed
from bot.web.api.documents import ApiLink, ApiLinks, ApiResource, Fields, Related, moment
from bot.web.api.gate import short_hash
from bot.web.api.shapes.policy_checks import policy_check_id, was_judged
from bot.web.request.services import services

_CLI = "terraform+cloud"
_SOURCES = {RunSource.API: "tfe-api", RunSource.PUSH: "tfe-configuration-version"}


def run_resource(tx: Transaction, run: Run, there: Workspace, person: Person) -> ApiResource:
    """Return a run as who asks sees it."""
    return run_resources(tx, [(run, there, person)])[0]


def run_resources(tx: Transaction, seen: Sequence[tuple[Run, Workspace, Person]]) -> list[ApiResource]:
    """Return runs as who asks sees them, by as many queries as for one."""
    ids = [run.id for run, _, _ in seen]
    timelines, own = tx.runs.timelines(ids), own_variables_of_all(tx, ids)
    waiting = {run.workspace_id for run, _, _ in seen if _waits(run)}
    queues = tx.runs.queues(waiting) if waiting else {}
    return [
        _run_resource(
            run,
            there,
            person,
            timelines.get(run.id, ()),
            _variables(own.get(run.id, ()), person),
            _position(queues.get(run.workspace_id, ()), run),
        )
        for run, there, person in seen
    ]


def _run_resource(
    run: Run,
    there: Workspace,
    person: Person,
    timeline: Sequence[RunEvent],
    variables: Sequence[Fields],
    position: int,
) -> ApiResource:
    at = f"/api/v2/runs/{run.id}"
    checks = (policy_check_id(run.id),) if was_judged(timeline) else ()
    relationships: dict[str, ApiLink | ApiLinks | Related] = {
        "workspace": ApiLink("workspaces", there.id, f"/api/v2/workspaces/{there.id}"),
        "plan": ApiLink("plans", plan_id(run.id), f"{at}/plan"),
        "apply": ApiLink("applies", apply_id(run.id), f"{at}/apply"),
        "configuration-version": ApiLink("configuration-versions", configuration_id(run)),
        "created-by": ApiLink("users", f"user-{short_hash(run.created_by)}"),
        "run-events": ApiLinks("run-events", (), f"{at}/run-events"),
        "comments": Related(f"{at}/comments"),
        "task-stages": ApiLinks("task-stages"),
        "policy-checks": ApiLinks("policy-checks", checks, f"{at}/policy-checks"),
    }
    about = _run_attributes(run, person, timeline)
    about |= {"variables": variables, "position-in-queue": position}
    return ApiResource("runs", run.id, about, relationships, {"self": at})


def configuration_id(run: Run) -> str:
    """Return the id of what a run is fixed to: an upload, or its own commit under an id of the run's body."""
    return run.configuration_version or "cv-" + run.id.removeprefix("run-")


def plan_resource(tx: Transaction, run: Run) -> ApiResource:
    """Return the plan of a run."""
    return ApiResource(
        "plans",
        plan_id(run.id),
        _stage(tx, run, "plan") | {"generated-configuration": False, "execution-details": {"mode": "remote"}},
        {"state-versions": ApiLinks("state-versions")},
        {"self": f"/api/v2/plans/{plan_id(run.id)}"},
    )


def apply_resource(tx: Transaction, run: Run) -> ApiResource:
    """Return the apply of a run."""
    return ApiResource(
        "applies",
        apply_id(run.id),
        _stage(tx, run, "apply") | {"execution-details": {"mode": "remote"}},
        {"state-versions": ApiLinks("state-versions")},
        {"self": f"/api/v2/applies/{apply_id(run.id)}"},
    )


def event_resource(event: RunEvent, number: int) -> ApiResource:
    """Return a line of a run's timeline."""
    body = event.run_id.removeprefix("run-")
    about = {"action": event.kind.replace(" ", "_"), "description": event.message}
    about["created-at"] = moment(event.at) or ""
    return ApiResource("run-events", f"re-{body}-{number}", {**about, "target": None})


def _run_attributes(run: Run, person: Person, timeline: Sequence[RunEvent]) -> Fields:
    known, now = services().config, services().clock.now()
    possible = actions.possible(run, person, now, known.cool_off)
    modes = run.modes
    cancel = run.cancel_requested_at
    return {
        # HashiCorp's word for a saved plan that was confirmed and waits for its turn.
        "status": RunStatus.CONFIRMED.value if run.saved_and_confirmed else run.status.value,
        "actions": {
            "is-cancelable": run.cancelable and Action.CANCEL in possible,
            "is-confirmable": run.awaits_confirmation and bool(run.has_changes or run.allow_empty_apply),
            "is-discardable": run.discardable,
            "is-force-cancelable": Action.FORCE_CANCEL in possible,
        },
        "permissions": {
            "can-apply": person.may(Action.CONFIRM),
            "can-cancel": person.may(Action.CANCEL),
            "can-discard": person.may(Action.DISCARD),
            "can-comment": person.may(Action.COMMENT),
            "can-force-cancel": person.may(Action.FORCE_CANCEL),
            "can-force-execute": person.may(Action.FORCE_EXECUTE),
            # `apply -auto-approve` would override by itself: a person does that, on the page.
            "can-override-policy-check": False,
        },
        "has-changes": bool(run.has_changes),
        "plan-only": run.speculative,
        "save-plan": run.save_plan,
        "auto-apply": run.auto_apply,
        "allow-empty-apply": run.allow_empty_apply,
        "allow-config-generation": False,
        "is-destroy": modes.destroy,
        "refresh": modes.refresh,
        "refresh-only": modes.refresh_only,
        "target-addrs": list(modes.target_addrs),
        "replace-addrs": list(modes.replace_addrs),
        "message": run.message,
        "source": _CLI if run.client.startswith("Terraform/") else _SOURCES.get(run.source, "tfe-ui"),
        "terraform-version": run.engine_version,
        "trigger-reason": "manual",
        "created-at": moment(run.created_at),
        "status-timestamps": _timestamps(timeline),
        "canceled-at": moment(cancel),
        "force-cancel-available-at": moment(cancel + known.cool_off) if cancel and not run.final else None,
    }


def _variables(own: Sequence[Variable], person: Person) -> list[Fields]:
    """Return the run's own variables. Their values are for people who may set the workspace's."""
    shown = person.may(Action.EDIT_VARIABLES)
    return [{"key": each.key, "value": "" if each.sensitive or not shown else each.value} for each in own]


def _waits(run: Run) -> bool:
    return not run.plan_only and run.status is RunStatus.PENDING


def _position(queue: Sequence[Run], run: Run) -> int:
    """Return the place in the workspace's queue; 0 for one that is at work."""
    return next((at for at, each in enumerate(queue) if each.id == run.id), 0) if _waits(run) else 0


def _stage(tx: Transaction, run: Run, stage: str) -> Fields:
    counts = run.counts
    applied = stage == "plan" or run.status is RunStatus.APPLIED
    status = run.plan_status if stage == "plan" else _apply_status(run)
    shown = counts if applied else None
    return {
        "status": status.value,
        "status-timestamps": _stage_times(tx.runs.timeline(run.id), stage),
        "log-read-url": signed.address(f"logs/{run.id}/{stage}"),
        "has-changes": bool(run.has_changes),
        "resource-additions": shown.add if shown else 0,
        "resource-changes": shown.change if shown else 0,
        "resource-destructions": shown.destroy if shown else 0,
        "resource-imports": shown.imports if shown else 0,
        "structured-run-output-enabled": False,
    }


def _apply_status(run: Run) -> StageStatus:
    """Return the apply's own status. One that never comes is unreachable."""
    if run.final and run.apply_status is StageStatus.PENDING:
        return StageStatus.UNREACHABLE
    return run.apply_status


def _timestamps(timeline: Sequence[RunEvent]) -> Fields:
    found: Fields = {}
    for event in timeline:
        if event.kind in lifecycle.TRANSITIONS:
            found[f"{event.kind.replace('_', '-')}-at"] = moment(event.at)
    return found


def _stage_times(timeline: Sequence[RunEvent], stage: str) -> Fields:
    begins = RunStatus.PLANNING if stage == "plan" else RunStatus.APPLYING
    begun: datetime | None = None
    for event in timeline:
        if event.kind == begins.value:
            begun = event.at
        elif begun is not None and event.kind in lifecycle.TRANSITIONS:
            return {"started-at": moment(begun), "finished-at": moment(event.at)}
    return {"started-at": moment(begun)} if begun else {}
