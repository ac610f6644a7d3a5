"""View models of the list of a plan's changes: a tree of modules, changes and attributes."""

from __future__ import annotations

from dataclasses import dataclass

from bot.web.page.layout import Chrome, Filter, Link


@dataclass(frozen=True)
class DiffRow:
    """A line of a value that has many; `kind` is `add`, `destroy`, `skipped` or empty."""

    kind: str
    sign: str
    text: str


@dataclass(frozen=True)
class AttributeDiff:
    """An attribute before and after; `lines` instead if its values have many lines."""

    sign: str
    kind: str
    name: str
    before: str | None
    after: str | None
    lines: tuple[DiffRow, ...]
    note: str
    forces: bool


@dataclass(frozen=True)
class Details:
    """The attributes of a change; `rest`: how many are not listed, `none`: why none are."""

    rows: tuple[AttributeDiff, ...]
    rest: str
    none: str


@dataclass(frozen=True)
class ResourceDiff:
    """One change. `url` leads to its attributes, `details` has them where they came along."""

    anchor: str
    symbol: str
    kind: str
    deed: str
    name: str
    address: str
    notes: tuple[str, ...]
    url: str
    details: Details | None


@dataclass(frozen=True)
class ModuleNode:
    """A module with its changes, and the modules within it. `count` is of all that is in it."""

    name: str
    url: str
    count: int
    rows: tuple[ResourceDiff, ...]
    modules: tuple[ModuleNode, ...]


@dataclass(frozen=True)
class ResourceList:
    """One part of a long list of changes, as a tree. `more_url` leads to the next part.

    `open`: each change shows its attributes.
    """

    root: ModuleNode
    words: str
    more_url: str
    more_words: str
    open: bool = False


@dataclass(frozen=True)
class Resources:
    """Everything that a plan changes: resources as far as they were asked for, outputs, and drift.

    `expand_url` leads to the list with every attribute open.
    """

    total: int
    filters: tuple[Filter, ...]
    search_url: str
    query: str
    deed: str
    module: str
    all_url: str
    expand_url: str
    list: ResourceList
    outputs: ResourceList | None
    drift: ResourceList | None


@dataclass(frozen=True)
class Loss:
    """An object that a plan destroys or replaces."""

    kind: str
    deed: str
    symbol: str
    address: str


@dataclass(frozen=True)
class Losses:
    """The objects that a plan destroys or replaces. `rest` leads to those that are not named."""

    words: str
    rows: tuple[Loss, ...]
    rest: Link


@dataclass(frozen=True)
class ResourcePage:
    """One change on a page of its own, for browsers without scripts."""

    chrome: Chrome
    run: Link
    row: ResourceDiff


@dataclass(frozen=True)
class ResourcesPage:
    """A part of the list on a page of its own, for browsers without scripts."""

    chrome: Chrome
    run: Link
    title: str
    list: ResourceList
