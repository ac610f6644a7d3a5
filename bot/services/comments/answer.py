"""What a comment is answered: gathered while its commands are carried out, then posted in one go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from bot.domain.events import ChangedFiles, CommentAdded
from bot.domain.policy_owners import NO_TEAMS, Teams
from bot.domain.requirements import Check, Facts
from bot.domain.why import WhyReport
from bot.services.outcome import Outcome
from bot.services.ports import ChangeRecord, Post, Reaction
from bot.services.posting import Posting


@dataclass
class Answer:
    """Refusals, each a workspace (or command) and why; how much was done; whether help is asked for.

    `facts` are what requirements are held against, where the comment asks to apply; `tables` are the
    requirements of workspaces that are not ready, `why` is the answer to `/why`. `teams` are those that own
    policy sets, where the comment asks to override; `files` are what the change touches.
    """

    asked_at: datetime
    welcome: bool = True
    refusals: list[tuple[str, str]] = field(default_factory=list)
    done: int = 0
    help: bool = False
    facts: Facts | None = None
    why: WhyReport | None = None
    teams: Teams = NO_TEAMS
    files: ChangedFiles = field(default_factory=ChangedFiles.unknown)
    tables: list[tuple[str, Sequence[Check]]] = field(default_factory=list)

    def refuse(self, outcome: Outcome, what: str, why: str, workspace: str = "") -> None:
        """Refuse something; the same reason for the same thing is said once."""
        outcome.say("refused", why, workspace)
        if (what, why) not in self.refusals:
            self.refusals.append((what, why))

    def forbid(self, outcome: Outcome, what: str, why: str) -> None:
        """Refuse for want of a role: said once, however many commands there are (no noise)."""
        outcome.say("refused", why)
        if why not in {reason for _, reason in self.refusals}:
            self.refusals.append((what, why))


def seen(posting: Posting, event: CommentAdded, subject: str) -> Post:
    """Return the reaction that says: it is being looked at."""
    return posting.reaction(subject, event.repo, event.number, event.comment_id, Reaction.SEEN)


def posts_of(
    posting: Posting, event: CommentAdded, record: ChangeRecord, answer: Answer, limit: int
) -> Sequence[Post]:
    """Return the rows of the answer."""
    repo, number, comment_id = event.repo, event.number, event.comment_id
    reaction = Reaction.DONE if answer.done else Reaction.CONFUSED
    posts = [seen(posting, event, record.id)] if answer.welcome else []
    posts.append(posting.reaction(record.id, repo, number, comment_id, reaction))
    if answer.refusals or answer.tables:
        posts.append(
            posting.refusal(
                record.id, repo, number, comment_id, event.author, answer.refusals, limit, answer.tables
            )
        )
    if answer.why is not None:
        posts.append(posting.why(record.id, repo, number, answer.why, limit))
    if answer.help:
        posts.append(posting.help(record.id, repo, number, limit))
    return posts
