"""Bringing the workspaces of the configuration, and their variables, into the database."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from bot.domain.discovery import DiscoverRule
from bot.domain.ids import new_id
from bot.domain.workspace import Workspace
from bot.services.declaring import Changed
from bot.services.ports import Store, Transaction


@dataclass(frozen=True)
class Synced:
    """What a sync did: to workspaces by name, and to variables."""

    kept: tuple[str, ...]
    retired: tuple[str, ...]
    variables: tuple[Changed, ...] = ()

    @property
    def words(self) -> str:
        """Say in a line what was done."""
        retired = f"retired {', '.join(self.retired)}" if self.retired else ""
        changed = ", ".join(f"{each.what} {each.where}" for each in self.variables)
        return "; ".join(filter(None, (f"workspaces kept: {len(self.kept)}", retired, changed)))


Also = Callable[[Transaction], Sequence[Changed]]
Note = Callable[[Transaction, Synced], None]


def sync(
    store: Store,
    workspaces: Sequence[Workspace],
    rules: Sequence[DiscoverRule],
    also: Also = lambda _: (),
    note: Note = lambda *_: None,
) -> Synced:
    """Keep what the configuration names; put aside what it no longer does. States and runs stay.

    Discovered workspaces stay while a rule looks through their repository. `also` brings the variables and
    `note` keeps a line of what was done, in the same transaction.
    """
    names = {workspace.name for workspace in workspaces}
    repos = {rule.repo for rule in rules}
    retired = []
    with store.transaction() as tx:
        for workspace in workspaces:
            tx.workspaces.put(replace(workspace, id=new_id("ws")))
        # Before any is put aside: what the file said of their variables goes, too.
        changed = also(tx)
        for workspace in tx.workspaces.all():
            kept = workspace.name in names or (workspace.discovered and workspace.repo in repos)
            if not kept:
                tx.workspaces.put(replace(workspace, active=False))
                retired.append(workspace.name)
        synced = Synced(tuple(sorted(names)), tuple(retired), tuple(changed))
        note(tx, synced)
    return synced
