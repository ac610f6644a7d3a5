"""What people did, or wanted to and could not: one line each, for ever."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from bot.domain.events import RepoRef
from bot.domain.origins import Via
from bot.domain.permissions import Role


class Deed(StrEnum):
    """What somebody did."""

    SIGN_IN = "sign in"
    SIGN_OUT = "sign out"
    PLAN = "queue plan"
    APPLY = "apply"
    CONFIRM = "confirm"
    DISCARD = "discard"
    OVERRIDE = "override policy"
    CANCEL = "cancel"
    FORCE_CANCEL = "force-cancel"
    RETRY = "retry"
    COMMENT = "comment"
    LOCK = "lock"
    UNLOCK = "unlock"
    RELEASE_STATE = "release state lock"
    SET_VARIABLE = "set variable"
    UNSET_VARIABLE = "unset variable"
    PUT_SET = "put variable set"
    REMOVE_SET = "remove variable set"
    ROLL_BACK = "roll back state"
    PUSH_STATE = "push state"
    DOWNLOAD_STATE = "download state"
    REPLAY = "replay delivery"
    SYNC = "sync"
    MIGRATE = "migrate database"
    ROTATE_KEYS = "rotate keys"
    MAKE_TOKEN = "make token"  # noqa: S105  # what is done, not a token
    REVOKE_TOKEN = "revoke token"  # noqa: S105  # what is done, not a token
    REQUEST = "request"


class Ending(StrEnum):
    """How it ended."""

    DONE = "done"
    REFUSED = "refused"


@dataclass(frozen=True)
class AuditEntry:
    """One line: who, as what, did what to what, when, from where, and how it ended.

    `subject` is the run, set, version, delivery or token; `workspace` is a name, and `repo` its repository,
    where there is one: whoever administers it sees the line. `address` is where a browser or a program called
    from, `token` the name of the token that it used. `detail` are the person's own words and what belongs to
    it, `why` is the reason of a refusal. `id` is given by the database, and only grows.
    """

    at: datetime
    login: str
    forge: str
    role: Role
    via: Via
    deed: Deed
    subject: str = ""
    workspace: str = ""
    repo: RepoRef | None = None
    detail: str = ""
    ending: Ending = Ending.DONE
    why: str = ""
    address: str = ""
    token: str = ""
    id: int = 0
