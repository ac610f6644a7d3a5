"""The labels of a change as a post. They differ from what was set last, or the forge is asked nothing."""

from __future__ import annotations

from collections.abc import Sequence

from bot.domain.reports.labels import labels_of
from bot.domain.reports.posts import LabelsPost
from bot.domain.reports.report import WorkspaceSection
from bot.services.ports import ChangeRecord, Forge, Post, Transaction

# Between the labels of a stored set. None of ours contains it.
_BETWEEN = ","


def labels_posts(tx: Transaction, record: ChangeRecord, sections: Sequence[WorkspaceSection]) -> list[Post]:
    """Return the post of a change's labels. None if it should have none and never had any."""
    change, wanted = record.change, tuple(label.value for label in labels_of(sections))
    key = f"labels:{change.number}"
    if not wanted and tx.shown.get(change.repo, key) is None:
        return []
    return [Post(record.id, change.repo, key, LabelsPost(change.number, wanted))]


def set_labels(forge: Forge, post: Post, content: LabelsPost) -> str:
    """Set what differs from the last set. Return the set, to be stored as the post's id on the forge.

    A label that a person removed or added is left as it is until the set changes.
    """
    last = tuple(filter(None, post.remote_id.split(_BETWEEN)))
    add = [label for label in content.labels if label not in last]
    remove = [label for label in last if label not in content.labels]
    if add or remove:
        forge.set_labels(post.repo, content.number, add, remove)
    return _BETWEEN.join(content.labels)
