"""Workspaces in the database: the Workspaces port."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from bot.domain.errors import Conflict, NotFound
from bot.domain.events import RepoRef
from bot.domain.plans.modes import Mode
from bot.domain.workspaces.concurrency import Concurrency
from bot.domain.workspaces.identity import Cloud, Identity, Target
from bot.domain.workspaces.isolation import Isolation, Network
from bot.domain.workspaces.merge_method import MergeMethod
from bot.domain.workspaces.outputs import Input
from bot.domain.workspaces.workspace import (
    ApiDetails,
    ApplyWhen,
    EngineKind,
    ExecutionMode,
    Lock,
    Merging,
    PlanOf,
    Triggers,
    Workspace,
)
from bot.store.connection.in_parts import in_parts
from bot.store.connection.upserts import insert_or_update
from bot.store.repositories.drift_settings import drift_row, read_drift_row
from bot.store.repositories.freezes import read_window, window_row
from bot.store.schema.workspaces import workspaces

_KEPT = ("id", "name", "lock_by", "lock_reason", "lock_at")
_UNSAVED = ("id", "lock_by", "lock_reason", "lock_at")
# The most frequent statements are built once: building one costs as much as carrying it out.
_GET = sa.select(workspaces).where(workspaces.c.id == sa.bindparam("of"))
_GET_LOCKED = _GET.with_for_update()


class SqlWorkspaces:
    """Workspaces of one transaction.

    A transaction that only reads sees one moment's data, and reads each workspace once. One that writes does
    so for those that it has locked: nobody else can change them.
    """

    def __init__(self, connection: sa.Connection, *, only_reads: bool = False) -> None:
        self._connection = connection
        self._only_reads = only_reads
        self._known: dict[str, Workspace] = {}

    def get(self, workspace_id: str, *, for_update: bool = False) -> Workspace:
        """Return a workspace. Raises NotFound."""
        found = self._known.get(workspace_id)
        if found is None:
            found = self._get(workspace_id, for_update)
            if self._only_reads or for_update:
                self._known[workspace_id] = found
        return found

    def _get(self, workspace_id: str, for_update: bool) -> Workspace:
        query = _GET_LOCKED if for_update else _GET
        row = self._connection.execute(query, {"of": workspace_id}).mappings().first()
        if row is None:
            raise NotFound(f"there is no workspace {workspace_id}")
        return read_workspace(row)

    def next_sequence(self, workspace_id: str) -> int:
        """Lock a workspace until the transaction ends, and count a run of it. Raises NotFound."""
        self._known.pop(workspace_id, None)
        statement = (
            sa.update(workspaces)
            .where(workspaces.c.id == workspace_id)
            .values(last_sequence=workspaces.c.last_sequence + 1)
            .returning(workspaces)
        )
        row = self._connection.execute(statement).mappings().first()
        if row is None:
            raise NotFound(f"there is no workspace {workspace_id}")
        self._known[workspace_id] = read_workspace(row)
        return int(row["last_sequence"])

    def next_sequences(self, workspace_ids: Sequence[str]) -> Mapping[str, int]:
        """Lock workspaces until the transaction ends, and count a run of each. Raises NotFound."""
        for workspace_id in workspace_ids:
            self.forget(workspace_id)
        found: dict[str, int] = {}
        for part in in_parts(workspace_ids):
            here = workspaces.c.id.in_(part)
            # In one order for everybody, so that two processes never wait for each other.
            rows = sa.select(workspaces.c.id).where(here).order_by(workspaces.c.id).with_for_update()
            if self._connection.dialect.name == "postgresql":
                self._connection.execute(rows)
            statement = (
                sa.update(workspaces)
                .where(here)
                .values(last_sequence=workspaces.c.last_sequence + 1)
                .returning(workspaces)
            )
            for row in self._connection.execute(statement).mappings():
                self._known[row["id"]] = read_workspace(row)
                found[row["id"]] = int(row["last_sequence"])
        if missing := next((each for each in workspace_ids if each not in found), ""):
            raise NotFound(f"there is no workspace {missing}")
        return found

    def forget(self, workspace_id: str) -> None:
        """Read a workspace again the next time: what was done with it was undone, and its lock with it."""
        self._known.pop(workspace_id, None)

    def load(self, workspace_ids: Iterable[str]) -> None:
        """Read many workspaces at once, so that `get` finds them. Does nothing if this may write."""
        if not self._only_reads:
            return
        for part in in_parts(each for each in workspace_ids if each not in self._known):
            query = sa.select(workspaces).where(workspaces.c.id.in_(part))
            for row in self._connection.execute(query).mappings():
                self._known[row["id"]] = read_workspace(row)

    def named(self, name: str) -> Workspace:
        """Return a workspace by its name, active or not. Raises NotFound."""
        query = sa.select(workspaces).where(workspaces.c.name == name)
        row = self._connection.execute(query).mappings().first()
        if row is None:
            raise NotFound(f"there is no workspace named {name}")
        return read_workspace(row)

    def of_repo(self, repo: RepoRef) -> Sequence[Workspace]:
        """Return the active workspaces of a repository, by name."""
        return self._active(workspaces.c.forge == repo.forge, workspaces.c.repo_path == repo.path)

    def all(self, *, sharing: bool = False, checked: bool = False) -> Sequence[Workspace]:
        """Return every active workspace, by name. With `sharing`, only those that share their states.

        With `checked`, only those that are checked for drift.
        """
        shares = sa.cast(workspaces.c.share_state_with, sa.Text) != "[]"
        has_checks = sa.cast(workspaces.c.drift, sa.Text) != "{}"
        return self._active(*([shares] if sharing else []), *([has_checks] if checked else []))

    def put(self, workspace: Workspace) -> Workspace:
        """Insert or update by name; an existing workspace keeps its id and lock. Return it."""
        row = workspace_row(workspace)
        self._known.clear()
        update = {column: value for column, value in row.items() if column not in _KEPT}
        insert_or_update(self._connection, workspaces, ["name"], row, update)
        return self.named(workspace.name)

    def save(self, workspace: Workspace) -> Workspace:
        """Update by id, also the name; keeps the lock. Raises NotFound, Conflict if the name is taken."""
        self._known.clear()
        row = {name: value for name, value in workspace_row(workspace).items() if name not in _UNSAVED}
        taken = sa.select(workspaces.c.id).where(
            workspaces.c.name == workspace.name, workspaces.c.id != workspace.id
        )
        if self._connection.execute(taken).first() is not None:
            raise Conflict(f"there is a workspace named {workspace.name} already")
        statement = sa.update(workspaces).where(workspaces.c.id == workspace.id).values(**row)
        if not self._connection.execute(statement).rowcount:
            raise NotFound(f"there is no workspace {workspace.id}")
        return self.get(workspace.id)

    def set_lock(self, workspace_id: str, lock: Lock | None) -> None:
        """Lock or unlock. Raises NotFound."""
        self.forget(workspace_id)
        statement = sa.update(workspaces).where(workspaces.c.id == workspace_id).values(**_lock_row(lock))
        if not self._connection.execute(statement).rowcount:
            raise NotFound(f"there is no workspace {workspace_id}")

    def _active(self, *conditions: sa.ColumnElement[bool]) -> Sequence[Workspace]:
        query = sa.select(workspaces).where(workspaces.c.active, *conditions)
        found = [read_workspace(row) for row in self._connection.execute(query).mappings()]
        # Sorted here, because each database sorts text by its own rules.
        return sorted(found, key=lambda workspace: workspace.name)


def _lock_row(lock: Lock | None) -> dict[str, Any]:
    if lock is None:
        return {"lock_by": None, "lock_reason": None, "lock_at": None}
    return {"lock_by": lock.by, "lock_reason": lock.reason, "lock_at": lock.at}


def workspace_row(workspace: Workspace) -> dict[str, Any]:
    """Return a workspace as a row."""
    triggers = workspace.triggers
    return {
        "id": workspace.id,
        "name": workspace.name,
        "forge": workspace.repo.forge,
        "repo_path": workspace.repo.path,
        "branch": workspace.branch,
        "working_directory": workspace.working_directory,
        "triggers": {
            "file_triggers": triggers.file_triggers,
            "prefixes": list(triggers.prefixes),
            "patterns": list(triggers.patterns),
            "tag_regex": triggers.tag_regex,
            "find_modules": triggers.find_modules,
        },
        "auto_apply": workspace.auto_apply,
        "engine": workspace.engine.value,
        "engine_version": workspace.engine_version,
        "discovered": workspace.discovered,
        "active": workspace.active,
        "allowed_modes": [mode.value for mode in workspace.allowed_modes],
        "run_triggers": list(workspace.run_triggers),
        "auto_apply_run_triggers": workspace.auto_apply_run_triggers,
        "depends_on": list(workspace.depends_on),
        "share_state_with": list(workspace.share_state_with),
        "inputs": [[each.variable, each.workspace, each.output] for each in workspace.inputs],
        "tags": list(workspace.tags),
        "require": list(workspace.require),
        "labels": workspace.labels,
        "project": workspace.project,
        "team": workspace.team,
        "pool": workspace.pool,
        **_merging_row(workspace.merging),
        "isolation": {
            "network": workspace.isolation.network.value,
            "egress": list(workspace.isolation.egress),
            "providers": list(workspace.isolation.providers),
            "own_providers": workspace.isolation.own_providers,
            "proposed": workspace.proposed,
        },
        "own_backend": workspace.own_backend,
        "identity": _identity_row(workspace.identity),
        "concurrency_group": workspace.concurrency.group if workspace.concurrency else "",
        "concurrency_limit": workspace.concurrency.limit if workspace.concurrency else 0,
        "freeze": [window_row(each) for each in workspace.freeze],
        "drift": drift_row(workspace.drift),
        "made_by_api": workspace.made_by_api,
        "about": _about_row(workspace.details),
        **_lock_row(workspace.lock),
    }


def _merging_row(merging: Merging) -> dict[str, Any]:
    return {
        "apply_when": merging.apply_when.value,
        "keep_approval": merging.keep_approval,
        "replan_siblings": merging.replan_siblings,
        "forecast": merging.forecast,
        "automerge": merging.automerge,
        "merge_method": merging.merge_method.value if merging.merge_method else "",
        "plan_of": merging.plan_of.value,
    }


def _about_row(details: ApiDetails) -> dict[str, Any]:
    return {
        "description": details.description,
        "execution": details.execution.value,
        "bindings": [list(each) for each in details.bindings],
        "created_at": details.created_at.isoformat() if details.created_at else "",
    }


def _details(kept: dict[str, Any]) -> ApiDetails:
    created_at = kept.get("created_at")
    return ApiDetails(
        kept.get("description", ""),
        ExecutionMode(kept.get("execution", ExecutionMode.REMOTE)),
        tuple((key, value) for key, value in kept.get("bindings", ())),
        datetime.fromisoformat(created_at) if created_at else None,
    )


def _identity_row(identity: Identity) -> dict[str, Any]:
    if identity == Identity():
        return {}
    targets = [{**vars(each), "settings": dict(each.settings)} for each in identity.targets]
    return {"targets": targets, "forks": identity.forks}


def _identity(kept: dict[str, Any]) -> Identity:
    targets = [Target(**{**each, "cloud": Cloud(each["cloud"])}) for each in kept.get("targets", ())]
    return Identity(tuple(targets), kept.get("forks", False))


def _merging(row: sa.RowMapping) -> Merging:
    return Merging(
        ApplyWhen(row["apply_when"]),
        row["keep_approval"],
        row["replan_siblings"],
        row["automerge"],
        MergeMethod(row["merge_method"]) if row["merge_method"] else None,
        PlanOf(row["plan_of"]),
        row["forecast"],
    )


def read_workspace(row: sa.RowMapping) -> Workspace:
    """Return a row as a workspace."""
    triggers = row["triggers"]
    return Workspace(
        id=row["id"],
        name=row["name"],
        repo=RepoRef(row["forge"], row["repo_path"]),
        branch=row["branch"],
        working_directory=row["working_directory"],
        triggers=Triggers(
            file_triggers=triggers["file_triggers"],
            prefixes=tuple(triggers["prefixes"]),
            patterns=tuple(triggers["patterns"]),
            tag_regex=triggers["tag_regex"],
            find_modules=triggers.get("find_modules", True),
        ),
        auto_apply=row["auto_apply"],
        engine=EngineKind(row["engine"]),
        engine_version=row["engine_version"],
        discovered=row["discovered"],
        # Rows from before this was known: the next push to the branch says which of them are on it.
        proposed=row["isolation"].get("proposed", row["discovered"]),
        active=row["active"],
        lock=Lock(row["lock_by"], row["lock_reason"], row["lock_at"]) if row["lock_at"] else None,
        allowed_modes=tuple(Mode(mode) for mode in row["allowed_modes"]),
        run_triggers=tuple(row["run_triggers"]),
        auto_apply_run_triggers=row["auto_apply_run_triggers"],
        depends_on=tuple(row["depends_on"]),
        share_state_with=tuple(row["share_state_with"]),
        inputs=tuple(Input(*each) for each in row["inputs"]),
        tags=tuple(row["tags"]),
        require=tuple(row["require"]),
        labels=row["labels"],
        project=row["project"],
        team=row["team"],
        pool=row["pool"],
        merging=_merging(row),
        isolation=Isolation(
            Network(row["isolation"]["network"]),
            tuple(row["isolation"]["egress"]),
            tuple(row["isolation"]["providers"]),
            row["isolation"]["own_providers"],
        ),
        own_backend=row["own_backend"],
        identity=_identity(row["identity"]),
        concurrency=Concurrency(row["concurrency_group"], row["concurrency_limit"])
        if row["concurrency_group"]
        else None,
        freeze=tuple(map(read_window, row["freeze"])),
        drift=read_drift_row(row["drift"]),
        made_by_api=row["made_by_api"],
        details=_details(row["about"]),
    )
