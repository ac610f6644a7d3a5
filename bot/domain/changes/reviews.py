"""Reviews of a change: each reviewer's current verdict, and the approvals of the latest commit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """The verdict of a review. A comment without a verdict changes nothing."""

    APPROVED = "approved"
    CHANGES_REQUESTED = "changes requested"
    DISMISSED = "dismissed"
    COMMENTED = "commented"


_MOST_ASKED = 5


@dataclass(frozen=True)
class Review:
    """One review, of one commit: empty if the forge cannot tell which."""

    reviewer: str
    verdict: Verdict
    commit: str


@dataclass(frozen=True)
class ApprovalRule:
    """An approval rule of the forge: how many must approve, and whose approvals count.

    `approvers` are logins in lower case. `code_owners` if the rule comes from CODEOWNERS.
    """

    name: str
    needed: int
    approvers: frozenset[str]
    code_owners: bool = False

    def lacking(self, approved: Iterable[str]) -> int:
        """Return how many approvals are missing, given the logins that approved the latest commit."""
        return max(self.needed - len(self.approvers.intersection(approved)), 0)


def asked_words(asked: Sequence[str], written: Callable[[str], str] = str) -> str:
    """Say who was asked for a review. Empty if nobody is known.

    `written` escapes a name for where it stands: a mention must notify nobody.
    """
    named = ", ".join(written(f"@{name}") for name in asked[:_MOST_ASKED])
    more = f" and {len(asked) - _MOST_ASKED} more" if len(asked) > _MOST_ASKED else ""
    return f"asked: {named}{more}" if named else ""


def standing(reviews: Iterable[Review], author: str) -> dict[str, Review]:
    """Return each reviewer's current verdict, by login in lower case. `reviews` are oldest first.

    The author's own review does not count. A dismissed review removes the reviewer's verdict.
    """
    latest: dict[str, Review] = {}
    for review in reviews:
        login = review.reviewer.lower()
        if review.verdict is not Verdict.COMMENTED and login != author.lower():
            latest[login] = review
    return {login: review for login, review in latest.items() if review.verdict is not Verdict.DISMISSED}
