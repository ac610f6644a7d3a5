"""The forge as its users know it: repositories and pull requests, and what is said and judged about them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.playground.forge.faults import CallLog, Faults
from bot.playground.forge.flavours import GITHUB, GITLAB
from bot.playground.forge.merge_queue import MergeQueue
from bot.playground.forge.model import (
    REACTIONS,
    STATUS_STATES,
    Comment,
    Event,
    Pull,
    Reaction,
    Repo,
    Review,
    ReviewState,
    Role,
    Status,
    User,
    forbidden,
    invalid,
    not_found,
    now,
)
from bot.playground.forge.quick_actions import taken_out

if TYPE_CHECKING:
    from pathlib import Path

STATUSES_PER_CONTEXT = 1_000
_VERDICTS: dict[str, ReviewState] = {
    "APPROVE": "APPROVED",
    "REQUEST_CHANGES": "CHANGES_REQUESTED",
    "COMMENT": "COMMENTED",
    "": "PENDING",
}


class Forge(MergeQueue):
    """Everything that a test or the demo can do to the forge from inside the process."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.faults = Faults()
        self.calls = CallLog()

    # Comments

    def comment(self, repo: str | Repo, number: int, by: str, body: str) -> Comment:
        """Say something under a pull request; what GitLab takes for itself nobody hears of."""
        with self.lock:
            pull, user = self.pull(repo, number), self.user(by)
            said = self._quick_actions(pull, user, _checked(pull.repo, body))
            comment = Comment(self.next_id(), pull, user, said)
            if not said.strip():
                return comment
            pull.comments.append(comment)
            pull.updated_at = now()
            self.emit(Event("issue_comment", pull.repo, user, "created", pull, comment))
            return comment

    def _quick_actions(self, pull: Pull, user: User, body: str) -> str:
        if pull.repo.flavour is not GITLAB or self.role_of(pull.repo, user) < Role.write:
            return body
        left, done = taken_out(body)
        pull.quick_actions += [(user.login, word) for word in done]
        return left

    def find_comment(self, repo: str | Repo, comment_id: int) -> Comment:
        """Find a comment by its number."""
        for pull in self.repo(repo).pulls.values():
            for comment in pull.comments:
                if comment.id == comment_id:
                    return comment
        raise not_found()

    def edit_comment(self, repo: str | Repo, comment_id: int, by: str, body: str) -> Comment:
        """Change a comment: one's own, or anybody's with write access."""
        with self.lock:
            comment = self._changeable(repo, comment_id, by)
            changes = {"body": {"from": comment.body}}
            said = self._quick_actions(comment.pull, self.user(by), _checked(comment.pull.repo, body))
            comment.body, comment.updated_at = said, now()
            self._tell_comment(comment, by, "edited", changes)
            return comment

    def delete_comment(self, repo: str | Repo, comment_id: int, by: str) -> None:
        """Take a comment away: one's own, or anybody's with write access."""
        with self.lock:
            comment = self._changeable(repo, comment_id, by)
            comment.pull.comments.remove(comment)
            self._tell_comment(comment, by, "deleted", {})

    def _changeable(self, repo: str | Repo, comment_id: int, by: str) -> Comment:
        comment, user = self.find_comment(repo, comment_id), self.user(by)
        if comment.author is not user and self.role_of(comment.pull.repo, user) < Role.write:
            raise forbidden("Resource not accessible by personal access token")
        return comment

    def _tell_comment(
        self, comment: Comment, by: str, action: str, changes: dict[str, dict[str, str]]
    ) -> None:
        pull = comment.pull
        self.emit(Event("issue_comment", pull.repo, self.user(by), action, pull, comment, changes=changes))

    def react(self, repo: str | Repo, comment_id: int, by: str, content: str) -> tuple[Reaction, bool]:
        """Put an emoji on a comment; tells too whether it is new."""
        with self.lock:
            if content not in REACTIONS:
                raise invalid("content is not a reaction", "content", "invalid")
            comment, user = self.find_comment(repo, comment_id), self.user(by)
            for reaction in comment.reactions:
                if (reaction.user, reaction.content) == (user, content):
                    return reaction, False
            reaction = Reaction(self.next_id(), user, content)
            comment.reactions.append(reaction)
            return reaction, True

    # Reviews

    def review(
        self, repo: str | Repo, number: int, by: str, event: str = "APPROVE", body: str = "", *, sha: str = ""
    ) -> Review:
        """Judge a pull request: APPROVE, REQUEST_CHANGES, COMMENT, or nothing for a review not yet sent."""
        with self.lock:
            pull, user = self.pull(repo, number), self.user(by)
            if event not in _VERDICTS:
                raise invalid("event is not one of APPROVE, REQUEST_CHANGES, COMMENT", "event", "invalid")
            if user is pull.author and event in ("APPROVE", "REQUEST_CHANGES"):
                verb = "approve" if event == "APPROVE" else "request changes on"
                raise invalid(f"Can not {verb} your own pull request")
            if event in ("REQUEST_CHANGES", "COMMENT") and not body:
                raise invalid("body is missing", "body", "missing_field")
            text = _checked(pull.repo, body) if body else ""
            review = Review(
                self.next_id(), pull, user, text, _VERDICTS[event], sha or pull.head_sha, self.moment()
            )
            pull.reviews.append(review)
            if pull.repo.flavour is GITHUB and review.state != "PENDING":
                # GitHub no longer counts them among the people who are asked. GitLab does.
                pull.asked = [each for each in pull.asked if each is not user]
            if review.state != "PENDING":
                self._tell_review(review, user, "submitted")
            return review

    def dismiss_review(self, repo: str | Repo, number: int, review_id: int, by: str) -> Review:
        """Make a verdict void."""
        with self.lock:
            pull, user = self.pull(repo, number), self.user(by)
            for review in pull.reviews:
                if review.id == review_id:
                    review.state = "DISMISSED"
                    self._tell_review(review, user, "dismissed")
                    return review
            raise not_found()

    def _tell_review(self, review: Review, user: User, action: str) -> None:
        pull = review.pull
        self.emit(Event("pull_request_review", pull.repo, user, action, pull, review=review))

    # Statuses

    def set_status(
        self,
        repo: str | Repo,
        sha: str,
        by: str,
        state: str,
        *,
        context: str = "default",
        description: str | None = None,
        target_url: str | None = None,
        word: str = "",
    ) -> Status:
        """Say how a commit fares."""
        with self.lock:
            where, user = self.repo(repo), self.user(by)
            if self.role_of(where, user) < Role.write:
                raise forbidden("Resource not accessible by personal access token")
            if state not in STATUS_STATES:
                raise invalid("state is not included in the list", "state", "invalid")
            most = where.flavour.description_limit
            if description and len(description) > most:
                raise invalid(f"description is too long (maximum is {most} characters)", "description")
            if where.flavour is GITHUB and max(description or "", default="") > "\uffff":
                raise invalid("description doesn't accept 4-byte Unicode", "description")
            full = sha if sha in where.statuses else where.git.resolve(sha) if len(sha) == 40 else None
            if full is None:
                raise invalid(f"No commit found for SHA: {sha}")
            known = where.statuses.setdefault(full, [])
            if sum(status.context == context for status in known) >= STATUSES_PER_CONTEXT:
                raise invalid("This SHA and context has reached the maximum number of statuses.")
            status = Status(self.next_id(), full, user, state, context, description, target_url, word)
            known.append(status)
            self.queue_told(where, full)
            self._merge_later(where, full)
            return status

    def _merge_later(self, repo: Repo, sha: str) -> None:
        """Merge what somebody wanted merged once its checks pass."""
        for pull in list(repo.pulls.values()):
            if pull.merges_later and pull.head_sha == sha and not self.why_not_mergeable(pull):
                self.merge(repo, pull.number, pull.merges_later.login)


def _checked(repo: Repo, body: str) -> str:
    most = repo.flavour.comment_limit
    if not body.strip():
        raise invalid("Body cannot be blank", "body", "missing_field")
    if len(body) > most:
        raise invalid(f"Body is too long (maximum is {most} characters)", "body")
    return body
