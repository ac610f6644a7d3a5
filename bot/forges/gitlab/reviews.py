"""What requirements ask a forge for, and GitLab's client does not know yet: said so, never guessed."""

from __future__ import annotations

from typing import NoReturn

from bot.domain.errors import ForgeRefused
from bot.domain.events import Change, RepoRef


class NoReviews:
    """Implements ForgeReviews by refusing: a requirement that cannot be checked is unmet."""

    name: str

    def reviews(self, repo: RepoRef, number: int) -> NoReturn:
        """Refuse: approvals are not known yet on GitLab."""
        raise self._unknown(f"approvals of {repo.path}!{number}")

    def commits_behind(self, change: Change) -> NoReturn:
        """Refuse: not known yet on GitLab."""
        raise self._unknown(f"how far {change.repo.path}!{change.number} is behind")

    def code_owners(self, repo: RepoRef, branch: str) -> NoReturn:
        """Refuse: code owners are not known yet on GitLab."""
        raise self._unknown(f"the code owners of {repo.path} on {branch}")

    def team_members(self, repo: RepoRef, team: str) -> NoReturn:
        """Refuse: groups as owners are not known yet on GitLab."""
        raise self._unknown(f"the members of {team} for {repo.path}")

    def _unknown(self, what: str) -> ForgeRefused:
        return ForgeRefused(f"{self.name}: {what}: not known yet on GitLab")
