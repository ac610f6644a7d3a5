"""What a forge knows of how far a change has come with its reviewers: what requirements ask for."""

from __future__ import annotations

from typing import Protocol

from bot.domain.codeowners import CodeOwners
from bot.domain.events import Change, RepoRef
from bot.domain.reviews import ApprovalRule, Review


class ForgeReviews(Protocol):
    """Reviews and what they are held against. Raises ForgeUnavailable, ForgeRefused, NotFound."""

    def reviews(self, repo: RepoRef, number: int) -> tuple[Review, ...]:
        """Return the reviews of a change, oldest first."""
        ...

    def approval_rules(self, repo: RepoRef, number: int) -> tuple[ApprovalRule, ...]:
        """Return the forge's own rules that ask for approvals of a change, as far as it tells of them."""
        ...

    def commits_behind(self, change: Change) -> int:
        """Return how many commits of the base branch the change lacks."""
        ...

    def code_owners(self, repo: RepoRef, branch: str) -> CodeOwners | None:
        """Return CODEOWNERS on a branch, None where there is none."""
        ...

    def team_members(self, repo: RepoRef, team: str) -> frozenset[str]:
        """Return the logins of a team as CODEOWNERS names it (`acme/ops`), in lower case."""
        ...
