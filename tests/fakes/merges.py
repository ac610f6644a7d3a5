"""Merges without Git: what commits have is said by the tests."""

from __future__ import annotations

from collections.abc import Callable

from bot.domain.errors import EngineError, Interrupted
from bot.domain.runs.merge_result import MergedCommit, MergeResult
from bot.services.ports import GitRemote, Watch, WatchSignal


class FakeMerges:
    """The MergeCommits port.

    `bases` are the files of a branch's commits, `heads` those that a change's commit modifies: paths with
    contents. A commit that is neither has one file, which no other has. `conflicts` are the files that stand
    in the way of a merge, by the head and the base. `moments` are what happens during the next merge or
    comparison; after each of them the watcher is asked.
    """

    def __init__(self) -> None:
        self.bases: dict[str, dict[str, str]] = {}
        self.heads: dict[str, dict[str, str]] = {}
        self.conflicts: dict[tuple[str, str], tuple[str, ...]] = {}
        self.faults: list[EngineError] = []
        self.comparing: list[EngineError] = []
        self.moments: list[Callable[[], None]] = []

    def merge(
        self,
        remote: GitRemote,
        head: str,
        base: str,
        base_branch: str,
        watch: Watch | None = None,
        first: str = "",
    ) -> MergeResult:
        self._take_long(watch)
        if self.faults:
            raise self.faults.pop(0)
        if names := self.conflicts.get((head, first or base)):
            return MergeResult(base_branch, base, "", conflicts=names, first=first)
        if first:
            return MergeResult(base_branch, base, f"merge-{head}-{first}-{base}", first=first)
        there = self.bases.get(base, {})
        own = sorted(item for item in self._head(head).items() if item not in there.items())
        return MergeResult(base_branch, base, f"merge-{head}-{base}", repr(own))

    def differing(
        self, remote: GitRemote, before: MergedCommit, after: MergedCommit, watch: Watch | None = None
    ) -> frozenset[str]:
        self._take_long(watch)
        if self.comparing:
            raise self.comparing.pop(0)
        one, other = self._files(before), self._files(after)
        return frozenset(path for path in one.keys() | other.keys() if one.get(path) != other.get(path))

    def _take_long(self, watch: Watch | None) -> None:
        moments, self.moments = self.moments, []
        for moment in moments:
            moment()
            if watch is not None and watch.tick() is not WatchSignal.GO_ON:
                raise Interrupted("stopped")

    def _files(self, commit: MergedCommit) -> dict[str, str]:
        if commit.base:
            return {**self.bases.get(commit.base, {}), **self._head(commit.head)}
        there = self.bases.get(commit.commit)
        return self._head(commit.commit) if there is None else there

    def _head(self, commit: str) -> dict[str, str]:
        return self.heads.get(commit, {"head.tf": commit})
