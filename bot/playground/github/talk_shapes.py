"""GitHub's shapes of what is said and judged: comments, emojis, reviews, statuses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.playground.forge.model import REACTIONS
from bot.playground.github.addresses import node_id
from bot.playground.github.pull_shapes import PullShapes
from bot.playground.github.shapes import Json, moment

if TYPE_CHECKING:
    from bot.playground.forge.model import Comment, Reaction, Repo, Review, Status


class TalkShapes(PullShapes):
    """Adds the shapes of what people and bots say."""

    def comment(self, comment: Comment) -> Json:
        """Shape a comment."""
        here = f"{self.at.repo(comment.pull.repo.full_name)}/issues/comments/{comment.id}"
        counts = {name: sum(r.content == name for r in comment.reactions) for name in REACTIONS}
        return {
            "url": here,
            "html_url": f"{self.pull_page(comment.pull)}#issuecomment-{comment.id}",
            "issue_url": self.issue_url(comment.pull),
            "id": comment.id,
            "node_id": node_id("IssueComment", comment.id),
            "user": self.user(comment.author),
            "created_at": moment(comment.created_at),
            "updated_at": moment(comment.updated_at),
            "author_association": self.association(comment.pull.repo, comment.author),
            "body": comment.body,
            "reactions": {
                "url": f"{here}/reactions",
                "total_count": len(comment.reactions),
                **counts,
            },
            "performed_via_github_app": None,
        }

    def reaction(self, reaction: Reaction) -> Json:
        """Shape an emoji."""
        return {
            "id": reaction.id,
            "node_id": node_id("Reaction", reaction.id),
            "user": self.user(reaction.user),
            "content": reaction.content,
            "created_at": moment(reaction.created_at),
        }

    def review(self, review: Review) -> Json:
        """Shape a verdict."""
        page = f"{self.pull_page(review.pull)}#pullrequestreview-{review.id}"
        here = self.pull_url(review.pull)
        return {
            "id": review.id,
            "node_id": node_id("PullRequestReview", review.id),
            "user": self.user(review.author),
            "body": review.body,
            "commit_id": review.commit_sha,
            "submitted_at": moment(review.submitted_at),
            "state": review.state,
            "html_url": page,
            "pull_request_url": here,
            "author_association": self.association(review.pull.repo, review.author),
            "_links": {"html": {"href": page}, "pull_request": {"href": here}},
        }

    def status(self, repo: Repo, status: Status) -> Json:
        """Shape a commit status, without its creator as in the combined answer."""
        return {
            "url": f"{self.at.repo(repo.full_name)}/statuses/{status.sha}",
            "avatar_url": f"{self.at.web}/static/avatars/{status.creator.id}",
            "id": status.id,
            "node_id": node_id("StatusContext", status.id),
            "state": status.state,
            "description": status.description,
            "target_url": status.target_url,
            "context": status.context,
            "created_at": moment(status.created_at),
            "updated_at": moment(status.created_at),
        }
