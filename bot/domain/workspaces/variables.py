"""Variables: what a run is handed beside its commit; what each may be called, and which of several wins."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from fnmatch import fnmatchcase

from bot.domain.errors import Invalid
from bot.domain.workspaces.discovery import NAME
from bot.domain.workspaces.phase import PHASES, Phase

# Source: the facts of the run model, after Terraform Enterprise's limits.
KEY_LENGTH = 128
VALUE_BYTES = 256 * 1024
DESCRIPTION_LENGTH = 512

_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# Words that Terraform keeps for itself in a `variable` block's name.
_RESERVED = frozenset(
    {"source", "version", "providers", "count", "for_each", "lifecycle", "depends_on", "locals"}
)
# Terraform's own settings are guards: a workspace's variables may not replace them (promise 5).
_GUARDS = frozenset(
    {
        "HOME",
        "TMPDIR",
        "TF_CLI_CONFIG_FILE",
        "TERRAFORM_CONFIG",
        "TF_PLUGIN_CACHE_DIR",
        "TF_PLUGIN_CACHE_MAY_BREAK_DEPENDENCY_LOCK_FILE",
        "TF_DATA_DIR",
        "TF_IN_AUTOMATION",
        "TF_INPUT",
        "TF_REATTACH_PROVIDERS",
        "TF_FORCE_LOCAL_BACKEND",
        "CHECKPOINT_DISABLE",
        "TF_CLI_ARGS",
        "TF_CLI_ARGS_show",
    }
)
_GUARD_PREFIXES = ("LD_", "DYLD_", "GLIBC_", "PYTHON")


class Category(StrEnum):
    """How a variable reaches Terraform: as an input variable, or in the environment of its processes."""

    TERRAFORM = "terraform"
    ENV = "env"


@dataclass(frozen=True)
class Variable:
    """One value handed to Terraform. `terraform` variables with `hcl` are parsed as expressions.

    The repr does not have the value, because it may be secret (promise 6).
    """

    key: str
    value: str = field(repr=False)
    category: Category = Category.TERRAFORM
    hcl: bool = False
    sensitive: bool = False
    description: str = ""
    phase: Phase = Phase.BOTH

    @property
    def place(self) -> tuple[Category, str, Phase]:
        """What tells variables of one owner apart: `region` may be both an input and in the environment.

        And an environment variable may have one value for plans and another one for applies.
        """
        return self.category, self.key, self.phase


@dataclass(frozen=True)
class StoredVariable:
    """A variable as it is kept. `set_by` is the login of who set it, empty for plangate.yml."""

    id: str
    variable: Variable
    set_by: str
    at: datetime

    @property
    def from_file(self) -> bool:
        """Whether plangate.yml has it: then it is edited there and nowhere else."""
        return not self.set_by


@dataclass(frozen=True)
class VariableSet:
    """Variables for many workspaces: for every one, or for those that its names and patterns fit.

    `made_by` is the login of who made it, empty for plangate.yml. `projects` are names of projects whose
    workspaces get the variables too. `priority`: they win over the workspace's own and over a run's.
    """

    id: str
    name: str
    everywhere: bool = False
    workspaces: tuple[str, ...] = ()
    description: str = ""
    made_by: str = ""
    variables: tuple[StoredVariable, ...] = ()
    priority: bool = False
    projects: tuple[str, ...] = ()

    @property
    def from_file(self) -> bool:
        """Whether plangate.yml says which workspaces it reaches."""
        return not self.made_by

    def reaches(self, workspace: str, project: str = "") -> bool:
        """Whether a workspace of that name gets the variables; found by discovery or configured alike."""
        return self.everywhere or self.names(workspace) or self.holds_project(project)

    def names(self, workspace: str) -> bool:
        """Whether its names and patterns fit a workspace."""
        return any(fnmatchcase(workspace, pattern) for pattern in self.workspaces)

    def holds_project(self, project: str) -> bool:
        """Whether it is for all workspaces of a project."""
        return bool(project) and project in self.projects


@dataclass(frozen=True)
class DeclaredSet:
    """A set as plangate.yml writes it."""

    name: str
    everywhere: bool = False
    workspaces: tuple[str, ...] = ()
    description: str = ""
    variables: tuple[Variable, ...] = ()


@dataclass(frozen=True)
class DeclaredVariables:
    """Everything that plangate.yml says of variables: those of workspaces by name, and the sets."""

    workspaces: Mapping[str, tuple[Variable, ...]] = field(default_factory=dict)
    sets: tuple[DeclaredSet, ...] = ()


@dataclass(frozen=True)
class VisibleVariable:
    """A variable as one workspace sees it: where it comes from, and what wins over it.

    `set_name` is None for the workspace's own. `hidden_by` names the winner, empty if it is this one.
    """

    kept: StoredVariable
    set_name: str | None
    hidden_by: str = ""

    @property
    def source(self) -> str:
        """Say where it comes from, in words fit for a person."""
        if self.set_name is None:
            return "the workspace" if self.kept.id else "the run"
        return f"the set {self.set_name}"


def one_line(text: str) -> str:
    """Return a file's text without the line end that editors add to a single line.

    A text of several lines, such as a key, is not changed.
    """
    line = text.removesuffix("\n").removesuffix("\r")
    return text if "\n" in line else line


def visible_variables(
    workspace: str, own: Iterable[StoredVariable], sets: Iterable[VariableSet], *, project: str = ""
) -> tuple[VisibleVariable, ...]:
    """Return every variable that reaches a workspace, by category and key, the winner of each first.

    Sets with priority win over all else, those for all first. Then the more specific wins: the workspace's
    own over any set's, a set that names its workspaces over one for their project, and that over one for
    all. Among sets alike the name that comes first wins, in plain order of characters. Source: Terraform
    Enterprise, "Variables", "Precedence". Of one owner, a variable for one phase wins over one for both.
    A variable is hidden if it wins in no phase.
    """
    ranked = _ranked(workspace, own, sets, project=project)
    winners = _winners(ranked)
    found = []
    for seen in ranked:
        variable = seen.kept.variable
        by = [
            winners[phase, variable.category, variable.key]
            for phase in PHASES
            if variable.phase.covers(phase)
        ]
        hidden = "" if any(winner is seen for winner in by) else by[0].source
        found.append(replace(seen, hidden_by=hidden))
    # Stable: of those with one name the winner stays first.
    return tuple(sorted(found, key=lambda seen: seen.kept.variable.place[:2]))


def _ranked(
    workspace: str,
    own: Iterable[StoredVariable],
    sets: Iterable[VariableSet],
    run: Iterable[StoredVariable] = (),
    *,
    project: str = "",
) -> list[VisibleVariable]:
    """Return what reaches a workspace, and a run of it, the stronger first."""

    def of_owner(there: Iterable[StoredVariable], set_name: str | None) -> list[VisibleVariable]:
        return [
            VisibleVariable(kept, set_name)
            for kept in sorted(there, key=lambda one: one.variable.phase is Phase.BOTH)
        ]

    def breadth(one: VariableSet) -> int:
        if one.everywhere:
            return 2
        return 0 if one.names(workspace) else 1

    reaching = [each for each in sets if each.reaches(workspace, project)]
    first = sorted((one for one in reaching if one.priority), key=lambda one: (-breadth(one), one.name))
    later = sorted((one for one in reaching if not one.priority), key=lambda one: (breadth(one), one.name))
    ranked = [seen for each in first for seen in of_owner(each.variables, each.name)]
    ranked += of_owner(run, None) + of_owner(own, None)
    return ranked + [seen for each in later for seen in of_owner(each.variables, each.name)]


def _winners(ranked: Iterable[VisibleVariable]) -> dict[tuple[Phase, Category, str], VisibleVariable]:
    """Return which one of each name is held in each phase."""
    winners: dict[tuple[Phase, Category, str], VisibleVariable] = {}
    for seen in ranked:
        variable = seen.kept.variable
        for phase in PHASES:
            if variable.phase.covers(phase):
                winners.setdefault((phase, variable.category, variable.key), seen)
    return winners


def effective(
    workspace: str,
    own: Iterable[StoredVariable],
    sets: Iterable[VariableSet],
    run: Iterable[StoredVariable] = (),
    *,
    project: str = "",
) -> tuple[Variable, ...]:
    """Return the variables that a run of the workspace gets, each with the phase in which it wins.

    `run` are its own ones (`-var`), which lose only to sets with priority.
    """
    held: dict[int, tuple[Variable, list[Phase]]] = {}
    for (phase, *_), seen in _winners(_ranked(workspace, own, sets, run, project=project)).items():
        held.setdefault(id(seen), (seen.kept.variable, []))[1].append(phase)
    found = [
        replace(variable, phase=phases[0] if len(phases) == 1 else Phase.BOTH)
        for variable, phases in held.values()
    ]
    return tuple(sorted(found, key=lambda variable: variable.place))


def held_in(phase: Phase, variables: Iterable[Variable]) -> tuple[Variable, ...]:
    """Return those of a run's variables that its processes get in a phase."""
    return tuple(variable for variable in variables if variable.phase.covers(phase))


