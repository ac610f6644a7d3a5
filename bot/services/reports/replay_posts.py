"""The posts of a policy replay: a status for each set, and one comment."""

from __future__ import annotations

from collections.abc import Sequence

from bot.domain.reports.headlines import why_ended
from bot.domain.reports.replays import Replay, ReplayReport, ReplayState, replay_headline
from bot.domain.reports.report import StatusReport, StatusState
from bot.services.ports import Addresses, ChangeRecord, CommentTexts, Post
from bot.services.reports.posts import PostBuilder


class ReplayPosts:
    """Derives the posts from the stored replays (promise 4)."""

    def __init__(self, texts: CommentTexts, post_builder: PostBuilder, addresses: Addresses) -> None:
        self._texts = texts
        self._post_builder = post_builder
        self._addresses = addresses

    def posts(self, record: ChangeRecord, replays: Sequence[Replay], limit: int) -> Sequence[Post]:
        """Return the posts. None if no set is fetched from the branch that the change goes to."""
        repo, sha = record.change.repo, record.change.head_sha
        here = [each for each in replays if each.commit == sha]
        found = []
        for each in here:
            state, words = replay_headline(each)
            if each.state is ReplayState.HELD and not record.change.open:
                state, words = StatusState.ERROR, f"Not judged: {why_ended(record.change)}"
            context = f"plangate/policies/{each.set_name}"
            status = StatusReport(sha, context, state, words, self._addresses.public)
            found.append(self._post_builder.status(record.id, repo, status))
        # A comment that exists is also updated if the latest commit touches no set any more.
        if any(each.state is not ReplayState.UNTOUCHED for each in replays):
            tried = tuple(each for each in here if each.state is not ReplayState.UNTOUCHED)
            report = ReplayReport(sha, tried, f"{self._addresses.public}/runs/")
            body = self._texts.replay_comment(report, limit)
            found.append(self._post_builder.comment(record.id, repo, record.change.number, "policies", body))
        return found
