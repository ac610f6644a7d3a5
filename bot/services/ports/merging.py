"""Merging commits, to plan what a merge would make."""

from __future__ import annotations

from typing import Protocol

from bot.domain.runs.merge_result import MergedCommit, MergeResult
from bot.services.ports.engine import Watch
from bot.services.ports.forge import GitRemote


class MergeCommits(Protocol):
    """Merges commits without a working tree. Raises EngineError, Interrupted, TimedOut.

    Fetches may take minutes: the watch of a run keeps its lease meanwhile, and stops them.
    """

    def merge(
        self,
        remote: GitRemote,
        head: str,
        base: str,
        base_branch: str,
        watch: Watch | None = None,
        first: str = "",
    ) -> MergeResult:
        """Merge a head into the commit of its base. The same commits give the same result everywhere.

        `first` is the head of another change that is merged into the base before this one.
        """
        ...

    def differing(
        self, remote: GitRemote, before: MergedCommit, after: MergedCommit, watch: Watch | None = None
    ) -> frozenset[str]:
        """Return the paths that differ between the files of two commits."""
        ...
