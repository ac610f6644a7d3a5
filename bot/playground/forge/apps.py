"""GitHub Apps: registered ones, and the accounts that let them in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bot.playground.forge.model import now

if TYPE_CHECKING:
    from datetime import datetime

    from bot.playground.forge.model import User


@dataclass(eq=False)
class App:
    """A registered GitHub App. Without a public key only the form of its tokens is checked."""

    id: int
    slug: str
    public_key: str | None
    bot: User
    owner: User
    created_at: datetime = field(default_factory=now)


@dataclass(eq=False)
class Installation:
    """An app that an account let in to all of its repositories."""

    id: int
    app: App
    account: User
    created_at: datetime = field(default_factory=now)
