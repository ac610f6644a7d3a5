"""Tags: whether a push of a tag still holds. A delivery proves nothing: an old one can be sent again."""

from __future__ import annotations

from bot.domain.changes.decisions import Decision, NoRun, StartRun
from bot.domain.errors import NotFound, NotReady
from bot.domain.events import TagPushed
from bot.services.ports import Delivery, ForgeReader, RunQuery, Transaction

_TOO_LATE = (
    "the webhook of this tag came late, and there is a newer run here: start one by hand if it is wanted"
)


def why_outdated(forge: ForgeReader, event: TagPushed, *, settles: bool) -> str:
    """Say why nothing runs: the tag was deleted or moved. Empty if it points at the commit.

    `settles`: the forge may still be processing the push, so that raises NotReady.
    """
    try:
        commit = forge.tag_commit(event.repo, event.tag)
        why = f"tag {event.tag} points at {commit[:10]} now, not at {event.commit[:10]}, so nothing runs"
    except NotFound:
        commit, why = "", f"the forge does not have tag {event.tag}, so nothing runs"
    if commit == event.commit:
        return ""
    if settles:
        raise NotReady(why)
    return why


def in_time(tx: Transaction, decisions: tuple[Decision, ...], delivery: Delivery) -> tuple[Decision, ...]:
    """Leave out workspaces with newer runs if a tag's webhook failed, and was asked for again later.

    A tag says nothing of its time: an older one must not be applied after what came since.
    """
    failed_at = tx.failed_deliveries.failed_at(delivery.forge, delivery.id)
    if failed_at is None:
        return decisions
    found: list[Decision] = []
    for decision in decisions:
        if isinstance(decision, StartRun):
            query = RunQuery(workspace_id=decision.workspace.id, plan_only=False, limit=1)
            if any(run.created_at >= failed_at for run in tx.runs.find(query)):
                found.append(NoRun(decision.workspace.name, _TOO_LATE))
                continue
        found.append(decision)
    return tuple(found)
