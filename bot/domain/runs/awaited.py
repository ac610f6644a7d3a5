"""A run that waits for runs of other workspaces: it starts after they were applied (`depends_on`).

A run that failed, was canceled or discarded holds those that wait for it, until a later one of the same
change (or of the same branch) is applied. So a retry releases them. If its workspace is removed, its end
releases them too: nothing will be applied there any more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.queue import holds_by
from bot.domain.runs.run import Run

_ENDED = {
    RunStatus.ERRORED: "failed",
    RunStatus.CANCELED: "was canceled",
    RunStatus.DISCARDED: "was discarded",
    RunStatus.POLICY_SOFT_FAILED: "failed",
}


@dataclass(frozen=True)
class Awaited:
    """A workspace that a run waits for, and the run there that decides. `removed`: it is not active."""

    workspace: str
    run: Run
    removed: bool = False

    @property
    def done(self) -> bool:
        """Whether nothing is left to be applied there."""
        return self.run.in_effect or (self.removed and self.run.final)

    @property
    def failed(self) -> str:
        """Say how it ended without an apply. Empty if it did not."""
        return "" if self.done else _ENDED.get(self.run.status, "")


def deciding(first: Run, later: Sequence[Run]) -> Run:
    """Return the run that decides, of the awaited one and the later runs of its workspace.

    That is one after which everything is applied, else the newest one of the same change or branch. One that
    destroys everything does not count.
    """
    same = [first, *(run for run in later if run.follows(first) and not (run.plan_only or run.modes.destroy))]
    return next((run for run in same if run.in_effect), max(same, key=lambda run: run.sequence))


def why_held(awaited: Sequence[Awaited]) -> str:
    """Say for which workspaces a run waits, empty if for none: `waits for network-prod, which failed`."""
    if failed := next((each for each in awaited if each.failed), None):
        return f"waits for {failed.workspace}, which {failed.failed}"
    open_ones = [each for each in awaited if not each.done]
    if not open_ones:
        return ""
    if len(open_ones) == 1:
        stage = holds_by(open_ones[0].run)
        return f"waits for {open_ones[0].workspace}{f' ({stage})' if stage else ''}"
    names = [each.workspace for each in open_ones]
    return f"waits for {', '.join(names[:-1])} and {names[-1]}"
