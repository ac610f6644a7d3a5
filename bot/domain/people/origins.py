"""Where a person's wish came from: a page, a program, a comment, the command line."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Via(StrEnum):
    """By which way."""

    PAGE = "page"
    TOKEN = "token"  # noqa: S105  # the word for it
    COMMENT = "comment"
    CLI = "command line"
    SERVER = "server"


@dataclass(frozen=True)
class Origin:
    """The way, the account's forge, the address that called, and the name of the token that vouched."""

    via: Via = Via.SERVER
    forge: str = ""
    address: str = ""
    token: str = ""
