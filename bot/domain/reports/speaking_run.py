"""Which run speaks for a workspace: on a commit, on a change, and after a merge.

Statuses, the change's comment, its page, `/why` and `/apply` all ask here, so they all mean the same run.
`runs` are always newest first.
"""

from __future__ import annotations

from collections.abc import Sequence

from bot.domain.events import Change
from bot.domain.runs.lifecycle import RunStatus, StageStatus
from bot.domain.runs.run import Run, RunSource


def speaking_run(runs: Sequence[Run]) -> Run | None:
    """Return the run that speaks for a workspace; `runs` are those of one commit.

    A run that was stopped before it applied anything does not count if there is one before it.
    """
    speaking = (run for run in runs if not _put_aside(run))
    return next(speaking, runs[0] if runs else None)


def speaking_run_of_change(change: Change, runs: Sequence[Run]) -> Run | None:
    """Return the run that speaks for a workspace on a change; None if there is none.

    `runs` are the workspace's runs about the change; after its merge, the branch's own come first. Runs of
    the latest and of the merge commit count before older ones. Those of a merge queue's commits never do.
    """
    own = [run for run in runs if run.source is not RunSource.QUEUE]
    return speaking_run([run for run in own if is_of_latest_commit(change, run)] or own)


def speaking_run_of_branch(runs: Sequence[Run]) -> Run | None:
    """Return the branch's own run that speaks after a merge; `runs` are the workspace's about the change."""
    return speaking_run([run for run in runs if not run.plan_only and run.change_number is None])


def is_of_latest_commit(change: Change, run: Run) -> bool:
    """Whether a run is of the change's latest commit, or of the commit that merged it."""
    return run.commit in (change.head_sha, change.merge_sha)


def _put_aside(run: Run) -> bool:
    if run.status is RunStatus.DISCARDED:
        return True
    return run.status is RunStatus.CANCELED and run.apply_status is not StageStatus.CANCELED
