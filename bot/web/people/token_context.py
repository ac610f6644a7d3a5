"""View models of the page of a person's tokens."""

from __future__ import annotations

from dataclasses import dataclass

from bot.web.page.layout import Badge, Chrome, Pager, Timestamp


@dataclass(frozen=True)
class TokenRow:
    """One token; `revoke_url` is empty if it is no longer active."""

    id: str
    name: str
    whose: str
    badge: Badge
    scope: str
    workspaces: str
    made: Timestamp
    used: Timestamp | None
    until: str
    revoke_url: str


@dataclass(frozen=True)
class LoginPage:
    """A program asks for a token. `listens` is where it waits for the answer."""

    chrome: Chrome
    whose: str
    listens: str
    days: int
    allow_url: str


@dataclass(frozen=True)
class SessionRow:
    """Somebody who is signed in."""

    whose: str
    login: str
    forge: str
    count: str
    seen: Timestamp


@dataclass(frozen=True)
class TokensPage:
    """A person's tokens, and the form that creates one. `secret` is the secret of the token just created.

    Owners also see everybody's active tokens, and who is `signed_in`.
    """

    chrome: Chrome
    rows: tuple[TokenRow, ...]
    owner: bool
    everybodys: tuple[TokenRow, ...]
    pager: Pager
    signed_in: tuple[SessionRow, ...]
    secret: str
    name: str
    problem: str
    lasts: tuple[int, ...]
    usual: int
    example: str
