"""What a plan was made on: settings, state, and which resources it concerns; kept beside the plan.

Asked later: whether the plan still holds (a run may take it over; a comment calls it outdated), and whether
another change is about the same resources.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime

from bot.domain.run import Run
from bot.services.ports import ArtifactKind, Transaction

# More are not compared with other changes: who touches so many is told enough by the first ones.
MOST_ADDRESSES = 2000


@dataclass(frozen=True)
class Basis:
    """What a plan hangs on, besides its commit and variables.

    `state` names the version of the state, empty where it is not kept here: then nobody knows when it moves.
    """

    engine: str
    version: str
    directory: str
    modes: str
    state: str
    made_at: str
    addresses: tuple[str, ...] = ()

    @property
    def settings(self) -> tuple[str, ...]:
        """What the workspace's settings had to say."""
        return (self.engine, self.version, self.directory, self.modes)


def basis_now(tx: Transaction, run: Run, at: datetime) -> Basis:
    """Return what a plan that was made now would hang on."""
    workspace = tx.workspaces.get(run.workspace_id)
    return Basis(
        engine=workspace.engine.value,
        version=workspace.engine_version,
        directory=workspace.working_directory,
        modes=str(run.modes),
        state=state_now(tx, workspace.id),
        made_at=at.isoformat(),
    )


def state_now(tx: Transaction, workspace_id: str) -> str:
    """Name the state as it is: its lineage, its serial, and what is in it."""
    current = tx.states.current(workspace_id)
    return f"{current.lineage} {current.serial} {current.md5}" if current else "none"


def keep_basis(tx: Transaction, run_id: str, basis: Basis, addresses: Iterable[str]) -> None:
    """Keep what a run's plan was made on, and what it is about."""
    about = tuple(sorted(set(addresses)))[:MOST_ADDRESSES]
    document = {**asdict(basis), "addresses": about}
    tx.artifacts.put(run_id, ArtifactKind.BASIS, json.dumps(document).encode())


def kept_basis(tx: Transaction, run_id: str) -> Basis | None:
    """Return what a run's plan was made on, None where that was not kept."""
    raw = tx.artifacts.get(run_id, ArtifactKind.BASIS)
    if not raw:
        return None
    document = json.loads(raw)
    return Basis(**{**document, "addresses": tuple(document["addresses"])})


def is_outdated(tx: Transaction, run: Run) -> bool:
    """Whether the state has moved since a preview's plan was made, so that it may not hold any more."""
    return run.plan_only and run.final and bool(run.has_changes) and state_has_moved(tx, run)


def state_has_moved(tx: Transaction, run: Run) -> bool:
    """Whether the state is another than the one that a run's plan was made on, as far as that is known."""
    basis = kept_basis(tx, run.id)
    return basis is not None and bool(basis.state) and basis.state != state_now(tx, run.workspace_id)
