"""Reads a forge's list of the deliveries of a webhook, newest first, only as far as it is not known yet."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from bot.services.ports.failed_deliveries import FailedAttempt, HookNews

KEPT = timedelta(days=3)
"""What failed earlier is not asked for again.

Source: https://docs.github.com/webhooks/testing-and-troubleshooting-webhooks/redelivering-webhooks
GitLab sends again for a week; the limit is the same, so that what is done late is so on both.
"""

MOST_PAGES = 10
"""How many pages one look reads. The next look reads on."""


@dataclass(frozen=True)
class ListedAttempt:
    """An attempt in the list. Later attempts have a greater `key`. `about` is None if nobody needs it."""

    key: int
    delivered: bool
    about: FailedAttempt | None


@dataclass(frozen=True)
class Page:
    """A page of the list. `following` leads to the next one, empty if there is none."""

    entries: Sequence[ListedAttempt]
    following: str = ""


@dataclass(frozen=True)
class _Place:
    """What the mark says. Attempts up to `known` were read before.

    While a long list is being read, `newest` is its newest attempt, and `page` leads to the rest.
    """

    known: int
    newest: int = 0
    page: str = ""

    @property
    def mark(self) -> str:
        return json.dumps([self.known, self.newest, self.page])


def read(mark: str, page: Callable[[str], Page], *, overlap: int = 0, oldest: int = 0) -> HookNews:
    """Return what failed since the mark. `page` returns a page; an empty name means the first one.

    Attempts whose key is up to `overlap` below what is known are read again, in case they are listed late.
    Those below `oldest` are left out. Without a mark, returns only one.
    """
    if not mark:
        entries = page("").entries
        return HookNews(mark=_Place(max((entry.key for entry in entries), default=0)).mark, calls=1)
    place = _Place(*json.loads(mark))
    newest, name = max(place.newest, place.known), place.page
    found: dict[str, FailedAttempt] = {}
    delivered: set[str] = set()
    calls, ended = 0, False
    while calls < MOST_PAGES and not ended:
        answer = page(name)
        calls, name, ended = calls + 1, answer.following, not answer.following
        for entry in answer.entries:
            if entry.key < oldest or entry.key <= place.known - overlap:
                ended = True
                break
            newest = max(newest, entry.key)
            if (about := entry.about) is None:
                continue
            if entry.delivered:
                delivered.add(about.delivery_id)
            later = found.get(about.delivery_id)
            found[about.delivery_id] = about if later is None else replace(later, at=about.at)
    failed = tuple(about for about in found.values() if about.delivery_id not in delivered)
    after = _Place(newest) if ended else _Place(place.known, newest, name)
    return HookNews(failed, after.mark, not ended, calls)
