"""The answer to a comment: collected while its commands are carried out, then posted once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from bot.domain.changes.delivery_decisions import DecisionKind
from bot.domain.changes.requirements import Check, Facts
from bot.domain.changes.why import WhyReport
from bot.domain.events import ChangedFiles, CommentAdded
from bot.domain.policies.owners import NO_TEAMS, KnownTeams
from bot.domain.reports.posts import Reaction
from bot.services.outbox.delivery_result import DeliveryResult
from bot.services.ports import ChangeRecord, Post
from bot.services.reports.posts import PostBuilder

DELAYED = "reports are delayed"


@dataclass
class CommentAnswer:
    """Refusals with their workspace (or command) and reason, how much was done, whether help was asked for.

    `asked_at` is when the delivery arrived, by our clock; `written_at` is when the comment was written, by
    the forge's.

    `facts` are for checking requirements, if the comment asks to apply. `tables` are the requirements of
    workspaces that are not ready. `why` is the answer to `/why`. `teams` are the owners of policy sets, if
    the comment asks to override. `files` are the files that the change touches. `waited` says that the
    answer waited for our comment, which the forge delayed.

    `pressed`: a button was pressed. It knows the plan's code, whether somebody has seen the plan or not.
    `taken_back` says why nothing is carried out of a comment that does not stand as it was written.
    """

    asked_at: datetime
    written_at: datetime
    welcome: bool = True
    refusals: list[tuple[str, str]] = field(default_factory=list)
    done: int = 0
    help: bool = False
    facts: Facts | None = None
    why: WhyReport | None = None
    teams: KnownTeams = NO_TEAMS
    files: ChangedFiles = field(default_factory=ChangedFiles.unknown)
    tables: list[tuple[str, Sequence[Check]]] = field(default_factory=list)
    waited: bool = False
    taken_back: str = ""
    pressed: bool = False

    def refuse(self, outcome: DeliveryResult, what: str, why: str, workspace: str = "") -> None:
        """Add a refusal. The same reason for the same workspace is added once."""
        outcome.say(DecisionKind.REFUSED, why, workspace)
        if (what, why) not in self.refusals:
            self.refusals.append((what, why))

    def forbid(self, outcome: DeliveryResult, what: str, why: str) -> None:
        """Add a refusal because of a role. It is added once, for any number of commands."""
        outcome.say(DecisionKind.REFUSED, why)
        if why not in {reason for _, reason in self.refusals}:
            self.refusals.append((what, why))


def seen(post_builder: PostBuilder, event: CommentAdded, subject: str) -> Post:
    """Return the reaction that says that the comment is being handled."""
    return post_builder.reaction(subject, event.repo, event.number, event.comment_id, Reaction.SEEN)


def posts_of(
    post_builder: PostBuilder, event: CommentAdded, record: ChangeRecord, answer: CommentAnswer, limit: int
) -> Sequence[Post]:
    """Return the posts of the answer."""
    repo, number, comment_id = event.repo, event.number, event.comment_id
    reaction = Reaction.DONE if answer.done else Reaction.CONFUSED
    posts = [seen(post_builder, event, record.id)] if answer.welcome else []
    posts.append(post_builder.reaction(record.id, repo, number, comment_id, reaction))
    if answer.refusals or answer.tables:
        posts.append(
            post_builder.refusal(
                record.id, repo, number, comment_id, event.author, answer.refusals, limit, answer.tables
            )
        )
    if answer.why is not None:
        posts.append(post_builder.why(record.id, repo, number, answer.why, limit))
    if answer.help:
        posts.append(post_builder.help(record.id, repo, number, limit))
    return posts
