"""View models of the pages of a workspace's states."""

from __future__ import annotations

from dataclasses import dataclass

from bot.web.page.layout import Badge, Chrome, Fact, Link, Pager, Tab, Timestamp


@dataclass(frozen=True)
class StateRow:
    """One version in the list."""

    url: str
    serial: int
    badge: Badge
    made: Link
    when: Timestamp
    size: str
    refused: str
    id: str
    compare_url: str = ""


@dataclass(frozen=True)
class StatesPage:
    """A workspace's states, newest first."""

    chrome: Chrome
    workspace: Link
    tabs: tuple[Tab, ...]
    locked: str
    rows: tuple[StateRow, ...]
    pager: Pager


@dataclass(frozen=True)
class OutputRow:
    """An output; `value` is None if it is sensitive."""

    name: str
    type: str
    value: str | None


@dataclass(frozen=True)
class StateResourceRow:
    """A resource with the number of its instances."""

    address: str
    count: int
    provider: str
    url: str


@dataclass(frozen=True)
class RollBack:
    """Whether this person may roll back to a version now; `why_not` says why not."""

    url: str
    why_not: str


@dataclass(frozen=True)
class StatePage:
    """One version of a state, without its secrets."""

    chrome: Chrome
    workspace: Link
    tabs: tuple[Tab, ...]
    states_url: str
    id: str
    serial: int
    badge: Badge
    made: Link
    when: Timestamp
    refused: str
    facts: tuple[Fact, ...]
    download_url: str
    roll_back: RollBack | None
    compare_url: str
    outputs: tuple[OutputRow, ...]
    resources: tuple[StateResourceRow, ...]
    resource_count: int
    search: str
    pager: Pager


@dataclass(frozen=True)
class StateAttribute:
    """An attribute that differs: its values before and after, None if it has none. `block`: many lines."""

    sign: str
    kind: str
    name: str
    before: str | None
    after: str | None
    block: bool


@dataclass(frozen=True)
class DifferenceRow:
    """A resource or an output that only one of two versions has, or that is not the same in both."""

    sign: str
    kind: str
    label: str
    address: str
    attributes: tuple[StateAttribute, ...]
    more: int
    untold: bool
    open: bool


@dataclass(frozen=True)
class InstanceCard:
    """An instance of a resource. `untold`: no plan says which values are sensitive, so none is shown."""

    address: str
    attributes: tuple[StateAttribute, ...]
    more: int
    untold: bool
    open: bool


@dataclass(frozen=True)
class InstancesPage:
    """The instances of a resource in one version of a state, with their attributes."""

    chrome: Chrome
    workspace: Link
    states_url: str
    state: Link
    address: str
    count: str
    instances: tuple[InstanceCard, ...]
    pager: Pager


@dataclass(frozen=True)
class VersionChoice:
    """A version that may be chosen to be compared."""

    id: str
    words: str
    when: Timestamp


@dataclass(frozen=True)
class ComparePage:
    """Two versions of a state, held against each other. `summary` counts what differs."""

    chrome: Chrome
    workspace: Link
    tabs: tuple[Tab, ...]
    states_url: str
    action: str
    choices: tuple[VersionChoice, ...]
    before: VersionChoice
    now: VersionChoice
    summary: str
    same: str
    outputs: tuple[DifferenceRow, ...]
    resources: tuple[DifferenceRow, ...]
    pager: Pager
