"""Merging commits, to plan what a merge would make."""

from __future__ import annotations

from typing import Protocol

from bot.domain.runs.merge_result import MergedCommit, MergeResult
from bot.services.ports.forge import GitRemote


class MergeCommits(Protocol):
    """Merges commits without a working tree. Raises EngineError, Interrupted, TimedOut."""

    def merge(self, remote: GitRemote, head: str, base: str, base_branch: str) -> MergeResult:
        """Merge a head into the commit of its base. The same two commits give the same result everywhere."""
        ...

    def differing(self, remote: GitRemote, before: MergedCommit, after: MergedCommit) -> frozenset[str]:
        """Return the paths that differ between the files of two commits."""
        ...
