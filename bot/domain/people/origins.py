"""The origin of a request: a page, a program, a comment, the command line."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Via(StrEnum):
    """The kinds of origins."""

    PAGE = "page"
    TOKEN = "token"  # noqa: S105  # a name, not a secret
    COMMENT = "comment"
    CLI = "command line"
    SERVER = "server"


@dataclass(frozen=True)
class Origin:
    """The kind of origin, the account's forge, the client's address, and the name of the API token.

    `uid` is the account's own number on its forge, empty if it is not known.
    """

    via: Via = Via.SERVER
    forge: str = ""
    address: str = ""
    token: str = ""
    uid: str = ""
