"""Turns plangate.yml's variables into the domain's; values come from the server's environment and files."""

from __future__ import annotations

from pathlib import Path

from bot.config.file.manifest import Manifest
from bot.config.file.marked_yaml import Document, Loc
from bot.config.file.variable_entries import VariableEntry, Variables
from bot.config.problems import Problems, shown
from bot.config.settings import Environment
from bot.domain.workspaces.phase import Phase
from bot.domain.workspaces.variables import (
    VALUE_BYTES,
    Category,
    DeclaredSet,
    DeclaredVariables,
    Variable,
    one_line,
    wrong_value,
)
from bot.services.ports import ForgeKinds


def read_variables(
    manifest: Manifest,
    document: Document,
    environment: Environment,
    kinds: ForgeKinds,
    folder: Path,
    problems: Problems,
) -> DeclaredVariables:
    """Return the variables in the file, and note problems with their values."""
    ours = {
        forge.named()[setting.role]
        for forge in (manifest.forges or {}).values()
        for setting in kinds[forge.kind].form.settings
        if setting.secret and setting.role in forge.named()
    }
    reader = _Reader(document, environment, folder, frozenset(ours), problems)
    return DeclaredVariables(
        workspaces={
            entry.name: reader.all(("workspaces", index, "variables"), entry.variables)
            for index, entry in enumerate(manifest.workspaces or ())
            if entry.variables
        },
        sets=tuple(
            DeclaredSet(
                name=entry.name,
                everywhere=entry.everywhere,
                workspaces=tuple(dict.fromkeys(entry.workspaces or ())),
                description=entry.description,
                variables=reader.all(("variable_sets", index, "variables"), entry.variables),
            )
            for index, entry in enumerate(manifest.variable_sets or ())
        ),
    )


class _Reader:
    def __init__(
        self,
        document: Document,
        environment: Environment,
        folder: Path,
        ours: frozenset[str],
        problems: Problems,
    ) -> None:
        self._document = document
        self._environment = environment
        self._folder = folder
        self._ours = ours
        self._problems = problems

    def all(self, loc: Loc, entries: Variables | None) -> tuple[Variable, ...]:
        if isinstance(entries, dict):
            made = [((*loc, key), Variable(key, value)) for key, value in entries.items()]
        else:
            made = [((*loc, at), self._variable((*loc, at), entry)) for at, entry in enumerate(entries or ())]
        for place, variable in made:
            if wrong := wrong_value(variable):
                self._wrong(place, wrong)
        return tuple(variable for _, variable in made)

    def _variable(self, loc: Loc, entry: VariableEntry) -> Variable:
        return Variable(
            key=entry.key,
            value=self._value(loc, entry),
            category=Category(entry.category),
            hcl=entry.hcl,
            sensitive=entry.sensitive,
            description=entry.description,
            phase=Phase(entry.phase),
        )

    def _value(self, loc: Loc, entry: VariableEntry) -> str:
        if entry.value_env is not None:
            value = self._environment.exact(entry.value_env)
            if entry.value_env in self._ours:
                # A change's code could act as Plangate itself with it (promise 5).
                self._wrong((*loc, "value_env"), f"{entry.value_env} is a forge's secret, which no run gets")
            elif value is None:
                self._wrong((*loc, "value_env"), f"{entry.value_env} is not set in the server's environment")
            return value or ""
        if entry.value_file is not None:
            return self._file((*loc, "value_file"), entry.value_file)
        return entry.value or ""

    def _file(self, loc: Loc, written: str) -> str:
        path = (self._folder / Path(written).expanduser()).absolute()
        self._environment.secret_files.append(path)
        try:
            with path.open("rb") as file:
                text = file.read(VALUE_BYTES + 2).decode()
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
            self._wrong(loc, f"can't read {shown(written)}: {why}")
            return ""
        return one_line(text)

    def _wrong(self, loc: Loc, what: str) -> None:
        self._problems.add(self._document.where(loc), what)
