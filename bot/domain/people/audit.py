"""The audit log: one line for each action of a person, and for each refusal. Kept forever."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from bot.domain.events import RepoRef
from bot.domain.people.origins import Via
from bot.domain.people.permissions import Role


class AuditAction(StrEnum):
    """The actions of people."""

    SIGN_IN = "sign in"
    SIGN_OUT = "sign out"
    END_SESSIONS = "end sessions"
    PLAN = "queue plan"
    VERIFY_PLAN = "verify plan"
    APPLY = "apply"
    DISCARD = "discard"
    OVERRIDE = "override policy"
    IGNORE_FREEZE = "ignore freeze"
    CANCEL = "cancel"
    FORCE_CANCEL = "force-cancel"
    FORCE_EXECUTE = "force-execute"
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
    READ_STATE = "read state"
    READ_OUTPUT = "read output"
    REPLAY = "replay delivery"
    SYNC = "sync"
    MIGRATE = "migrate database"
    ROTATE_KEYS = "rotate keys"
    ROTATE_IDENTITY = "rotate identity keys"
    MAKE_TOKEN = "make token"  # noqa: S105  # what is done, not a token
    REVOKE_TOKEN = "revoke token"  # noqa: S105  # what is done, not a token
    CONFIRM_IDENTITY = "confirm identity"
    REQUEST = "request"
    MAKE_WORKSPACE = "create workspace"
    CHANGE_WORKSPACE = "change workspace"
    DELETE_WORKSPACE = "delete workspace"
    UPLOAD = "upload configuration"
    MAKE_PROJECT = "create project"
    CHANGE_PROJECT = "change project"
    DELETE_PROJECT = "delete project"
    DRIFTED = "drift found"
    DRIFT_RESOLVED = "drift resolved"
    TEST_NOTIFICATION = "test notification"


class AuditResult(StrEnum):
    """The result of an action."""

    DONE = "done"
    REFUSED = "refused"


@dataclass(frozen=True)
class AuditEntry:
    """One line: who did what, in which role, to what, when, from where, and with which result.

    `subject` is the run, set, version, delivery or token. `workspace` is a name, and `repo` its repository,
    if there is one: its administrators see the line. `address` is the address of the browser or program,
    `token` the name of the token that it used. `detail` has the person's own words and other details,
    `why` the reason of a refusal. `id` is set by the database and only grows.
    """

    at: datetime
    login: str
    forge: str
    role: Role
    via: Via
    deed: AuditAction
    subject: str = ""
    workspace: str = ""
    repo: RepoRef | None = None
    detail: str = ""
    ending: AuditResult = AuditResult.DONE
    why: str = ""
    address: str = ""
    token: str = ""
    id: int = 0
