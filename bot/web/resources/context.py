"""View models of the page of resources."""

from __future__ import annotations

from dataclasses import dataclass

from bot.web.page.layout import Chrome, Filter, Link, Pager, Timestamp


@dataclass(frozen=True)
class ResourceFields:
    """The active filter, as the form shows it."""

    q: str
    type: str
    name: str
    module: str
    provider: str
    version: str
    workspace: str


@dataclass(frozen=True)
class ResourceLine:
    """A resource. `address` leads to the current state, `changed` to the run that changed it last."""

    address: Link
    workspace: Link
    provider: str
    version: str
    instances: int
    changed: Link
    when: Timestamp | None


@dataclass(frozen=True)
class ResourceSearchPage:
    """Resources of current states. `types` are the commonest ones; `unreadable` says what is missing.

    `more`: a filter beyond the text is active, so that the form is open.
    """

    chrome: Chrome
    fields: ResourceFields
    types: tuple[Filter, ...]
    total: str
    rows: tuple[ResourceLine, ...]
    pager: Pager
    filtered: bool
    more: bool
    clear_url: str
    unreadable: str
