"""Variables and sets of them in the database: the ports Variables and VariableIds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import sqlalchemy as sa

from bot.domain.errors import NotFound
from bot.domain.workspaces.phase import Phase
from bot.domain.workspaces.variables import Category, StoredVariable, Variable, VariableSet
from bot.services.ports.world import Vault
from bot.store.connection.in_parts import in_parts
from bot.store.connection.upserts import insert_or_update
from bot.store.schema.variables import variable_sets, variables


class SqlVariables:
    """Variables of one transaction; every value goes through the vault, sensitive or not (promise 6)."""

    def __init__(self, connection: sa.Connection, vault: Vault) -> None:
        self._connection = connection
        self._vault = vault
        # The sets as read; a transaction that adds many runs needs them for each.
        self._sets: Sequence[VariableSet] | None = None
        self._loaded: dict[str, Sequence[StoredVariable]] = {}

    def of_workspace(self, workspace_id: str) -> Sequence[StoredVariable]:
        """Return a workspace's own variables, by category and key."""
        if workspace_id in self._loaded:
            return self._loaded[workspace_id]
        query = sa.select(variables).where(variables.c.workspace_id == workspace_id)
        rows = self._connection.execute(query).mappings()
        return _in_order([self._read(row) for row in rows])

    def load(self, workspace_ids: Iterable[str]) -> None:
        """Read the variables of many workspaces at once, so that `of_workspace` finds them."""
        found: dict[str, list[StoredVariable]] = {each: [] for each in workspace_ids}
        for part in in_parts(found):
            query = sa.select(variables).where(variables.c.workspace_id.in_(part))
            for row in self._connection.execute(query).mappings():
                found[row["workspace_id"]].append(self._read(row))
        self._loaded.update({each: _in_order(own) for each, own in found.items()})

    def put(self, kept: StoredVariable, *, workspace_id: str = "", set_id: str = "") -> StoredVariable:
        """Insert or update, by owner, category, key and phase, keeping the id of one that is there."""
        self._forget()
        one = kept.variable
        row = {
            "id": kept.id,
            "workspace_id": workspace_id or None,
            "set_id": set_id or None,
            "category": one.category.value,
            "key": one.key,
            "value": self._vault.encrypt(one.value.encode()),
            "hcl": one.hcl,
            "sensitive": one.sensitive,
            "description": one.description,
            "phase": one.phase.value,
            "set_by": kept.set_by,
            "at": kept.at,
        }
        owner = variables.c.workspace_id if workspace_id else variables.c.set_id
        key = (owner.name, "category", "key", "phase")
        update = {name: value for name, value in row.items() if name not in ("id", "workspace_id", "set_id")}
        insert_or_update(self._connection, variables, key, row, update)
        query = sa.select(variables).where(
            owner == (workspace_id or set_id),
            variables.c.category == one.category.value,
            variables.c.key == one.key,
            variables.c.phase == one.phase.value,
        )
        return self._read(self._connection.execute(query).mappings().one())

    def remove(self, variable_id: str) -> None:
        """Remove a variable; does nothing if there is none."""
        self._forget()
        self._connection.execute(sa.delete(variables).where(variables.c.id == variable_id))

    def sets(self) -> Sequence[VariableSet]:
        """Return every set with its variables, by name."""
        if self._sets is None:
            self._sets = self._read_sets()
        return self._sets

    def _forget(self) -> None:
        self._sets = None
        self._loaded.clear()

    def _read_sets(self) -> Sequence[VariableSet]:
        inside: dict[str, list[StoredVariable]] = {}
        # By way of the sets, of which there are few: the index of their variables answers.
        query = sa.select(variables).where(variables.c.set_id.in_(sa.select(variable_sets.c.id)))
        for row in self._connection.execute(query).mappings():
            inside.setdefault(row["set_id"], []).append(self._read(row))
        rows = self._connection.execute(sa.select(variable_sets)).mappings()
        found = [_read_set(row, inside.get(row["id"], [])) for row in rows]
        # Ordered here: databases disagree on the order of names.
        return sorted(found, key=lambda one: one.name)

    def put_set(self, one: VariableSet) -> VariableSet:
        """Insert or update a set by name; an existing set keeps its id and variables. Return it."""
        self._forget()
        row = {
            "id": one.id,
            "name": one.name,
            "everywhere": one.everywhere,
            "workspaces": list(one.workspaces),
            "description": one.description,
            "made_by": one.made_by,
            "priority": one.priority,
            "projects": list(one.projects),
        }
        update = {name: value for name, value in row.items() if name not in ("id", "name")}
        insert_or_update(self._connection, variable_sets, ["name"], row, update)
        return next(each for each in self.sets() if each.name == one.name)

    def remove_set(self, set_id: str) -> None:
        """Remove a set and its variables; does nothing if there is none."""
        self._forget()
        self._connection.execute(sa.delete(variable_sets).where(variable_sets.c.id == set_id))

    def _read(self, row: sa.RowMapping) -> StoredVariable:
        variable = Variable(
            key=row["key"],
            value=self._vault.decrypt(row["value"]).decode(),
            category=Category(row["category"]),
            hcl=row["hcl"],
            sensitive=row["sensitive"],
            description=row["description"],
            phase=Phase(row["phase"]),
        )
        return StoredVariable(row["id"], variable, row["set_by"], row["at"])


class SqlVariableIds:
    """Variables and sets of one transaction by their ids: the VariableIds port."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def owner_of(self, variable_id: str) -> tuple[str, str]:
        """Return the ids of a variable's workspace and set, one of them empty. Raises NotFound."""
        query = sa.select(variables.c.workspace_id, variables.c.set_id).where(variables.c.id == variable_id)
        row = self._connection.execute(query).first()
        if row is None:
            raise NotFound(f"there is no variable {variable_id}")
        return row.workspace_id or "", row.set_id or ""

    def rename_set(self, set_id: str, name: str) -> None:
        """Give a set another name."""
        statement = sa.update(variable_sets).where(variable_sets.c.id == set_id).values(name=name)
        self._connection.execute(statement)


def _in_order(found: list[StoredVariable]) -> list[StoredVariable]:
    return sorted(found, key=lambda kept: kept.variable.place)


def _read_set(row: sa.RowMapping, inside: list[StoredVariable]) -> VariableSet:
    return VariableSet(
        id=row["id"],
        name=row["name"],
        everywhere=row["everywhere"],
        workspaces=tuple(row["workspaces"]),
        description=row["description"],
        made_by=row["made_by"],
        variables=tuple(_in_order(inside)),
        priority=row["priority"],
        projects=tuple(row["projects"]),
    )
