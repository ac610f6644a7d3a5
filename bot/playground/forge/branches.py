"""What moves branches: pushes and merges, and what they do to the pull requests that hang on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.playground.forge.flavours import GITLAB
from bot.playground.forge.model import (
    MERGE_METHODS,
    Event,
    ForgeError,
    Pull,
    RefMove,
    Repo,
    Role,
    User,
    forbidden,
    invalid,
    now,
)
from bot.playground.forge.pulls import MACHINE, Pulls
from bot.playground.git.repositories import NOBODY, Signature

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


class Branches(Pulls):
    """The part of the forge that moves branches and keeps pull requests in step with them."""

    # Merging

    def merge(
        self,
        repo: str | Repo,
        number: int,
        by: str,
        method: str = "merge",
        *,
        sha: str = "",
        title: str = "",
        message: str = "",
    ) -> str:
        """Merge a pull request, if its head is still the commit that was asked for; give the new commit."""
        with self.lock:
            pull, user = self.pull(repo, number), self.user(by)
            if self.role_of(pull.repo, user) < Role.write:
                raise forbidden("Resource not accessible by personal access token")
            if method not in MERGE_METHODS:
                raise invalid(f"merge_method is not one of {MERGE_METHODS}", "merge_method", "invalid")
            if sha and sha != pull.head_sha:
                raise ForgeError("conflict", "Head branch was modified. Review and try the merge again.")
            rules = pull.repo.protections.get(pull.base_ref)
            if rules and rules.queue:
                raise ForgeError("not_mergeable", "Changes must be made through the merge queue")
            reason = self.why_not_mergeable(pull) or _not_allowed(pull.repo, method)
            if reason:
                raise ForgeError("not_mergeable", reason)
            git, ref = pull.repo.git, f"refs/heads/{pull.base_ref}"
            base = git.branch(pull.base_ref) or NOBODY
            merged = self._merged_commit(pull, base, user, method, title=title, message=message)
            if merged is None:
                raise ForgeError("not_mergeable", "Pull Request is not mergeable")
            git.update_ref(ref, merged, base)
            self._mark_merged(pull, user, merged)
            self.refs_moved(pull.repo, user, [RefMove(ref, base, merged)])
            return merged

    def why_not_mergeable(self, pull: Pull) -> str:
        """Say what stands in the way of a merge; nothing if it may go ahead."""
        if pull.state != "open" or pull.draft or not pull.mergeable:
            return "Pull Request is not mergeable"
        rules = pull.repo.protections.get(pull.base_ref)
        if rules is None:
            return ""
        good = {s.context for s in pull.repo.latest_statuses(pull.head_sha) if s.state == "success"}
        for context in rules.contexts:
            if context not in good:
                return f'Required status check "{context}" is expected.'
        verdicts = [
            state for user, state in pull.verdicts().items() if self.role_of(pull.repo, user) >= Role.write
        ]
        if verdicts.count("APPROVED") < rules.approvals:
            return f"At least {rules.approvals} approving review is required by reviewers with write access."
        return "Changes have been requested." if rules.approvals and "CHANGES_REQUESTED" in verdicts else ""

    def _merged_commit(
        self, pull: Pull, base: str, user: User, method: str, *, title: str, message: str
    ) -> str | None:
        git, author = pull.repo.git, Signature(user.name, user.email)
        if method == "rebase" and pull.repo.flavour is GITLAB:
            # It only ever fast-forwards.
            return pull.head_sha if git.contains(pull.head_sha, base) else None
        if method == "rebase":
            return git.rebased(base, pull.head_sha, MACHINE)
        tree = git.merged_tree(base, pull.head_sha)
        if tree is None:
            return None
        if method == "squash":
            sign = pull.repo.flavour.sign
            text = f"{title or f'{pull.title} ({sign}{pull.number})'}\n\n{message}".strip() + "\n"
            return git.commit_tree(tree, [base], text, author, MACHINE)
        first = title or _merge_title(pull)
        text = f"{first}\n\n{message or pull.title}\n"
        return git.commit_tree(tree, [base, pull.head_sha], text, author, MACHINE)

    def _mark_merged(self, pull: Pull, user: User, merged: str) -> None:
        moment = now()
        pull.state, pull.closed_at, pull.merged_at = "closed", moment, moment
        pull.merged_by, pull.merge_sha = user, merged
        self._tell(pull, user, "closed")

    # Pushes

    def refs_moved(self, repo: Repo, actor: User, moves: Sequence[RefMove]) -> None:
        """Tell of a push, and bring the pull requests that it touches up to date."""
        with self.lock:
            repo.pushed_at = now()
            for move in moves:
                self.emit(Event("push", repo, actor, move=move))
                if move.ref.startswith("refs/heads/"):
                    branch = move.ref.removeprefix("refs/heads/")
                    self._heads_moved(repo, branch, move, actor)
                    self._base_moved(repo, branch, move, actor)

    def _heads_moved(self, repo: Repo, branch: str, move: RefMove, actor: User) -> None:
        for pull in self._open_pulls():
            if (pull.head_repo, pull.head_ref) != (repo, branch):
                continue
            if move.deleted:
                self.close(pull.repo, pull.number, actor.login)
                continue
            pull.head_sha, pull.merges_later = move.after, None
            pull.base_sha = pull.repo.git.branch(pull.base_ref) or pull.base_sha
            self._fetch_head(pull, repo)
            self._refresh(pull)
            self._tell(pull, actor, "synchronize", before=move.before)

    def _base_moved(self, repo: Repo, branch: str, move: RefMove, actor: User) -> None:
        for pull in self._open_pulls():
            if (pull.repo, pull.base_ref) != (repo, branch) or move.deleted:
                continue
            if repo.git.contains(move.after, pull.head_sha):
                self._mark_merged(pull, actor, move.after)
            else:
                self._refresh(pull)

    def _open_pulls(self) -> Iterator[Pull]:
        everything = [pull for repo in self.repos.values() for pull in repo.pulls.values()]
        return (pull for pull in everything if pull.state == "open")

    def commit(
        self,
        repo: str | Repo,
        branch: str,
        files: Mapping[str, str | bytes | None],
        by: str,
        message: str = "Change files",
        *,
        start: str = "",
    ) -> str:
        """Commit files to a branch as if somebody had pushed them; a new branch leaves from `start`."""
        with self.lock:
            where, user = self.repo(repo), self.user(by)
            old = where.git.branch(branch)
            parent = old or where.git.branch(start or where.default_branch)
            author = Signature(user.name, user.email)
            ref = f"refs/heads/{branch}"
            new = where.git.commit_files(ref, parent, files, message + "\n", author)
            self.refs_moved(where, user, [RefMove(ref, old or NOBODY, new)])
            return new


def _not_allowed(repo: Repo, method: str) -> str:
    names = {"merge": "Merge commits", "squash": "Squash merges", "rebase": "Rebase merges"}
    return "" if method in repo.merge_methods else f"{names[method]} are not allowed on this repository."


def _merge_title(pull: Pull) -> str:
    """Name a merge as the forge does whose flavour the repository has."""
    if pull.repo.flavour is GITLAB:
        return f"Merge branch '{pull.head_ref}' into '{pull.base_ref}'"
    return f"Merge pull request #{pull.number} from {pull.head_owner.login}/{pull.head_ref}"
