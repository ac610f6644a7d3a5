"""View models of the policies on the run's page."""

from __future__ import annotations

from dataclasses import dataclass

from bot.web.page.layout import Badge, Link


@dataclass(frozen=True)
class PolicyLine:
    """A policy's result for a run's plan. `source` is its file in that version.

    `messages` are the first ones. `rest` links to all of them if there are more.
    """

    name: str
    badge: Badge
    level: str
    description: str
    messages: tuple[str, ...]
    rest: Link
    override: str
    took: str
    source: Link


@dataclass(frozen=True)
class PolicyCard:
    """The card of the policy check: its result, and each policy, failed ones first."""

    badge: Badge
    words: str
    origins: tuple[str, ...]
    lines: tuple[PolicyLine, ...]
    open: bool
