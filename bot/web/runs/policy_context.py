"""What the run's page is given of its policies, typed."""

from __future__ import annotations

from dataclasses import dataclass

from bot.web.pages import Badge, Link


@dataclass(frozen=True)
class PolicyLine:
    """What a policy said of a run's plan. `source` is its file as it was then."""

    name: str
    badge: Badge
    level: str
    description: str
    messages: tuple[str, ...]
    override: str
    took: str
    source: Link


@dataclass(frozen=True)
class PolicyCard:
    """The card of the policy check: what it came to, and each policy, the failed ones first."""

    badge: Badge
    words: str
    origins: tuple[str, ...]
    lines: tuple[PolicyLine, ...]
    open: bool
