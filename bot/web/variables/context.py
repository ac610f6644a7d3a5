"""What the pages of variables are given, typed; no sensitive value gets this far (promise 6)."""

from __future__ import annotations

from dataclasses import dataclass

from bot.web.page.layout import Chrome, Link, Tab, Timestamp


@dataclass(frozen=True)
class VariableRow:
    """One line of a list of variables; `hidden_by` names what wins over it. No sensitive value is here."""

    key: str
    value: str
    write_only: bool
    kind: str
    description: str
    source: Link
    set_by: str
    when: Timestamp
    hidden_by: str
    edit_url: str
    category: str
    phase: str
    phase_words: str


@dataclass(frozen=True)
class VariableForm:
    """The form that sets a variable: a new one, or one that is there, whose name then stands."""

    title: str
    action: str
    token: str
    editing: bool
    key: str = ""
    category: str = "terraform"
    phase: str = "both"
    value: str = ""
    hcl: bool = False
    sensitive: bool = False
    description: str = ""
    cancel_url: str = ""


@dataclass(frozen=True)
class VariablesPage:
    """The variables of one owner: a workspace or a set. Without a form this person may only look."""

    chrome: Chrome
    crumb: Link
    title: str
    tabs: tuple[Tab, ...]
    about: str
    rows: tuple[VariableRow, ...]
    empty: str
    form: VariableForm | None
    unset_url: str
    remove_url: str = ""


@dataclass(frozen=True)
class SetRow:
    """One line of the list of sets."""

    name: str
    url: str
    reaches: str
    count: str
    made_by: str
    description: str


@dataclass(frozen=True)
class SetsPage:
    """Every set, and the form that makes one."""

    chrome: Chrome
    rows: tuple[SetRow, ...]
    action: str
