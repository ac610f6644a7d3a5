"""Auto-apply: the runs that apply without a confirmation."""

from __future__ import annotations

from bot.domain.plans.modes import Modes
from bot.domain.runs.run import RunSource
from bot.domain.workspaces.workspace import Workspace

_FROM_A_COMMIT = frozenset({RunSource.PUSH, RunSource.TAG})


def auto_applies(
    workspace: Workspace,
    source: RunSource,
    *,
    may_apply: bool = False,
    plan_only: bool = False,
    modes: Modes | None = None,
    change_number: int | None = None,
) -> bool:
    """Whether a new run applies without a confirmation.

    Only if the setting is on, and the run came from a commit of the branch or from a person who may
    apply. Not for plan-only runs, destroy plans and runs of a change: on a change,
    `/apply` is the approval (promise 1). Not for a retry: look at the failure first. Runs of
    run triggers have their own setting.
    """
    if plan_only or change_number is not None or (modes is not None and modes.destroy):
        return False
    if source is RunSource.TRIGGER:
        return workspace.auto_apply_run_triggers
    by_hand = source is RunSource.MANUAL and may_apply
    return workspace.auto_apply and (source in _FROM_A_COMMIT or by_hand)
