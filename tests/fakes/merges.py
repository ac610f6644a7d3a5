"""Merges without Git: what commits have is said by the tests."""

from __future__ import annotations

from bot.domain.errors import EngineError
from bot.domain.runs.merge_result import MergedCommit, MergeResult
from bot.services.ports import GitRemote


class FakeMerges:
    """The MergeCommits port.

    `bases` are the files of a branch's commits, `heads` those that a change's commit modifies: paths with
    contents. A commit that is neither has one file, which no other has. `conflicts` are the files that stand
    in the way of a merge, by the head and the base.
    """

    def __init__(self) -> None:
        self.bases: dict[str, dict[str, str]] = {}
        self.heads: dict[str, dict[str, str]] = {}
        self.conflicts: dict[tuple[str, str], tuple[str, ...]] = {}
        self.faults: list[EngineError] = []
        self.comparing: list[EngineError] = []

    def merge(self, remote: GitRemote, head: str, base: str, base_branch: str) -> MergeResult:
        if self.faults:
            raise self.faults.pop(0)
        if names := self.conflicts.get((head, base)):
            return MergeResult(base_branch, base, "", conflicts=names)
        there = self.bases.get(base, {})
        own = sorted(item for item in self._head(head).items() if item not in there.items())
        return MergeResult(base_branch, base, f"merge-{head}-{base}", repr(own))

    def differing(self, remote: GitRemote, before: MergedCommit, after: MergedCommit) -> frozenset[str]:
        if self.comparing:
            raise self.comparing.pop(0)
        one, other = self._files(before), self._files(after)
        return frozenset(path for path in one.keys() | other.keys() if one.get(path) != other.get(path))

    def _files(self, commit: MergedCommit) -> dict[str, str]:
        if commit.base:
            return {**self.bases.get(commit.base, {}), **self._head(commit.head)}
        there = self.bases.get(commit.commit)
        return self._head(commit.commit) if there is None else there

    def _head(self, commit: str) -> dict[str, str]:
        return self.heads.get(commit, {"head.tf": commit})
