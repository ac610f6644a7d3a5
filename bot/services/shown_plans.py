"""Which plans a change has shown, and since when: `/apply` means one of these (promise 1).

A plan may be finished for a while before the forge tells of it: a report waits for its worker, or for a forge
that limits us. Whoever asks meanwhile has the plan before it in front of them. It is told of by the comment,
and by the status that links to it, which may be a moment earlier.
"""

from __future__ import annotations

from datetime import datetime

from bot.domain.run import Run
from bot.services.ports import ArtifactKind, Post, Transaction


def note(tx: Transaction, post: Post, at: datetime) -> None:
    """Keep since when the plans that a post tells of are shown; just before it is sent.

    Not behind it: whoever asks at once may be heard before the forge's answer is.
    """
    for run_id in _shown_by(post):
        if not tx.artifacts.get(run_id, ArtifactKind.SHOWN):
            tx.artifacts.put(run_id, ArtifactKind.SHOWN, at.isoformat().encode())


def take_back(tx: Transaction, post: Post, at: datetime) -> None:
    """Forget what was noted of a post at that moment: it could not be sent."""
    for run_id in _shown_by(post):
        if tx.artifacts.get(run_id, ArtifactKind.SHOWN) == at.isoformat().encode():
            tx.artifacts.put(run_id, ArtifactKind.SHOWN, b"")


def was_shown(tx: Transaction, run: Run, asked_at: datetime) -> bool:
    """Whether a run's plan was told of on its change when somebody asked."""
    since = tx.artifacts.get(run.id, ArtifactKind.SHOWN)
    return datetime.fromisoformat(since.decode()) < asked_at if since else False


def _shown_by(post: Post) -> list[str]:
    return post.payload.get("shows", "").split()
