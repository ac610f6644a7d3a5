"""Identity: how a workspace's runs present themselves to clouds, and the claims of their tokens."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from bot.domain.workspaces.phase import Phase

TAG = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,29}")
"""What a token of one's own may be called: it becomes a part of environment variables' names."""


class Cloud(StrEnum):
    """Who takes a token: each has variables of its own by which its provider finds it."""

    AWS = "aws"
    GOOGLE = "google"
    AZURE = "azure"
    VAULT = "vault"
    OTHER = "other"


@dataclass(frozen=True)
class Target:
    """One audience. `tag` is its name in environment variables, in capitals.

    `plan_as` and `apply_as` are whom a phase acts as: a role's ARN, a service account, a client id. If one of
    them is given, a phase without one gets no token. `settings` are what else the cloud's provider needs.
    """

    tag: str
    cloud: Cloud
    audience: str
    plan_as: str = ""
    apply_as: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)

    def acts_as(self, phase: Phase) -> str:
        """Return whom a phase acts as; empty if that is not said."""
        return self.apply_as if phase is Phase.APPLY else self.plan_as

    def wanted_in(self, phase: Phase) -> bool:
        """Whether a phase gets a token for this audience."""
        return bool(self.acts_as(phase)) or not (self.plan_as or self.apply_as)


@dataclass(frozen=True)
class Identity:
    """The audiences of a workspace. `forks`: previews of changes from forks get tokens as well."""

    targets: tuple[Target, ...] = ()
    forks: bool = False


def organization(repo_path: str) -> str:
    """Return the organization of a token's subject: the owner of the workspace's repository."""
    return repo_path.rpartition("/")[0] or repo_path


def subject(repo_path: str, workspace: str, phase: Phase) -> str:
    """Return whom a token is of: what trust policies compare."""
    return f"organization:{organization(repo_path)}:workspace:{workspace}:phase:{phase.value}"
