"""The forge's merge queue: makes what a branch would be, waits for its checks, and moves the branch there.

On GitLab it is a merge train: a commit has a pipeline, and if one fails, those after it are tried again.
"""

from __future__ import annotations

import contextlib

from bot.playground.forge.branches import Branches
from bot.playground.forge.flavours import GITLAB
from bot.playground.forge.model import Event, ForgeError, Group, Pull, RefMove, Repo, Role, User, forbidden
from bot.playground.git.repositories import NOBODY


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
            if self.group_of(pull):
                raise ForgeError("not_mergeable", "Pull request is already in the queue")
            ahead = [group for group in where.groups.values() if group.pull.base_ref == pull.base_ref]
            base = ahead[-1].head_sha if ahead else where.git.branch(pull.base_ref) or NOBODY
            head = self._merged_commit(pull, base, user, "merge", title="", message="")
            if head is None:
                raise ForgeError("not_mergeable", "Pull Request is not mergeable")
            group = Group(pull, user, _ref(pull, base), head, base, self.next_id())
            where.groups[head] = group
            where.git.update_ref(group.ref, head)
            if where.flavour is GITLAB:
                where.pipelines[head] = self.next_id()
            else:
                self.refs_moved(where, user, [RefMove(group.ref, NOBODY, head)])
            self.emit(Event("merge_group", where, user, "checks_requested", pull, group=group))
            return group

    def group_of(self, pull: Pull) -> Group | None:
        """Find what the queue holds of a pull request."""
        return next((group for group in pull.repo.groups.values() if group.pull is pull), None)

    def queue_told(self, repo: Repo, sha: str) -> None:
        """Go on with the queue after a status of a commit: merge what may be, take out what failed."""
        group = repo.groups.get(sha)
        if group is None:
            return
        if self._checked(repo, group) == "failure":
            self._drop(repo, group)
            return
        while group is not None and self._checked(repo, group) == "success":
            if repo.git.branch(group.pull.base_ref) != group.base_sha:
                return
            merged = group.head_sha
            self._merge_group(repo, group)
            group = next((each for each in repo.groups.values() if each.base_sha == merged), None)

    def _checked(self, repo: Repo, group: Group) -> str:
        rules = repo.protections.get(group.pull.base_ref)
        needed = rules.contexts if rules else ()
        latest = {status.context: status.state for status in repo.latest_statuses(group.head_sha)}
        states = {latest.get(context, "pending") for context in needed}
        if repo.flavour is GITLAB:
            # All of a pipeline's jobs count, and it has failed only once they have ended.
            states |= set(latest.values())
            if "pending" in states:
                return "pending"
        if states & {"failure", "error"}:
            return "failure"
        return "success" if states == {"success"} else "pending"

    def _merge_group(self, repo: Repo, group: Group) -> None:
        ref, by = f"refs/heads/{group.pull.base_ref}", group.by
        repo.git.update_ref(ref, group.head_sha, group.base_sha)
        self._mark_merged(group.pull, by, group.head_sha)
        self.refs_moved(repo, by, [RefMove(ref, group.base_sha, group.head_sha)])
        self._take_out(repo, group, "merged")

    def _drop(self, repo: Repo, group: Group) -> None:
        """Take out what failed, and what stands on it; a train makes new commits of the others."""
        line = [each for each in repo.groups.values() if each.pull.base_ref == group.pull.base_ref]
        behind = line[line.index(group) + 1 :]
        self._take_out(repo, group, "dequeued")
        for other in behind:
            self._take_out(repo, other, "invalidated")
        for other in behind if repo.flavour is GITLAB else ():
            with contextlib.suppress(ForgeError):
                self.enqueue(repo, other.pull.number, other.by.login)

    def _take_out(self, repo: Repo, group: Group, reason: str) -> None:
        repo.groups.pop(group.head_sha, None)
        repo.git.delete_ref(group.ref)
        by: User = group.by
        self.emit(Event("merge_group", repo, by, "destroyed", group.pull, group=group, before=reason))


def _ref(pull: Pull, base: str) -> str:
    if pull.repo.flavour is GITLAB:
        return f"refs/merge-requests/{pull.number}/train"
    return f"refs/heads/gh-readonly-queue/{pull.base_ref}/pr-{pull.number}-{base}"
