"""Reads a forge's list of the deliveries of a webhook, newest first, only as far as it is not known yet."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass, field, replace

from bot.domain.errors import ForgeRefused, Invalid, NotFound, NotLetIn
from bot.services.ports.failed_deliveries import FailedAttempt, HookNews

log = logging.getLogger(__name__)

MOST_PAGES = 10
"""How many pages one look reads. The next look reads on."""


_LONGEST = 5_000
"""How many pages a list has at most. A forge that names more has lost its way."""


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

    While a long list is being read, `newest` is its newest attempt, and `page` leads to the rest. `pages`
    were read, among them `passed`. `again`: it was begun again, because a page could not be read.
    """

    known: int
    newest: int = 0
    page: str = ""
    pages: int = 0
    passed: str = ""
    again: bool = False

    @property
    def mark(self) -> str:
        return json.dumps(astuple(self))

    def after(self, following: str) -> _Place | None:
        """Return the place after a page was read. None if the pages lead to each other.

        Of all pages it remembers one, and later ones seldom: a circle of any length comes by it (Brent).
        """
        pages = self.pages + 1
        if following and (following == self.passed or pages >= _LONGEST):
            return None
        passed = following if pages & (pages - 1) == 0 else self.passed
        return replace(self, page=following, pages=pages, passed=passed)


@dataclass
class _Found:
    """The attempts that were read: the newest one of each delivery, with the time of its earliest one."""

    attempts: dict[str, FailedAttempt] = field(default_factory=dict)
    delivered: set[str] = field(default_factory=set)

    def add(self, entry: ListedAttempt) -> None:
        if (about := entry.about) is None:
            return
        if entry.delivered:
            self.delivered.add(about.delivery_id)
        later = self.attempts.get(about.delivery_id)
        self.attempts[about.delivery_id] = about if later is None else replace(later, at=about.at)

    @property
    def failed(self) -> tuple[FailedAttempt, ...]:
        found = self.attempts.values()
        return tuple(about for about in found if about.delivery_id not in self.delivered)


def read(mark: str, page: Callable[[str], Page], *, overlap: int = 0, oldest: int = 0) -> HookNews:
    """Return what failed since the mark. `page` returns a page; an empty name means the first one.

    Attempts whose key is up to `overlap` below what is known are read again, in case they are listed late.
    Those below `oldest` are left out. Without a mark, returns only one.

    If a later page is refused or leads back, the list is read from its beginning, once. If that does not
    help, the rest is given up: what comes later counts for more. Raises what `page` raises for the first one.
    """
    if not mark:
        entries = page("").entries
        return HookNews(mark=_Place(max((entry.key for entry in entries), default=0)).mark, calls=1)
    place = _Place(*json.loads(mark))
    newest, found = max(place.newest, place.known), _Found()
    calls, ended = 0, False
    while calls < MOST_PAGES and not ended:
        calls += 1
        answer = _page(place.page, page)
        for entry in answer.entries if answer is not None else ():
            if entry.key < oldest or entry.key <= place.known - overlap:
                ended = True
                break
            newest = max(newest, entry.key)
            found.add(entry)
        if ended:
            break
        following = place.after(answer.following) if answer is not None else None
        if following is not None:
            place, ended = following, not following.page
        elif place.again:
            log.warning("a list of webhook deliveries could not be read to its end: the rest is left out")
            ended = True
        else:
            place = _Place(place.known, again=True)
    after = _Place(newest) if ended else replace(place, newest=newest)
    return HookNews(found.failed, after.mark, not ended, calls)


def _page(name: str, page: Callable[[str], Page]) -> Page | None:
    """Return a page. None if the forge does not take its name any more."""
    try:
        return page(name)
    except NotLetIn:
        raise
    except (ForgeRefused, NotFound, Invalid) as error:
        if not name:
            raise
        log.info("a page of a list of webhook deliveries can't be read: %s", error)
        return None
