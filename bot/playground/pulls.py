"""Pull requests, and what pushes and merges do to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.playground.model import (
    MERGE_METHODS,
    Event,
    Pull,
    RefMove,
    Repo,
    Role,
    User,
    forbidden,
    invalid,
    now,
)
from bot.playground.model import ForgeError as Refusal
from bot.playground.registry import Registry
from bot.playground.repositories import NOBODY, Signature

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

# Who commits when a merge is made on the forge itself: a user on GitHub too.
_MACHINE = Signature("Playground", "web-flow@users.noreply.example.test")


class Pulls(Registry):
    """The part of the forge that moves branches and keeps pull requests in step with them."""

    def pull(self, repo: str | Repo, number: int) -> Pull:
        """Find a pull request."""
        found = self.repo(repo).pulls.get(number)
        if found is None:
            raise Refusal("not_found", "Not Found")
        return found

    def open_pull(
        self,
        repo: str | Repo,
        author: str,
        head: str,
        base: str = "",
        *,
        title: str,
        body: str | None = None,
        draft: bool = False,
    ) -> Pull:
        """Open a pull request. The head of a fork is written `owner:branch`."""
        with self.lock:
            where, user = self.repo(repo), self.user(author)
            base = base or where.default_branch
            head_repo, branch = self._head(where, head)
            head_sha, base_sha = head_repo.git.branch(branch), where.git.branch(base)
            if head_sha is None:
                raise invalid("head is invalid", "head", "invalid")
            if base_sha is None:
                raise invalid("base is invalid", "base", "invalid")
            pull = Pull(
                id=self.next_id(),
                number=len(where.pulls) + 1,
                repo=where,
                author=user,
                title=title,
                body=body,
                base_ref=base,
                base_sha=base_sha,
                head_repo=head_repo,
                head_owner=head_repo.owner,
                head_ref=branch,
                head_sha=head_sha,
                draft=draft,
            )
            self._check_new(pull)
            where.pulls[pull.number] = pull
            self._refresh(pull)
            self.emit(Event("pull_request", where, user, "opened", pull))
            return pull

    def _head(self, repo: Repo, head: str) -> tuple[Repo, str]:
        owner, colon, branch = head.partition(":")
        if not colon or owner.lower() == repo.owner.login.lower():
            return repo, branch if colon else head
        for other in self.repos.values():
            if other.owner.login.lower() == owner.lower() and repo in (other.parent, other):
                return other, branch
        raise invalid("head is invalid", "head", "invalid")

    def _check_new(self, pull: Pull) -> None:
        same = [
            other
            for other in pull.repo.pulls.values()
            if other.state == "open" and (other.label, other.base_ref) == (pull.label, pull.base_ref)
        ]
        if same:
            raise invalid(f"A pull request already exists for {pull.label}.")
        assert pull.head_repo is not None
        self._fetch_head(pull, pull.head_repo)
        if not pull.repo.git.count(pull.base_sha, pull.head_sha):
            raise invalid(f"No commits between {pull.base_ref} and {pull.label}")

    def _fetch_head(self, pull: Pull, head_repo: Repo) -> None:
        ref, git = f"refs/pull/{pull.number}/head", pull.repo.git
        if head_repo is pull.repo:
            git.update_ref(ref, pull.head_sha)
        else:
            git.fetch_from(head_repo.git, f"+{pull.head_sha}:{ref}")

    def _refresh(self, pull: Pull) -> None:
        """Merge on trial, as forges do, so that `mergeable` and refs/pull/N/merge are true."""
        git, ref = pull.repo.git, f"refs/pull/{pull.number}/merge"
        base = git.branch(pull.base_ref)
        tree = git.merged_tree(base, pull.head_sha) if base else None
        pull.mergeable = tree is not None
        if base and tree:
            message = f"Merge {pull.head_sha} into {base}"
            pull.merge_sha = git.commit_tree(tree, [base, pull.head_sha], message, _MACHINE)
            git.update_ref(ref, pull.merge_sha)
        else:
            pull.merge_sha = None
            git.delete_ref(ref)

    def edit_pull(
        self,
        repo: str | Repo,
        number: int,
        by: str,
        *,
        title: str | None = None,
        body: str | None = None,
        base: str | None = None,
    ) -> Pull:
        """Change a pull request's title, text or target."""
        with self.lock:
            pull = self.pull(repo, number)
            changes: dict[str, object] = {}
            if title is not None and title != pull.title:
                changes["title"] = {"from": pull.title}
                pull.title = title
            if body is not None and body != pull.body:
                changes["body"] = {"from": pull.body}
                pull.body = body
            if base is not None and base != pull.base_ref:
                tip = pull.repo.git.branch(base)
                if tip is None:
                    raise invalid("base is invalid", "base", "invalid")
                changes["base"] = {"ref": {"from": pull.base_ref}, "sha": {"from": pull.base_sha}}
                pull.base_ref, pull.base_sha = base, tip
                self._refresh(pull)
            if changes:
                self._tell(pull, by, "edited", changes)
            return pull

    def close(self, repo: str | Repo, number: int, by: str) -> Pull:
        """Close a pull request without merging it."""
        with self.lock:
            pull = self.pull(repo, number)
            if pull.state == "open":
                pull.state, pull.closed_at = "closed", now()
                self._tell(pull, by, "closed")
            return pull

    def reopen(self, repo: str | Repo, number: int, by: str) -> Pull:
        """Open a closed pull request again, at the commit where its branch now is."""
        with self.lock:
            pull = self.pull(repo, number)
            if pull.state == "open":
                return pull
            tip = pull.head_repo.git.branch(pull.head_ref) if pull.head_repo else None
            if pull.merged_at or pull.head_repo is None or tip is None:
                raise invalid("state cannot be changed. The pull request cannot be reopened.", "state")
            pull.state, pull.closed_at, pull.head_sha = "open", None, tip
            self._fetch_head(pull, pull.head_repo)
            self._refresh(pull)
            self._tell(pull, by, "reopened")
            return pull

    def draft(self, repo: str | Repo, number: int, by: str, draft: bool = True) -> Pull:
        """Make a pull request a draft, or say that it is ready for review."""
        with self.lock:
            pull = self.pull(repo, number)
            if pull.draft != draft:
                pull.draft = draft
                self._tell(pull, by, "converted_to_draft" if draft else "ready_for_review")
            return pull

    def _tell(
        self,
        pull: Pull,
        by: str | User,
        action: str,
        changes: Mapping[str, object] | None = None,
        before: str = "",
    ) -> None:
        actor = by if isinstance(by, User) else self.user(by)
        pull.updated_at = now()
        self.emit(Event("pull_request", pull.repo, actor, action, pull, before=before, changes=changes or {}))

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
                raise Refusal("conflict", "Head branch was modified. Review and try the merge again.")
            reason = self.why_not_mergeable(pull)
            if reason:
                raise Refusal("not_mergeable", reason)
            git, ref = pull.repo.git, f"refs/heads/{pull.base_ref}"
            base = git.branch(pull.base_ref) or NOBODY
            merged = self._merged_commit(pull, base, user, method, title=title, message=message)
            if merged is None:
                raise Refusal("not_mergeable", "Pull Request is not mergeable")
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
        if method == "rebase":
            return git.rebased(base, pull.head_sha, _MACHINE)
        tree = git.merged_tree(base, pull.head_sha)
        if tree is None:
            return None
        if method == "squash":
            text = f"{title or f'{pull.title} (#{pull.number})'}\n\n{message}".strip() + "\n"
            return git.commit_tree(tree, [base], text, author, _MACHINE)
        first = title or f"Merge pull request #{pull.number} from {pull.head_owner.login}/{pull.head_ref}"
        text = f"{first}\n\n{message or pull.title}\n"
        return git.commit_tree(tree, [base, pull.head_sha], text, author, _MACHINE)

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
            pull.head_sha = move.after
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
            tree = where.git.tree_with(parent, files)
            new = where.git.commit_tree(tree, [parent] if parent else [], message + "\n", author)
            ref = f"refs/heads/{branch}"
            where.git.update_ref(ref, new, old or NOBODY)
            self.refs_moved(where, user, [RefMove(ref, old or NOBODY, new)])
            return new
