"""How a forge merges a change."""

from __future__ import annotations

from typing import Protocol

from bot.domain.events import RepoRef
from bot.domain.merging import MergeMethod


class ForgeMerging(Protocol):
    """Merges changes. Raises ForgeUnavailable, ForgeRefused, NotFound."""

    def merge(self, repo: RepoRef, number: int, head_sha: str, method: MergeMethod | None = None) -> str:
        """Merge a change as it was at one commit and no other; return the commit that the branch is at then.

        Without a method, by one that the repository allows. Never tried again by itself: whoever lost the
        answer asks the change. Raises HeadMoved where the change is at another commit by now, NotMergeable
        where the forge does not allow it as things stand: a conflict, a check, a review, the method, or that
        the change is closed or merged.
        """
        ...

    def queue_base(self, repo: RepoRef, number: int, sha: str) -> str | None:
        """Return what a merge queue's commit for a change stands on, None where it is no queue's.

        Empty where that is not known.
        """
        ...
