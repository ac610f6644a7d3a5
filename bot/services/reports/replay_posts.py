"""What stands on a change that touches policy sets: a status for each set, and one comment."""

from __future__ import annotations

from collections.abc import Sequence

from bot.domain.replays import Replay, ReplayReport, ReplayState, replay_headline
from bot.domain.report import StatusReport
from bot.services.ports import Addresses, ChangeRecord, Post, Texts
from bot.services.posting import Posting


class ReplayPosts:
    """Derives the posts from what was tried, as it stands now (promise 4)."""

    def __init__(self, texts: Texts, posting: Posting, addresses: Addresses) -> None:
        self._texts = texts
        self._posting = posting
        self._addresses = addresses

    def posts(self, record: ChangeRecord, replays: Sequence[Replay], limit: int) -> Sequence[Post]:
        """Return what should stand; nothing where no set comes from the branch that the change goes to."""
        repo, sha = record.change.repo, record.change.head_sha
        here = [each for each in replays if each.commit == sha]
        found = []
        for each in here:
            state, words = replay_headline(each)
            context = f"plangate/policies/{each.set_name}"
            status = StatusReport(sha, context, state, words, self._addresses.public)
            found.append(self._posting.status(record.id, repo, status))
        # Once it touched a set, the comment says so too where its latest commit touches none any more.
        if any(each.state is not ReplayState.UNTOUCHED for each in replays):
            tried = tuple(each for each in here if each.state is not ReplayState.UNTOUCHED)
            report = ReplayReport(sha, tried, f"{self._addresses.public}/runs/")
            body = self._texts.replay_comment(report, limit)
            found.append(self._posting.comment(record.id, repo, record.change.number, "policies", body))
        return found
