"""Notes, in the transaction that changes a run, which destinations are told of it (promise 3).

No request of the web and no worker of a run sends anything: the messages wait in the outbox.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from bot.domain.ids import new_id
from bot.domain.notifications.destinations import Destination, Trigger, events_of
from bot.domain.notifications.messages import Notice, one_line
from bot.domain.runs.lifecycle import AWAITS_PERSON
from bot.domain.runs.run import Run
from bot.domain.workspaces.workspace import Workspace
from bot.services.outbox.wake import Wake
from bot.services.ports import Clock, RunQuery, Store, Transaction
from bot.services.runs.transitions import RunChange

_MOST_REMINDED = 500


class RunEvents:
    """Tells destinations of runs. Does nothing if plangate.yml names no destination."""

    def __init__(self, destinations: Sequence[Destination]) -> None:
        self._destinations = tuple(destinations)

    def consequence(self, tx: Transaction, changed: RunChange, wake: Wake) -> None:
        """Store what destinations are told of a changed run, and wake the senders of what is due at once."""
        events = events_of(changed.before, changed.run) if self._destinations else ()
        if not events:
            return
        run, workspace = changed.run, tx.workspaces.get(changed.run.workspace_id)
        new = [
            notice_of(each, trigger, workspace, run, changed.at, f"{run.version}")
            for each in self._destinations
            if each.chooses(workspace) and (trigger := each.trigger(events)) is not None
        ]
        due_now = {each.name for each in self._destinations if not each.gather}
        wake.destinations += [name for name in tx.notices.want(new) if name in due_now]


class Reminders:
    """Reminds destinations of runs that have waited long for a person (`approval_expiring`)."""

    def __init__(self, store: Store, clock: Clock, destinations: Sequence[Destination]) -> None:
        self._store = store
        self._clock = clock
        self._destinations = [each for each in destinations if Trigger.APPROVAL_EXPIRING in each.triggers]

    def remind(self) -> None:
        """Store a reminder for each run that has waited long enough, once for each wait."""
        if not self._destinations:
            return
        now = self._clock.now()
        statuses = frozenset(status.value for status in AWAITS_PERSON)
        with self._store.reading() as tx:
            waiting = tx.runs.find(RunQuery(statuses=statuses, limit=_MOST_REMINDED))
            found = [
                notice_of(each, Trigger.APPROVAL_EXPIRING, workspace, run, now, run.status_at.isoformat())
                for run in waiting
                if not run.plan_only
                for workspace in (tx.workspaces.get(run.workspace_id),)
                for each in self._destinations
                if now - run.status_at >= each.remind_after and each.chooses(workspace)
            ]
            known = tx.notices.known([notice.key for notice in found])
        new = [notice for notice in found if notice.key not in known]
        if new:
            with self._store.transaction() as tx:
                tx.notices.want(new)


def notice_of(
    destination: Destination,
    trigger: Trigger,
    workspace: Workspace,
    run: Run,
    at: datetime,
    once: str,
    detail: str = "",
) -> Notice:
    """Return the event of a run for a destination. It counts once for each `once`.

    `detail` is said instead of what the run itself has to say.
    """
    return Notice(
        key=f"{destination.name}:{run.id}:{trigger.value}:{once}",
        destination=destination.name,
        topic=run.id if destination.one_per_run else topic_of(workspace, run),
        trigger=trigger,
        workspace_id=workspace.id,
        run_id=run.id,
        at=at,
        due_at=at + destination.gather,
        detail=detail or _detail(trigger, run, at),
    )


def asked_test(destination: Destination, login: str, at: datetime) -> Notice:
    """Return a test, which goes out at once."""
    key = new_id("test")
    asked = f"{one_line(login)} asked for it"
    return Notice(key, destination.name, key, Trigger.TEST, "", "", at, at, asked)


def topic_of(workspace: Workspace, run: Run) -> str:
    """Return what messages about a run are gathered by: its change, its commit, or itself."""
    if not workspace.has_repo or run.uploaded:
        return run.id
    if run.change_number is not None:
        return f"{workspace.repo}#{run.change_number}"
    return f"{workspace.repo}@{run.commit}"


def _detail(trigger: Trigger, run: Run, at: datetime) -> str:
    """Say a little more: no text of the run's code or output, which could have secrets (promise 6)."""
    if trigger is Trigger.APPROVAL_EXPIRING:
        hours = (at - run.status_at) // timedelta(hours=1)
        return f"for {hours} hour{'s' * (hours != 1)}"
    if trigger is Trigger.ERRORED:
        return "during the apply" if run.apply_status.value == "errored" else "during the plan"
    return str(run.counts) if run.counts is not None else ""