def check(variable: Variable) -> None:
    """Check that a variable can be handed to Terraform. Raises Invalid, without repeating its value."""
    for wrong in (wrong_key(variable.key, variable.category), wrong_value(variable)):
        if wrong:
            raise Invalid(wrong)


def wrong_key(key: str, category: Category) -> str:
    """Say what is wrong with a name and what to write instead; empty if nothing is."""
    if not key:
        return "a variable needs a key"
    if len(key) > KEY_LENGTH:
        return f"the key has {len(key)} characters: {KEY_LENGTH} at most"
    shown = ascii(key)
    if category is Category.ENV:
        if not _ENV_NAME.fullmatch(key):
            return f"{shown} is not a valid environment variable: use letters, digits and _, no digit first"
        if is_guard(key):
            return f"the environment variable {key} is set by Plangate itself"
        return ""
    if key.startswith("-") or not key.replace("-", "_").isidentifier():
        return f"{shown} is not a valid variable name: use letters, digits, _ and -, no digit first"
    if key in _RESERVED:
        return f"{key} is a word that Terraform keeps for itself: no variable can have that name"
    return ""


def wrong_value(variable: Variable) -> str:
    """Say what is wrong with all but the name; empty if nothing is."""
    where = f"the value of {variable.key}"
    try:
        size = len(variable.value.encode())
    except UnicodeEncodeError:
        return f"{where} holds half a character, which UTF-8 can't: send it as UTF-8"
    if size > VALUE_BYTES:
        return f"{where} has {size} bytes: {VALUE_BYTES} (256 KB) at most"
    if "\0" in variable.value:
        return f"{where} holds a NUL character, which no variable can"
    if variable.hcl and variable.category is not Category.TERRAFORM:
        return f"{variable.key} is an environment variable, and these are not parsed: remove hcl"
    if wrong := wrong_phase(variable.key, variable.category, variable.phase):
        return wrong
    if len(variable.description) > DESCRIPTION_LENGTH:
        return f"the description of {variable.key} is too long: {DESCRIPTION_LENGTH} characters at most"
    return ""


