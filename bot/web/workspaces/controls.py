"""Controlling a workspace from its pages: Queue Plan with its options, lock, unlock, and the state's lock."""

from __future__ import annotations

from collections.abc import Sequence

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from bot.domain.people.permissions import Action, Person
from bot.domain.plans.modes import Mode, make_modes
from bot.domain.runs.auto_apply import auto_applies
from bot.domain.runs.run import Run, RunSource
from bot.domain.workspaces.workspace import Workspace
from bot.services.ports import StateLock, Transaction
from bot.services.runs.queue_plan import PlanOptions
from bot.web.page import elements
from bot.web.page.layout import Button, Link
from bot.web.page.output import harmless
from bot.web.request import access, bodies
from bot.web.request.services import services
from bot.web.runs import json_answers
from bot.web.workspaces.context import WorkspaceControls
from bot.web.workspaces.queue_plan_context import ModeField, QueuePlanPage

blueprint = Blueprint("controls", __name__)

_FIELDS = {
    Mode.DESTROY: ModeField("destroy", "Destroy", "plan to destroy all managed resources", False),
    Mode.REFRESH_ONLY: ModeField(
        "refresh_only", "Refresh only", "only update the state from the real infrastructure", False
    ),
    Mode.REPLACE: ModeField("replace", "Replace", "replace these resources, one per line", True),
    Mode.TARGET: ModeField("target", "Target", "only these resources or modules, one per line", True),
}


@blueprint.get("/workspaces/<path:name>/queue-plan")
def ask(name: str) -> str:
    """Show the form."""
    person = access.person_asking()
    with services().store.reading() as tx:
        workspace = tx.workspaces.named(name)
    allowed = workspace.allowed_modes
    missing = ", ".join(f"-{mode.value}" for mode in Mode if mode not in allowed)
    page = QueuePlanPage(
        chrome=elements.chrome(f"Queue plan · {workspace.name}", person, "workspaces"),
        workspace=Link(workspace.name, elements.workspace_url(workspace.name)),
        branch=harmless(workspace.branch) or "the default branch",
        token=access.form_token(person),
        action=url_for(".queue_plan", name=workspace.name) if person.may(Action.PLAN) else "",
        modes=tuple(_FIELDS[mode] for mode in Mode if mode in allowed),
        not_allowed=missing,
        applies_by_itself=auto_applies(workspace, RunSource.MANUAL, may_apply=person.may(Action.CONFIRM)),
    )
    return render_template("queue_plan.html", page=page)


@blueprint.post("/workspaces/<path:name>/queue-plan")
def queue_plan(name: str) -> Response:
    """Queue the plan, and show its run."""
    person = access.person_asking()
    form = request.form
    modes = make_modes(
        destroy="destroy" in form,
        refresh_only="refresh_only" in form,
        replace=_lines(form.get("replace", "")),
        target=_lines(form.get("target", "")),
    )
    options = PlanOptions(modes, "plan_only" in form, form.get("message", ""))
    run = services().manual_runs.queue_plan(name, person, options)
    if bodies.wants_json():
        return json_answers.run(run.id, 202)
    return redirect(elements.run_url(run.id), 303)


@blueprint.post("/workspaces/<path:name>/lock")
def lock(name: str) -> Response:
    """Hold the workspace."""
    services().workspace_locks.lock(name, access.person_asking(), request.form.get("reason", ""))
    return _then(name)


@blueprint.post("/workspaces/<path:name>/unlock")
def unlock(name: str) -> Response:
    """Unlock the workspace; another's lock by force."""
    services().workspace_locks.unlock(name, access.person_asking(), force="force" in request.args)
    return _then(name)


@blueprint.post("/workspaces/<path:name>/release-state")
def release_state(name: str) -> Response:
    """Take Terraform's lock off the state."""
    services().workspace_locks.release_state(name, access.person_asking())
    return _then(name)


def _then(name: str) -> Response:
    """Redirect to the workspace, or answer a program in JSON."""
    if bodies.wants_json():
        return json_answers.workspace(name)
    return redirect(elements.workspace_url(name), 303)


def build(tx: Transaction, workspace: Workspace, queue: Sequence[Run], person: Person) -> WorkspaceControls:
    """Return what this person may do with the workspace now; the service checks it again."""
    standing = tx.states.locked(workspace.id)
    holder = next((run for run in queue if run.holds_workspace), None)
    may_lock = workspace.active and workspace.lock is None and person.may(Action.LOCK)
    return WorkspaceControls(
        token=access.form_token(person),
        queue_url=url_for("controls.ask", name=workspace.name)
        if person.may(Action.PLAN) and workspace.active
        else "",
        lock_url=url_for("controls.lock", name=workspace.name) if may_lock and holder is None else "",
        why_not=f"It can be locked once {holder.id} is finished." if may_lock and holder else "",
        buttons=tuple(_buttons(workspace, person, standing, holder)),
        state_locked=_state_words(tx, standing),
    )


def _buttons(
    workspace: Workspace, person: Person, standing: StateLock | None, holder: Run | None
) -> list[Button]:
    found = []
    if workspace.lock is not None:
        url = url_for("controls.unlock", name=workspace.name)
        if workspace.lock.by == person.login and person.may(Action.LOCK):
            found.append(Button("Unlock", url, "plain"))
        elif person.may(Action.FORCE_UNLOCK):
            says = f"The lock is {workspace.lock.by}'s. The next run in the queue starts."
            found.append(Button("Force unlock", f"{url}?force=yes", "danger", harmless(says)))
    if standing is not None and holder is None and person.may(Action.FORCE_UNLOCK):
        url = url_for("controls.release_state", name=workspace.name)
        says = "The Terraform that holds it may still be writing: make sure that it has stopped."
        found.append(Button("Release the state's lock", url, "danger", says))
    return found


def _state_words(tx: Transaction, standing: StateLock | None) -> str:
    if standing is None:
        return ""
    if not standing.run_id:
        return "The state is locked by a Terraform outside of Plangate's runs."
    run = tx.runs.get(standing.run_id)
    if not run.final:
        return f"Terraform's lock is on the state, for {run.id}, which is in progress."
    minutes = int(services().config.state_lock_grace.total_seconds() // 60)
    return (
        f"Terraform's lock is still on the state, from {run.id}, whose worker was lost. It is released if "
        f"no request comes from there for {minutes} minutes."
    )


def _lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.strip()]
