"""View model of the form of Queue Plan."""

from __future__ import annotations

from dataclasses import dataclass

from bot.web.page.layout import Chrome, Link


@dataclass(frozen=True)
class ModeField:
    """A mode that may be chosen here; `takes_addresses` asks for addresses, a line each."""

    name: str
    label: str
    about: str
    takes_addresses: bool


@dataclass(frozen=True)
class QueuePlanPage:
    """The form that asks for a run by hand."""

    chrome: Chrome
    workspace: Link
    branch: str
    token: str
    action: str
    modes: tuple[ModeField, ...]
    not_allowed: str
    applies_by_itself: bool
