"""The organization of the API: its name, what its members may do, and how large uploads may be."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from bot.config.problems import Problems, shown
from bot.config.settings import Environment
from bot.domain.people.permissions import Role

_LEAST_PATIENCE = timedelta(minutes=5)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{1,39}")


class MemberRole(StrEnum):
    """What everybody who can sign in may do in workspaces without a repository."""

    NONE = "none"
    READ = "read"
    PLAN = "plan"
    WRITE = "write"
    ADMIN = "admin"


@dataclass(frozen=True)
class OrganizationSettings:
    """The one organization. `upload_limit` is in bytes.

    `patience` is how long a run of an upload waits for a decision, before it is discarded.
    """

    name: str
    member: Role
    upload_limit: int
    patience: timedelta


def read_organization(env: Environment, problems: Problems) -> OrganizationSettings:
    """Read the settings of the organization."""
    name = env.text("PLANGATE_ORGANIZATION")
    if not _NAME.fullmatch(name):
        problems.add(
            "PLANGATE_ORGANIZATION",
            f"{shown(name)} is not a valid name: 2 to 40 letters, digits, `-` and `_`",
        )
    member = env.choice("PLANGATE_MEMBER_ROLE", MemberRole, MemberRole.NONE)
    limit = env.number("PLANGATE_UPLOAD_LIMIT", most=1024, least=1)
    patience = env.duration("PLANGATE_UPLOAD_PATIENCE")
    if patience < _LEAST_PATIENCE:
        problems.add("PLANGATE_UPLOAD_PATIENCE", "must be at least 5m: people need time to read a plan")
    return OrganizationSettings(name, Role[member.name], limit * 1024 * 1024, patience)
