"""Reviews of a change: whose word stands, and which approvals are of the commit that is there now."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """What a review says. A mere comment says nothing, and takes nothing back."""

    APPROVED = "approved"
    CHANGES_REQUESTED = "changes requested"
    DISMISSED = "dismissed"
    COMMENTED = "commented"


@dataclass(frozen=True)
class Review:
    """One review, of one commit: empty where the forge cannot tell which."""

    reviewer: str
    verdict: Verdict
    commit: str


@dataclass(frozen=True)
class ApprovalRule:
    """A rule of the forge's own: how many have to approve, and whose approvals, of those given, count for it.

    `approvers` are logins in lower case; `code_owners` where the rule comes from CODEOWNERS.
    """

    name: str
    needed: int
    approvers: frozenset[str]
    code_owners: bool = False

    def lacking(self, approved: Iterable[str]) -> int:
        """Return how many approvals it lacks where these have approved the latest commit."""
        return max(self.needed - len(self.approvers.intersection(approved)), 0)


def standing(reviews: Iterable[Review], author: str) -> dict[str, Review]:
    """Return each reviewer's word that stands, by login in lower case; `reviews` are oldest first.

    The author's own counts for nothing. A review that was dismissed leaves nothing of that reviewer.
    """
    latest: dict[str, Review] = {}
    for review in reviews:
        login = review.reviewer.lower()
        if review.verdict is not Verdict.COMMENTED and login != author.lower():
            latest[login] = review
    return {login: review for login, review in latest.items() if review.verdict is not Verdict.DISMISSED}
