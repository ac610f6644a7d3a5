"""Records of the database here, for the operator, who has the server's configuration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from bot.cli.loading import configuration, ready
from bot.cli.records.operator import operator
from bot.cli.records.records import Document, PlanWish, VariablePlace, VariableWish
from bot.domain.changes.requirements import Facts
from bot.domain.errors import ForgeError
from bot.domain.runs.run import Run
from bot.domain.workspaces.phase import Phase
from bot.domain.workspaces.variables import Category
from bot.domain.workspaces.workspace import Workspace
from bot.services.comments.why_reports import WhyQuestion, find_subjects, one_subject
from bot.services.documents.runs import event_document, run_document
from bot.services.documents.states import contents_document, state_document
from bot.services.documents.variables import set_document, variable_document
from bot.services.documents.why import why_document
from bot.services.documents.workspaces import workspace_document
from bot.services.plans.plan_text import kept_text
from bot.services.ports import ChangeRecord, RunQuery, Transaction
from bot.services.runs.output_pieces import read_piece
from bot.services.runs.queue_plan import PlanOptions
from bot.services.states.backend import STATE_LIMIT
from bot.services.variables.editor import Owner, SetVariables, VariableInput, WorkspaceVariables


class LocalRecords:
    """Reads and changes the database with the services of this machine's configuration."""

    largest_state = STATE_LIMIT

    def __init__(self) -> None:
        self._services, _ = ready(configuration())
        self._person = operator()

    # --- runs -----------------------------------------------------------------------------------------------

    def queue_plan(self, workspace: str, wish: PlanWish) -> Document:
        """Queue a plan; return its run."""
        options = PlanOptions(wish.modes, wish.plan_only, wish.message)
        return self._run(self._services.manual_runs.queue_plan(workspace, self._person, options))

    def runs(self, workspace: str, statuses: Sequence[str], limit: int) -> Sequence[Document]:
        """Return the newest runs of a workspace; of all without a name."""
        with self._services.store.reading() as tx:
            place = tx.workspaces.named(workspace) if workspace else None
            query = RunQuery(
                workspace_id=place.id if place else None, statuses=frozenset(statuses) or None, limit=limit
            )
            return [self._document(tx, run) for run in tx.runs.find(query)]

    def run(self, run_id: str) -> Document:
        """Return a run with its `timeline`."""
        with self._services.store.reading() as tx:
            timeline = [event_document(event) for event in tx.runs.timeline(tx.runs.get(run_id).id)]
            return {**self._document(tx, tx.runs.get(run_id)), "timeline": timeline}

    def plan_text(self, run_id: str) -> str:
        """Return a run's plan as text, empty if it has none."""
        with self._services.store.reading() as tx:
            text = kept_text(tx, tx.runs.get(run_id).id)
        return text.with_actions() if text else ""

    def act(self, run_id: str, verb: str, comment: str) -> Document:
        """Confirm, discard, cancel, force-cancel or retry a run; return the run, of a retry the new one."""
        controls = self._services.controls
        acts = {
            "confirm": controls.confirm,
            "discard": controls.discard,
            "cancel": controls.cancel,
            "force-cancel": controls.force_cancel,
            "retry": controls.retry,
        }
        return self._run(acts[verb](run_id, self._person, comment))

    def output(self, run_id: str, stage: str, after: str) -> Document:
        """Return a piece of a stage's output."""
        services = self._services
        return asdict(read_piece(services.store, services.clock, self._person, run_id, stage, after))

    def _run(self, run: Run) -> Document:
        with self._services.store.reading() as tx:
            return self._document(tx, run)

    def _document(self, tx: Transaction, run: Run) -> dict[str, Any]:
        services = self._services
        now, cool_off = services.clock.now(), services.config.cool_off
        return run_document(tx, run, self._person, now, cool_off, services.addresses.run(run.id))

    # --- workspaces -----------------------------------------------------------------------------------------

    def workspaces(self) -> Sequence[Document]:
        """Return all workspaces, by name."""
        with self._services.store.reading() as tx:
            return [workspace_document(tx, each) for each in tx.workspaces.all()]

    def lock(self, workspace: str, reason: str) -> Document:
        """Lock a workspace, and return it."""
        return self._workspace(self._services.workspace_locks.lock(workspace, self._person, reason))

    def unlock(self, workspace: str, *, force: bool) -> Document:
        """Unlock a workspace, and return it."""
        return self._workspace(self._services.workspace_locks.unlock(workspace, self._person, force=force))

    def release_state(self, workspace: str) -> Document:
        """Release Terraform's lock on a workspace's state, and return the workspace."""
        return self._workspace(self._services.workspace_locks.release_state(workspace, self._person))

    def _workspace(self, workspace: Workspace) -> Document:
        with self._services.store.reading() as tx:
            return workspace_document(tx, workspace)

    # --- variables ------------------------------------------------------------------------------------------

    def variables(self, place: VariablePlace) -> Sequence[Document]:
        """Return the variables that reach a workspace, or those of a set."""
        editor = self._services.variables
        if place.set_name:
            found = editor.set_named(place.set_name, self._person).variables
        else:
            found = editor.of_workspace(place.workspace, self._person)
        return [variable_document(one) for one in found]

    def set_variable(self, place: VariablePlace, wish: VariableWish) -> Document:
        """Set a variable, and return it."""
        asked = VariableInput(
            wish.key,
            Category(wish.category),
            wish.value,
            wish.hcl,
            wish.sensitive,
            wish.description,
            Phase(wish.phase),
        )
        return variable_document(self._services.variables.put(_owner(place), asked, self._person))

    def unset_variable(self, place: VariablePlace, category: str, key: str, phase: str) -> None:
        """Remove a variable."""
        self._services.variables.unset(_owner(place), Category(category), key, self._person, Phase(phase))

    def sets(self) -> Sequence[Document]:
        """Return the sets of variables."""
        return [set_document(one) for one in self._services.variables.sets(self._person)]

    # --- states ---------------------------------------------------------------------------------------------

    def states(self, workspace: str, limit: int) -> Sequence[Document]:
        """Return the newest versions of a workspace's state."""
        with self._services.store.reading() as tx:
            workspace_id = tx.workspaces.named(workspace).id
            current = tx.states.current(workspace_id)
            return [state_document(one, current) for one in tx.states.versions(workspace_id, limit)]

    def state(self, workspace: str, version: str) -> Document:
        """Return a version with its outputs and resources; without an id, the current one."""
        workspace_id = self._id_of(workspace)
        found, contents = self._services.state_versions.show(workspace_id, self._person, version)
        with self._services.store.reading() as tx:
            return {**state_document(found, tx.states.current(workspace_id)), **contents_document(contents)}

    def state_data(self, workspace: str, version: str) -> tuple[Document, bytes]:
        """Return the `id` and the `serial` of a version, and the state with its secrets."""
        workspace_id = self._id_of(workspace)
        found, data = self._services.state_versions.download(workspace_id, self._person, version)
        return {"id": found.id, "serial": found.serial}, data

    def roll_back(self, workspace: str, version: str) -> Document:
        """Make an older version current again, as a new one, and return it."""
        made = self._services.state_versions.roll_back(self._id_of(workspace), version, self._person)
        return state_document(made, made)

    def push_state(self, workspace: str, data: bytes, *, force: bool) -> Document | None:
        """Store a state, and return its version; None if it is the current one already."""
        workspace_id = self._id_of(workspace)
        made = self._services.state_versions.push(workspace_id, data, self._person, force=force)
        return state_document(made, made) if made is not None else None

    def _id_of(self, workspace: str) -> str:
        with self._services.store.reading() as tx:
            return tx.workspaces.named(workspace).id

    # --- why ------------------------------------------------------------------------------------------------

    def why(self, about: str) -> Document:
        """Say why a run or a change is where it is."""
        services = self._services
        with services.store.reading() as tx:
            subject = one_subject(about, find_subjects(tx, about))
        facts, problem = self._facts(subject.record)
        asked = WhyQuestion(services.clock.now(), facts)
        with services.store.reading() as tx:
            report = services.why_reports.of(tx, subject, asked)
        return why_document(about, report, problem)

    def _facts(self, record: ChangeRecord | None) -> tuple[Facts | None, str]:
        if record is None:
            return None, ""
        with self._services.store.reading() as tx:
            workspaces = [tx.workspaces.get(each) for each in record.workspace_ids]
        try:
            return self._services.requirement_checker.facts(record.change, workspaces), ""
        except ForgeError as error:
            return None, f"can't reach the forge: {error}"

    # --- sets of variables ----------------------------------------------------------------------------------

    def put_set(
        self, name: str, workspaces: Sequence[str], description: str, *, everywhere: bool
    ) -> tuple[Document, str]:
        """Create or change a set of variables; return it, and what it reaches in words."""
        made = self._services.variables.put_set(
            name, self._person, everywhere=everywhere, workspaces=workspaces, description=description
        )
        return set_document(made), made.scope

    def remove_set(self, name: str) -> None:
        """Remove a set of variables."""
        self._services.variables.remove_set(name, self._person)


def _owner(place: VariablePlace) -> Owner:
    return SetVariables(place.set_name) if place.set_name else WorkspaceVariables(place.workspace)
