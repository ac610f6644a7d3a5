"""Pull requests: opening, changing and closing them, and merging on trial to know whether it would go."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.playground.forge.flavours import GITLAB
from bot.playground.forge.model import Event, Pull, Repo, User, invalid, not_found, now
from bot.playground.forge.registry import Registry
from bot.playground.forge.versions import Version
from bot.playground.git.repositories import Signature

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# Who commits when a merge is made on the forge itself: a user on GitHub too.
MACHINE = Signature("Playground", "web-flow@users.noreply.example.test")


class Pulls(Registry):
    """The part of the forge that keeps pull requests."""

    def pull(self, repo: str | Repo, number: int) -> Pull:
        """Find a pull request."""
        found = self.repo(repo).pulls.get(number)
        if found is None:
            raise not_found()
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
            # GitLab tells of a new merge request before it has looked at it itself.
            pull.preparing = 2 if where.flavour is GITLAB else 0
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
        base = git.merge_base(pull.base_sha, pull.head_sha) or pull.base_sha
        pull.versions.append(Version(self.next_id(), pull.head_sha, base, self.moment()))

    def _refresh(self, pull: Pull) -> None:
        """Merge on trial, as forges do, so that `mergeable` and refs/pull/N/merge are true."""
        git, ref = pull.repo.git, f"refs/pull/{pull.number}/merge"
        base = git.branch(pull.base_ref)
        tree = git.merged_tree(base, pull.head_sha) if base else None
        pull.mergeable, pull.undecided = tree is not None, 1
        if base and tree:
            message = f"Merge {pull.head_sha} into {base}"
            pull.merge_sha = git.commit_tree(tree, [base, pull.head_sha], message, MACHINE)
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

    def ask_review(self, repo: str | Repo, number: int, by: str, *logins: str) -> Pull:
        """Say who is to review a pull request, instead of those who were to before."""
        with self.lock:
            pull, before = self.pull(repo, number), self.pull(repo, number).asked
            pull.asked = [self.user(login) for login in dict.fromkeys(logins)]
            changes = {"reviewers": before}
            if set(pull.asked) - set(before):
                self._tell(pull, by, "review_requested", changes)
            elif set(before) - set(pull.asked):
                self._tell(pull, by, "review_request_removed", changes)
            return pull

    def label(self, repo: str | Repo, number: int, add: Iterable[str], remove: Iterable[str] = ()) -> Pull:
        """Add and remove labels of a pull request. The forge has every label that somebody names."""
        with self.lock:
            pull, gone = self.pull(repo, number), set(remove)
            pull.labels = [*dict.fromkeys((*(each for each in pull.labels if each not in gone), *add))]
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
