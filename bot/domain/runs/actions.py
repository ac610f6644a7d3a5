"""The actions that a person may take on a run now, for the pages' buttons, the CLI and the services.

A run's status says what is possible, a person's role what they may, and force-cancel waits for its cool-off.
"""

from __future__ import annotations

import math
from datetime import datetime, timedelta

from bot.domain.people.permissions import Action, Person, refusal
from bot.domain.runs.run import Run


def possible(run: Run, person: Person, now: datetime, cool_off: timedelta) -> frozenset[Action]:
    """Return what this person may do with the run now."""
    return frozenset(
        action
        for action in run.legal()
        if person.may(needed(run, action))
        and not (action is Action.FORCE_CANCEL and _left(run, now, cool_off))
    )


def needed(run: Run, action: Action) -> Action:
    """Return the action whose role is needed. To retry a run that may apply, it is confirming."""
    return Action.CONFIRM if action is Action.RETRY and not run.plan_only else action


def why_not(run: Run, action: Action, now: datetime, cool_off: timedelta) -> str:
    """Say why the action is not possible now, and what is. Empty if it is possible (promise 7)."""
    if action in run.legal():
        left = _left(run, now, cool_off) if action is Action.FORCE_CANCEL else 0
        if not left:
            return ""
        return f"{run.id} was canceled just now: give Terraform {left} more seconds to end its step by itself"
    done = _PASSIVE.get(action, action.value)
    if action is Action.FORCE_CANCEL and not run.final:
        if run.force_cancel:
            return f"{run.id} is being killed already"
        return f"{run.id} is {run.status.value}: force-cancel comes after a cancel; {run.possible()}"
    if action is Action.RETRY:
        return f"{run.id} is {run.status.value}: only a finished run can be retried; {run.possible()}"
    return f"{run.id} is {run.status.value} and can't be {done}; {run.possible()}"


def why_forbidden(run: Run, person: Person, action: Action) -> str:
    """Say why this person may not. Empty if they may."""
    need = needed(run, action)
    return "" if person.may(need) else refusal(person, need)


def force_cancel_in(run: Run, now: datetime, cool_off: timedelta) -> int | None:
    """Return the seconds until a force-cancel is possible. None if it is not possible."""
    return _left(run, now, cool_off) if run.force_cancelable else None


_PASSIVE = {
    Action.CONFIRM: "confirmed",
    Action.DISCARD: "discarded",
    Action.CANCEL: "canceled",
    Action.FORCE_CANCEL: "force-canceled",
    Action.OVERRIDE_POLICY: "overridden",
}


def _left(run: Run, now: datetime, cool_off: timedelta) -> int:
    """How many whole seconds of the cool-off are left, rounded up."""
    if run.cancel_requested_at is None:
        return 0
    return max(0, math.ceil((run.cancel_requested_at + cool_off - now).total_seconds()))
