"""Writes the workspaces of the configuration, and their variables, to the database."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from bot.domain.errors import ConfigError, NotFound
from bot.domain.ids import new_id
from bot.domain.workspaces.discovery import DiscoverRule
from bot.domain.workspaces.workspace import Workspace
from bot.services.ports import Store, Transaction
from bot.services.runs.removed_workspaces import remove
from bot.services.variables.declared import VariableChange


@dataclass(frozen=True)
class SyncResult:
    """The result of a sync: workspaces by name, and variables."""

    kept: tuple[str, ...]
    retired: tuple[str, ...]
    variables: tuple[VariableChange, ...] = ()

    @property
    def words(self) -> str:
        """Return a summary in one line."""
        retired = f"retired {', '.join(self.retired)}" if self.retired else ""
        changed = ", ".join(f"{each.what} {each.where}" for each in self.variables)
        return "; ".join(filter(None, (f"workspaces kept: {len(self.kept)}", retired, changed)))


Also = Callable[[Transaction], Sequence[VariableChange]]
Note = Callable[[Transaction, SyncResult], None]


def sync(
    store: Store,
    at: datetime,
    workspaces: Sequence[Workspace],
    rules: Sequence[DiscoverRule],
    also: Also = lambda _: (),
    note: Note = lambda *_: None,
) -> SyncResult:
    """Store the workspaces of the configuration, and retire the others. Keeps states and runs.

    Discovered workspaces stay while a rule covers their repository, and those made through the API stay.
    Raises ConfigError if one of these has the name of one in the configuration. `also` writes the variables
    and `note` adds a line to the audit log, in the same transaction.
    """
    names = {workspace.name for workspace in workspaces}
    repos = {rule.repo for rule in rules}
    retired = []
    with store.transaction() as tx:
        for workspace in workspaces:
            _check_name(tx, workspace.name)
            tx.workspaces.put(replace(workspace, id=new_id("ws")))
        # Before any is retired: the file's variables of these workspaces are deleted, too.
        changed = also(tx)
        for workspace in tx.workspaces.all():
            found = workspace.discovered and workspace.repo in repos
            kept = workspace.name in names or found or workspace.made_by_api
            if not kept:
                remove(tx, workspace, at)
                retired.append(workspace.name)
        synced = SyncResult(tuple(sorted(names)), tuple(retired), tuple(changed))
        note(tx, synced)
    return synced


def _check_name(tx: Transaction, name: str) -> None:
    """Make sure that a name is not that of a workspace made through the API: its state is not the file's."""
    try:
        standing = tx.workspaces.named(name)
    except NotFound:
        return
    if standing.made_by_api:
        raise ConfigError(
            f"plangate.yml names the workspace {name}, and one of that name was made through the API: "
            "rename one of them"
        )
