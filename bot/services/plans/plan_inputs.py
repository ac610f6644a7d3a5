"""The inputs of a plan: settings, state, and the resources it concerns. Stored with the plan.

They answer later questions: is the plan still valid (for plan reuse, and to mark it as outdated), and does
another change touch the same resources?
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass, replace
from datetime import datetime

from bot.domain.plans.digest import providers_hash
from bot.domain.runs.approval import ApprovalRecord
from bot.domain.runs.run import Run
from bot.domain.workspaces.sharing import readable
from bot.domain.workspaces.workspace import Triggers, Workspace
from bot.services.ports import ArtifactKind, PlanResult, StateVersion, Transaction

# More addresses are not compared with other changes: the first ones are enough for a warning.
MOST_ADDRESSES = 2000


@dataclass(frozen=True)
class PlanInputs:
    """The inputs of a plan, besides its commit and variables.

    `state` names the version of the state. Empty if Plangate does not store it: then changes are unknown.
    `backend` is the type of the backend that keeps it, empty if that is Plangate.

    The others are hashes: `configuration` of the modules in the saved plan, `files` of all that the
    configuration can read, `modules` of those that were downloaded (empty: none, None: unknown), `providers`
    of what the lock file says. `places` are the folders with these files, None if they may be anywhere.
    `shared` are the states of other workspaces that the plan may have read, as pairs of a workspace's id and
    the name of the version.
    """

    engine: str
    version: str
    directory: str
    modes: str
    state: str
    made_at: str
    addresses: tuple[str, ...] = ()
    backend: str = ""
    configuration: str = ""
    files: str = ""
    providers: str = ""
    places: tuple[str, ...] | None = None
    modules: str | None = None
    shared: tuple[tuple[str, str], ...] = ()

    @property
    def settings(self) -> tuple[str, ...]:
        """The workspace's settings that a plan depends on."""
        return (self.engine, self.version, self.directory, self.modes)


def current_inputs(tx: Transaction, run: Run, at: datetime) -> PlanInputs:
    """Return the inputs that a plan would have now."""
    workspace = tx.workspaces.get(run.workspace_id)
    return PlanInputs(
        engine=workspace.engine.value,
        version=workspace.engine_version,
        directory=workspace.working_directory,
        modes=str(run.modes),
        state=state_now(tx, workspace.id),
        made_at=at.isoformat(),
        shared=shared_now(tx, workspace),
    )


def inputs_of(basis: PlanInputs, result: PlanResult, state: str) -> PlanInputs:
    """Return the inputs of a plan that was made. `state` names the state after it.

    If the state changed during the plan, nobody knows which version the plan read.
    """
    known = result.state_here and basis.state == state
    return replace(
        basis,
        state=basis.state if known else "",
        backend="" if result.state_here else result.backend,
        configuration=result.configuration,
        files=result.files,
        places=result.places,
        modules=result.modules,
        providers=providers_hash(result.dependency_lock),
    )


def state_now(tx: Transaction, workspace_id: str) -> str:
    """Name the current state by its lineage, its serial and a hash of its content."""
    return state_name(tx.states.current(workspace_id))


def shared_now(tx: Transaction, workspace: Workspace) -> tuple[tuple[str, str], ...]:
    """Name the current states that a workspace's runs may read besides their own."""
    if workspace.own_backend:
        return ()  # nobody hands its runs a token
    sources = [each.id for each in readable(workspace, tx.workspaces.all(sharing=True))]
    currents = tx.states.currents(sources)
    return tuple((each, state_name(currents.get(each))) for each in sorted(sources))


def state_name(current: StateVersion | None) -> str:
    """Name a version of a state."""
    return f"{current.lineage} {current.serial} {current.md5}" if current else "none"


def save_inputs(tx: Transaction, run_id: str, basis: PlanInputs, addresses: Iterable[str]) -> None:
    """Store the inputs of a run's plan, and the resources it concerns."""
    about = tuple(sorted(set(addresses)))[:MOST_ADDRESSES]
    document = {**asdict(basis), "addresses": about}
    tx.artifacts.put(run_id, ArtifactKind.BASIS, json.dumps(document).encode())


def saved_inputs(tx: Transaction, run_id: str) -> PlanInputs | None:
    """Return the inputs of a run's plan. None if they were not stored."""
    raw = tx.artifacts.get(run_id, ArtifactKind.BASIS)
    if not raw:
        return None
    document = json.loads(raw)
    places = document.get("places")
    lists = {
        "addresses": tuple(document["addresses"]),
        "places": None if places is None else tuple(places),
        "shared": tuple(map(tuple, document.get("shared", ()))),
    }
    return PlanInputs(**{**document, **lists})


def made_from_the_same(tx: Transaction, record: ApprovalRecord, run: Run) -> bool:
    """Whether a run's plan was made from the readable files and the providers of the approved plan.

    An approval is carried over only then, because a plan does not show all that an apply does with them. If
    only the base of the change has moved, the files that the change modifies count: the others were reviewed
    there.
    """
    inputs = saved_inputs(tx, run.id)
    if inputs is None or not record.files:
        return False
    same_files = inputs.files == record.files or _only_base_moved(tx, record, run, inputs)
    return same_files and inputs.providers == record.providers


def _only_base_moved(tx: Transaction, record: ApprovalRecord, run: Run, inputs: PlanInputs) -> bool:
    """Whether a run is of the approved commit on another base, with the same files of the change.

    Downloaded modules are files of neither, so nobody reviewed them on the base: they must be the same.
    """
    if run.merge is None or (run.commit, run.change_number) != (record.commit, record.change_number):
        return False
    approved, shown = tx.runs.get(record.shown_run_id).merge, saved_inputs(tx, record.shown_run_id)
    if shown is None or shown.modules is None or shown.modules != inputs.modules:
        return False
    return approved is not None and approved.own == run.merge.own


def may_have_read(inputs: PlanInputs | None, paths: Collection[str], triggers: Triggers) -> bool:
    """Whether a plan may have read one of the paths of its repository. True if that is not known.

    Files that the workspace's triggers name count: somebody said that the workspace depends on them.
    Attributes of Git say how files are written to the disk, so they count wherever they are.
    """
    if not paths:
        return False
    if inputs is None or inputs.places is None:
        return True
    return any(_counts(path, inputs.places, triggers) for path in paths)


def _counts(path: str, places: tuple[str, ...], triggers: Triggers) -> bool:
    attributes = path.lower().endswith(".gitattributes")
    return attributes or triggers.names(path) or any(_is_in(path, place) for place in places)


def _is_in(path: str, place: str) -> bool:
    return place in (".", path) or path.startswith(f"{place}/")


def state_has_moved(tx: Transaction, run: Run) -> bool:
    """Whether the state differs from the one that a run's plan read, as far as it is known."""
    basis = saved_inputs(tx, run.id)
    return basis is not None and bool(basis.state) and basis.state != state_now(tx, run.workspace_id)
