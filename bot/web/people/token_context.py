"""What the page of somebody's tokens is given, typed."""

from __future__ import annotations

from dataclasses import dataclass

from bot.web.pages import Badge, Chrome, Moment, Pager


@dataclass(frozen=True)
class TokenRow:
    """One token; `revoke_url` is empty where it counts no more."""

    id: str
    name: str
    whose: str
    badge: Badge
    scope: str
    made: Moment
    used: Moment | None
    until: str
    revoke_url: str


@dataclass(frozen=True)
class TokensPage:
    """Somebody's tokens, and the form that makes one. `secret` is that of the one just made.

    An owner sees `everybodys` that count, too.
    """

    chrome: Chrome
    rows: tuple[TokenRow, ...]
    owner: bool
    everybodys: tuple[TokenRow, ...]
    pager: Pager
    secret: str
    name: str
    problem: str
    lasts: tuple[int, ...]
    usual: int
    example: str
