"""Roles, and which role each action needs. Source: Terraform Enterprise's workspace permissions."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, StrEnum

from bot.domain.errors import Forbidden
from bot.domain.people.origins import Origin


class Role(IntEnum):
    """A role in a workspace. Each role includes the ones below it."""

    NONE = 0
    READ = 1
    PLAN = 2
    WRITE = 3
    ADMIN = 4
    OWNER = 5


class Action(StrEnum):
    """The actions of people."""

    SEE = "see"
    PLAN = "plan"
    COMMENT = "comment"
    CONFIRM = "confirm"
    DISCARD = "discard"
    CANCEL = "cancel"
    RETRY = "retry"
    LOCK = "lock"
    EDIT_VARIABLES = "edit variables"
    EDIT_VARIABLE_SETS = "edit variable sets"
    EDIT_STATE = "edit state"
    FORCE_UNLOCK = "force-unlock"
    FORCE_CANCEL = "force-cancel"
    FORCE_EXECUTE = "force-execute"
    OVERRIDE_POLICY = "override a policy"
    IGNORE_FREEZE = "ignore a freeze"


NEEDS: dict[Action, Role] = {
    Action.SEE: Role.READ,
    Action.PLAN: Role.PLAN,
    Action.COMMENT: Role.PLAN,
    Action.CONFIRM: Role.WRITE,
    Action.DISCARD: Role.WRITE,
    Action.CANCEL: Role.WRITE,
    # For a plan-only run. A run that may apply needs the role for confirming (see `actions`).
    Action.RETRY: Role.PLAN,
    Action.LOCK: Role.WRITE,
    Action.EDIT_VARIABLES: Role.WRITE,
    # A set reaches workspaces of many repositories: a writer of one must not change the others.
    Action.EDIT_VARIABLE_SETS: Role.OWNER,
    Action.EDIT_STATE: Role.WRITE,
    Action.FORCE_UNLOCK: Role.ADMIN,
    Action.FORCE_CANCEL: Role.ADMIN,
    Action.FORCE_EXECUTE: Role.ADMIN,
    Action.OVERRIDE_POLICY: Role.OWNER,
    Action.IGNORE_FREEZE: Role.OWNER,
}


@dataclass(frozen=True)
class Person:
    """A person who asks for something: a forge's login with its role, or the server itself.

    `origin` is where the request came from, for the audit log.
    """

    login: str
    role: Role
    origin: Origin = field(default_factory=Origin)

    def may(self, action: Action) -> bool:
        """Whether the role allows the action."""
        return self.role >= NEEDS[action]


def require(person: Person, action: Action) -> None:
    """Raise Forbidden, with the words of `refusal`, if the person may not do it."""
    if not person.may(action):
        raise Forbidden(refusal(person, action))


def access_words(role: Role) -> str:
    """Return the name of a role for people."""
    also = " (GitHub: triage)" if role is Role.PLAN else ""
    return f"{role.name.lower()} access{also}"


def refusal(person: Person, action: Action) -> str:
    """Say why the person may not. Comments, pages and the API use the same words (promise 7)."""
    what = "apply" if action is Action.CONFIRM else action.value
    has = "no access" if person.role is Role.NONE else f"{person.role.name.lower()} access"
    return f"{person.login} has {has} to this repository; {what} needs {access_words(NEEDS[action])}"
