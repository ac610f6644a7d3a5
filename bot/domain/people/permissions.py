"""Roles, and which role each action needs. Source: Terraform Enterprise's workspace permissions."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, StrEnum

from bot.domain.origins import Origin


class Role(IntEnum):
    """What a person may do in a workspace; each role may do what the ones below it may."""

    NONE = 0
    READ = 1
    PLAN = 2
    WRITE = 3
    ADMIN = 4
    OWNER = 5


class Action(StrEnum):
    """What a person may ask for."""

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
    OVERRIDE_POLICY = "override a policy"


NEEDS: dict[Action, Role] = {
    Action.SEE: Role.READ,
    Action.PLAN: Role.PLAN,
    Action.COMMENT: Role.PLAN,
    Action.CONFIRM: Role.WRITE,
    Action.DISCARD: Role.WRITE,
    Action.CANCEL: Role.WRITE,
    # Of a plan-only run; one that may apply needs what confirming needs (domain/actions).
    Action.RETRY: Role.PLAN,
    Action.LOCK: Role.WRITE,
    Action.EDIT_VARIABLES: Role.WRITE,
    # A set reaches workspaces of many repositories: who writes to one of them must not change the others'.
    Action.EDIT_VARIABLE_SETS: Role.OWNER,
    Action.EDIT_STATE: Role.WRITE,
    Action.FORCE_UNLOCK: Role.ADMIN,
    Action.FORCE_CANCEL: Role.ADMIN,
    Action.OVERRIDE_POLICY: Role.OWNER,
}


@dataclass(frozen=True)
class Person:
    """Somebody who asks for something: a forge's login with the role found there, or the server itself.

    `origin` tells where the wish came from, for the record of what people do.
    """

    login: str
    role: Role
    origin: Origin = field(default_factory=Origin)

    def may(self, action: Action) -> bool:
        """Whether the role is enough for the action."""
        return self.role >= NEEDS[action]


def access_words(role: Role) -> str:
    """Name the access that a role has, as people know it."""
    also = " (GitHub: triage)" if role is Role.PLAN else ""
    return f"{role.name.lower()} access{also}"


def refusal(person: Person, action: Action) -> str:
    """Why the person may not; the same words in a comment, on a page and in the API (promise 7)."""
    what = "apply" if action is Action.CONFIRM else action.value
    has = "no access" if person.role is Role.NONE else f"{person.role.name.lower()} access"
    return f"{person.login} has {has} to this repository; {what} needs {access_words(NEEDS[action])}"
