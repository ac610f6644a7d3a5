"""The forge's merge queue: makes what a branch would be, waits for its checks, and moves the branch there."""

from __future__ import annotations

from bot.playground.branches import Branches
from bot.playground.groups import Group
from bot.playground.model import Event, ForgeError, RefMove, Repo, Role, User, forbidden
from bot.playground.repositories import NOBODY


class MergeQueue(Branches):
    """The part of the forge that merges pull requests in turn."""

    def enqueue(self, repo: str | Repo, number: int, by: str) -> Group:
        """Put a pull request into the queue of its base branch, behind those that are in it."""
        with self.lock:
            pull, user = self.pull(repo, number), self.user(by)
            where = pull.repo
            if self.role_of(where, user) < Role.write:
                raise forbidden("Resource not accessible by personal access token")
            reason = self.why_not_mergeable(pull)
            if reason:
                raise ForgeError("not_mergeable", reason)
            ahead = [group for group in where.groups.values() if group.pull.base_ref == pull.base_ref]
            base = ahead[-1].head_sha if ahead else where.git.branch(pull.base_ref) or NOBODY
            head = self._merged_commit(pull, base, user, "merge", title="", message="")
            if head is None:
                raise ForgeError("not_mergeable", "Pull Request is not mergeable")
            group = Group(pull, user, f"gh-readonly-queue/{pull.base_ref}/pr-{number}-{base}", head, base)
            where.groups[head] = group
            where.git.update_ref(group.ref, head)
            self.refs_moved(where, user, [RefMove(group.ref, NOBODY, head)])
            self.emit(Event("merge_group", where, user, "checks_requested", pull, group=group))
            return group

    def queue_told(self, repo: Repo, sha: str) -> None:
        """Go on with the queue after a status of a commit: merge what may be, take out what failed."""
        group = repo.groups.get(sha)
        if group is None:
            return
        states = self._checked(repo, group)
        if states & {"failure", "error"}:
            self._take_out(repo, group, "dequeued")
            for other in [each for each in repo.groups.values() if each.base_sha == sha]:
                self._take_out(repo, other, "invalidated")
        while group is not None and self._checked(repo, group) == {"success"}:
            if repo.git.branch(group.pull.base_ref) != group.base_sha:
                return
            merged = group.head_sha
            self._merge_group(repo, group)
            group = next((each for each in repo.groups.values() if each.base_sha == merged), None)

    def _checked(self, repo: Repo, group: Group) -> set[str]:
        rules = repo.protections.get(group.pull.base_ref)
        latest = {status.context: status.state for status in repo.latest_statuses(group.head_sha)}
        return {latest.get(context, "pending") for context in (rules.contexts if rules else ())}

    def _merge_group(self, repo: Repo, group: Group) -> None:
        ref, by = f"refs/heads/{group.pull.base_ref}", group.by
        repo.git.update_ref(ref, group.head_sha, group.base_sha)
        self._mark_merged(group.pull, by, group.head_sha)
        self.refs_moved(repo, by, [RefMove(ref, group.base_sha, group.head_sha)])
        self._take_out(repo, group, "merged")

    def _take_out(self, repo: Repo, group: Group, reason: str) -> None:
        repo.groups.pop(group.head_sha, None)
        repo.git.delete_ref(group.ref)
        by: User = group.by
        self.emit(Event("merge_group", repo, by, "destroyed", group.pull, group=group, before=reason))