def wrong_phase(key: str, category: Category, phase: Phase) -> str:
    """Say why a variable can't be for one phase only; empty if it can."""
    if category is Category.ENV or phase is Phase.BOTH:
        return ""
    return (
        f"{key} is a Terraform variable: the saved plan holds its value, so plan and apply both have it; "
        f"the phase `{phase.value}` is for environment variables"
    )


def is_guard(name: str) -> bool:
    """Whether an environment variable is one that Plangate sets itself (promise 5)."""
    return name in _GUARDS or name.startswith(_GUARD_PREFIXES)


def check_set(one: VariableSet) -> None:
    """Check that a set can be kept. Raises Invalid."""
    if wrong := wrong_set_name(one.name):
        raise Invalid(wrong)
    for pattern in one.workspaces:
        if wrong := wrong_pattern(pattern):
            raise Invalid(wrong)
    if one.everywhere and one.workspaces:
        raise Invalid(f"the set {one.name} is for every workspace: name none, or leave global off")
    if one.everywhere and one.projects:
        raise Invalid(f"the set {one.name} is for every project: name none, or leave global off")
    if len(one.description) > DESCRIPTION_LENGTH:
        raise Invalid(f"the description of {one.name} is too long: {DESCRIPTION_LENGTH} characters at most")


def wrong_set_name(name: str) -> str:
    """Say what is wrong with a set's name; empty if nothing is."""
    if NAME.fullmatch(name):
        return ""
    return (
        f"{name[:100]!a} is not a valid name of a set: use letters, digits, `-` and `_`, at most 90 of them"
    )


def wrong_pattern(pattern: str) -> str:
    """Say what is wrong with a workspace's name or a pattern of names; empty if nothing is."""
    if NAME.fullmatch(pattern.replace("*", "x").replace("?", "x")):
        return ""
    return f"{pattern[:100]!a} is not a workspace's name or a pattern: use letters, digits, -_*?"
