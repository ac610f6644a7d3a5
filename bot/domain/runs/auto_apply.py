"""When a run applies its plan without being asked, and when it waits all the same."""

from __future__ import annotations

from bot.domain.modes import Modes
from bot.domain.run import RunSource
from bot.domain.workspace import Workspace

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
    """Whether a new run goes on by itself once it is planned.

    Only where the setting is on, and the run came from a commit of the branch or from a person who may
    apply. Plan-only runs never do, destroy plans wait for a person, and so does everything on a change:
    there `/apply` is the approval (promise 1). A retry waits too: what failed once deserves a look. What
    another workspace's apply started has its own setting.
    """
    if plan_only or change_number is not None or (modes is not None and modes.destroy):
        return False
    if source is RunSource.TRIGGER:
        return workspace.auto_apply_run_triggers
    by_hand = source is RunSource.MANUAL and may_apply
    return workspace.auto_apply and (source in _FROM_A_COMMIT or by_hand)
