"""What the forge knows of a change's requirements, cached for some seconds for all who look at its page.

Pages only show it. An apply asks the forge itself.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Container, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Lock
from typing import cast

from flask import current_app

from bot.domain.changes.requirements import Facts, Requirement, needed_by
from bot.domain.errors import ForgeError, ForgeRefused
from bot.domain.events import Change
from bot.domain.workspaces.workspace import Workspace
from bot.services.approvals.requirements import RequirementChecker
from bot.services.ports import Clock
from bot.web.request.services import Services, services

KEPT_FOR = timedelta(seconds=10)
"""How long an answer of the forge is cached for pages."""

MOST_KEPT = 200
_PLACE = "plangate_recent_facts"

# The change with its latest commit, and what is asked about it.
_Key = tuple[Change, frozenset[Requirement], tuple[str, ...]]


@dataclass
class _Entry:
    lock: Lock = field(default_factory=Lock)
    answer: Facts | ForgeError | None = None
    at: datetime | None = None


class RecentFacts:
    """Asks the forge once for everybody who asks about a change at about the same time."""

    def __init__(self, checker: RequirementChecker, forges: Container[str], clock: Clock) -> None:
        self._checker = checker
        self._forges = forges
        self._clock = clock
        self._lock = Lock()
        self._entries: OrderedDict[_Key, _Entry] = OrderedDict()

    def of(self, change: Change, workspaces: Sequence[Workspace]) -> Facts | ForgeError:
        """Return the facts, or why the forge did not give them: that is cached, too. Raises NotFound."""
        if change.repo.forge not in self._forges:
            return ForgeRefused("it is no longer configured")
        entry = self._entry((change, needed_by(workspaces), tuple(each.id for each in workspaces)))
        with entry.lock:
            if entry.answer is None or entry.at is None or self._clock.now() - entry.at >= KEPT_FOR:
                entry.answer = self._ask(change, workspaces)
                entry.at = self._clock.now()
            return entry.answer

    def _ask(self, change: Change, workspaces: Sequence[Workspace]) -> Facts | ForgeError:
        try:
            return self._checker.facts(change, workspaces)
        except ForgeError as error:
            return error

    def _entry(self, key: _Key) -> _Entry:
        with self._lock:
            entry = self._entries.setdefault(key, _Entry())
            self._entries.move_to_end(key)
            while len(self._entries) > MOST_KEPT:
                self._entries.popitem(last=False)
            return entry


@dataclass(frozen=True)
class _Held:
    services: Services
    facts: RecentFacts


def recent_facts() -> RecentFacts:
    """Return what this process caches for the services of the app that handles this request."""
    mine = services()
    held = cast("_Held | None", current_app.extensions.get(_PLACE))
    if held is None or held.services is not mine:
        held = _Held(mine, RecentFacts(mine.requirement_checker, mine.hooks, mine.clock))
        current_app.extensions[_PLACE] = held
    return held.facts
