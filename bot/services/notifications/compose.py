"""Makes messages of the events in the outbox: one for each change, or one for all if there are many."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import groupby

from bot.domain.errors import NotFound
from bot.domain.ids import new_id
from bot.domain.notifications.destinations import Destination, Trigger
from bot.domain.notifications.messages import MOST_LINES, Message, MessageLine, Notice, one_line
from bot.services.ports import Addresses, Notification, Transaction

MOST_TOPICS = 5
"""If more changes and commits than this are due at once, one message tells of all of them."""

_AT_ONCE = 500


def compose(tx: Transaction, destination: Destination, addresses: Addresses, now: datetime) -> bool:
    """Store the messages that are due. Return whether there may be more events to tell of."""
    found = tx.notices.waiting(destination.name, _AT_ONCE)
    for topic, notices in _due(destination, found, now):
        first, *_ = notices
        message = Message(
            new_id("ntf"),
            title=_title(tx, first) if topic else f"{len({each.topic for each in notices})} changes",
            url=_url(tx, addresses, first) if topic else f"{addresses.public}/runs",
            lines=tuple(_line(tx, addresses, each) for each in notices[:MOST_LINES]),
            more=max(len(notices) - MOST_LINES, 0),
        )
        made = Notification(message.id, destination.name, topic, message, now, next_at=now)
        tx.notices.told_by(made, notices)
    return len(found) == _AT_ONCE


def _due(
    destination: Destination, found: Sequence[Notice], now: datetime
) -> Iterator[tuple[str, Sequence[Notice]]]:
    """Yield the topics that are due with all their events. An empty topic is many of them together."""
    ordered = sorted(found, key=lambda each: each.topic)
    topics = [(topic, tuple(notices)) for topic, notices in groupby(ordered, lambda each: each.topic)]
    due = [each for each in topics if any(notice.due_at <= now for notice in each[1])]
    if len(due) > MOST_TOPICS and not destination.one_per_run:
        yield "", sorted((notice for _, notices in due for notice in notices), key=lambda each: each.at)
    else:
        yield from due


def _title(tx: Transaction, notice: Notice) -> str:
    if notice.trigger is Trigger.TEST:
        return "Test of a notification"
    try:
        workspace = tx.workspaces.get(notice.workspace_id)
        run = tx.runs.get(notice.run_id) if notice.run_id else None
    except NotFound:
        return "a workspace that was deleted"
    if run is None or not workspace.has_repo or run.uploaded:
        return workspace.name
    if run.change_number is not None:
        found = tx.changes.id_of(workspace.repo, run.change_number)
        title = tx.changes.get(found).change.title if found else ""
        return one_line(f"{workspace.repo.path}#{run.change_number} {title}")
    return one_line(f"{workspace.repo.path}@{run.commit[:7]} {run.message.partition(chr(10))[0]}")


def _url(tx: Transaction, addresses: Addresses, notice: Notice) -> str:
    if not notice.run_id:
        return addresses.public
    try:
        run = tx.runs.get(notice.run_id)
        repo = tx.workspaces.get(notice.workspace_id).repo
    except NotFound:
        return addresses.public
    change = tx.changes.id_of(repo, run.change_number) if run.change_number is not None else None
    return addresses.change(change) if change else addresses.run(run.id)


def _line(tx: Transaction, addresses: Addresses, notice: Notice) -> MessageLine:
    try:
        name = tx.workspaces.get(notice.workspace_id).name if notice.workspace_id else ""
        run = tx.runs.get(notice.run_id) if notice.run_id else None
    except NotFound:
        name, run = "", None
    if run is None:
        url = f"{addresses.public}/workspaces/{name}" if name else addresses.public
        return MessageLine(
            notice.trigger, notice.at, name, notice.workspace_id, url=url, detail=one_line(notice.detail)
        )
    return MessageLine(
        trigger=notice.trigger,
        at=notice.at,
        workspace=name,
        workspace_id=notice.workspace_id,
        run_id=run.id,
        url=addresses.run(run.id),
        detail=one_line(notice.detail),
        run_status=run.status.value,
        run_message=one_line(run.message.partition("\n")[0]),
        run_created_at=run.created_at,
        run_created_by=one_line(run.created_by),
    )
