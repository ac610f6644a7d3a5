"""The words for where a run stands: the same in statuses, comments and pages (promise 7)."""

from __future__ import annotations

from collections.abc import Sequence

from bot.domain.events import Change
from bot.domain.plans.plan import Counts
from bot.domain.policies.policy import EnforcementLevel, PolicyCheck, tally
from bot.domain.reports.report import StatusState
from bot.domain.runs import lifecycle
from bot.domain.runs.lifecycle import RunStatus, StageStatus
from bot.domain.runs.merge_result import MergeResult
from bot.domain.runs.run import Run, RunSource

Headline = tuple[StatusState, str]

_PLANNING = lifecycle.PLAN_STAGES
_STARTED = frozenset(RunStatus) - lifecycle.PLAN_STAGES - {RunStatus.PENDING}


def amount(counts: Counts | None) -> str:
    """Say how much a plan would change: `2 to add, 1 to change, 0 to destroy`."""
    if counts is None:
        return "changes"
    words = f"{counts.add} to add, {counts.change} to change, {counts.destroy} to destroy"
    return f"{counts.imports} to import, {words}" if counts.imports else words


def plan_headline(run: Run, waits: str = "") -> Headline:
    """Say where the run's plan stands; `waits` says why a pending run waits."""
    if run.status is RunStatus.PENDING:
        return StatusState.PENDING, _waiting(waits) if waits else "Planning"
    if run.status in _PLANNING:
        return (
            StatusState.PENDING,
            "Checking policies" if run.status is RunStatus.POLICY_CHECKING else "Planning",
        )
    if run.plan_status is StageStatus.ERRORED:
        return StatusState.FAILURE, f"Plan failed: {run.error}" if run.error else "Plan failed"
    if run.status is RunStatus.CANCELED and run.plan_status is not StageStatus.FINISHED:
        return StatusState.ERROR, f"Plan canceled by {run.cancel_requested_by or 'plangate'}"
    if run.status is RunStatus.DISCARDED and run.plan_status is not StageStatus.FINISHED:
        return StatusState.ERROR, "Discarded before it was planned"
    if _stopped_by_policies(run):
        return StatusState.FAILURE, f"Policies failed: {run.error}" if run.error else "Policies failed"
    if run.source is RunSource.QUEUE and run.delta:
        return StatusState.FAILURE, f"Not approved: {run.delta}"
    return StatusState.SUCCESS, _planned(run)


def _waiting(why: str) -> str:
    # Of other workspaces the reason is a sentence already: "waits for network-prod, which failed".
    return f"W{why[1:]}" if why.startswith("waits ") else f"Waiting: {why}"


def apply_headline(run: Run, waits: str = "", *, told: bool = False) -> Headline | None:
    """Say where the run's apply stands; None if there is nothing to say of one.

    `told` says that a status of it is pending on the forge: that needs an end, whatever happened.
    """
    if run.plan_only or (run.status not in _STARTED and run.source is not RunSource.COMMENT):
        return None
    match run.status:
        case RunStatus.PENDING:
            return StatusState.PENDING, _waiting(waits) if waits else "Planning before the apply"
        case status if status in _PLANNING:
            return StatusState.PENDING, "Planning before the apply"
        case RunStatus.PLANNED | RunStatus.POLICY_CHECKED:
            return StatusState.PENDING, _asks(run)
        case RunStatus.POLICY_OVERRIDE:
            return StatusState.PENDING, "Policies failed: an owner may override"
        case RunStatus.CONFIRMED | RunStatus.APPLY_QUEUED if waits:
            return StatusState.PENDING, f"Waiting: {waits}"
        case RunStatus.CONFIRMED | RunStatus.APPLY_QUEUED | RunStatus.APPLYING:
            return StatusState.PENDING, f"Applying {run.counts or 'changes'}, confirmed by {run.confirmed_by}"
        case RunStatus.APPLIED:
            return StatusState.SUCCESS, f"Applied: {run.counts}" if _resources(run) else "Applied"
        case RunStatus.PLANNED_AND_FINISHED:
            nothing = (StatusState.SUCCESS, "Nothing to apply: the plan has no changes")
            return nothing if told or _asked(run) else None
        case RunStatus.DISCARDED:
            return StatusState.ERROR, "Discarded: nothing was applied"
        case RunStatus.ERRORED if run.apply_status is StageStatus.ERRORED:
            return StatusState.FAILURE, f"Apply failed: {run.error}" if run.error else "Apply failed"
        case RunStatus.ERRORED:
            what = "policies" if _stopped_by_policies(run) else "the plan"
            return (StatusState.FAILURE, f"Not applied: {what} failed") if told or _asked(run) else None
        case RunStatus.CANCELED:
            by = run.cancel_requested_by or "plangate"
            what = "Apply" if run.apply_status is StageStatus.CANCELED else "Before the apply:"
            return StatusState.ERROR, f"{what} canceled by {by}"
        case _:
            return None


def _stopped_by_policies(run: Run) -> bool:
    """Whether the run ended behind its plan and before its apply, and neither of them failed."""
    stages = (run.plan_status, run.apply_status)
    errored = run.status is RunStatus.ERRORED and StageStatus.ERRORED not in stages
    return errored or run.status is RunStatus.POLICY_SOFT_FAILED


def policy_headline(run: Run, checks: Sequence[PolicyCheck]) -> Headline:
    """Say what policies said of the run's plan."""
    words = tally(checks)
    if run.status is RunStatus.POLICY_OVERRIDE:
        return StatusState.PENDING, f"{words}: an owner may override"
    stands = any(check.stands and check.level is not EnforcementLevel.ADVISORY for check in checks)
    return (StatusState.FAILURE if stands else StatusState.SUCCESS), words


def _asked(run: Run) -> bool:
    return run.source is RunSource.COMMENT


def _asks(run: Run) -> str:
    if run.lacks:
        return lacking_words(run)
    if run.delta:
        return f"The plan changed since it was approved ({run.delta}): comment /apply to approve this one"
    if run.change_number is not None:
        return "Waiting for confirmation: comment /apply"
    return "Waiting for confirmation on the run's page"


def lacking_words(run: Run) -> str:
    """Say why a run did not go on with what was approved."""
    return f"Not applied, for it lacks {run.lacks}: comment /apply once it is there"


def _resources(run: Run) -> bool:
    return bool(run.counts)


def _planned(run: Run) -> str:
    """What the plan found; one that was made in a way of its own says so before anything else.

    A run that ended without Terraform has no plan, and so no digest.
    """
    made = f" with {run.modes}" if run.modes else ""
    if not run.has_changes:
        before = run.as_applied
        return (
            f"As applied on {before.change}"
            if before and not run.digest
            else f"No changes{made}{_earlier(run)}"
        )
    found = amount(run.counts) if _resources(run) else "only outputs or addresses change"
    return f"Plan{made}: {found}{_earlier(run)}"


def _earlier(run: Run) -> str:
    """Say of which commit a reused plan is."""
    before = run.as_planned
    return f", as planned for {before.commit[:7]}" if before is not None and before.reused else ""


def headline(run: Run, waits: str = "") -> Headline:
    """Say where the run stands as a whole."""
    return apply_headline(run, waits) or plan_headline(run, waits)


def state_words(run: Run, waits: str = "") -> str:
    """Say where the run stands in a few words; counts, what differs and the next command stand beside it."""
    state, words = headline(run, waits)
    if run.status is RunStatus.PLANNED_AND_FINISHED:
        made = f" with {run.modes}" if run.modes else ""
        if not run.has_changes:
            return _planned(run)
        earlier = _earlier(run).removeprefix(", ")
        return f"A{earlier[1:]}" if earlier else f"Planned{made}"
    if run.status in lifecycle.APPLY_STAGES and run.confirmed_by and not waits:
        return f"Applying, confirmed by {run.confirmed_by}"
    if run.status is RunStatus.APPLIED:
        return "Applied"
    if run.awaits_confirmation:
        if run.lacks:
            return "Not applied by itself"
        return "Changed since it was approved" if run.delta else "Waiting for confirmation"
    if state is StatusState.FAILURE:
        if _stopped_by_policies(run):
            return "Policies failed"
        return "Apply failed" if run.apply_status is StageStatus.ERRORED else "Plan failed"
    return words


def approved_words(by: str) -> str:
    """Say that a plan is approved, and applied from the branch."""
    return f"Approved by {by}, applied once it is merged"


def aggregate(workspaces: Sequence[tuple[str, Run | None, str]], note: str = "", ended: str = "") -> Headline:
    """Say where a commit stands over its workspaces: each a name, the run that speaks, and why it waits.

    `ended` says why a workspace without a run will get none.
    """
    without = [name for name, run, _ in workspaces if run is None] if ended else []
    if without:
        planned = [each for each in workspaces if each[1] is not None]
        some = f"{len(without)} of {len(workspaces)} workspaces" if planned else ""
        so_far = aggregate(planned) if planned else (StatusState.SUCCESS, "")
        nothing = StatusState.ERROR, f"Not planned: {some}{', ' if some else ''}{ended}"
        return nothing if so_far[0] is StatusState.SUCCESS else so_far
    if note and all(run is None for _, run, _ in workspaces):
        return StatusState.PENDING, note[0].upper() + note[1:]
    if not workspaces:
        return StatusState.SUCCESS, "No workspace is affected"
    states = [(name, run, *_whole(run, waits)) for name, run, waits in workspaces]
    failed = [name for name, _, state, _ in states if state in (StatusState.FAILURE, StatusState.ERROR)]
    if failed:
        if all(run.source is RunSource.QUEUE for _, run, _ in workspaces if run):
            # Nobody looks at a queue's commit but by this one sentence.
            said = [f"{name}: {words}" for name, _, _, words in states if name in failed]
            return StatusState.FAILURE, "; ".join(said)
        return StatusState.FAILURE, f"{len(failed)} of {len(states)} failed: {', '.join(failed)}"
    open_ones = [(name, words) for name, _, state, words in states if state is StatusState.PENDING]
    if len(open_ones) == 1:
        return StatusState.PENDING, f"{open_ones[0][0]}: {open_ones[0][1]}"
    if open_ones:
        return StatusState.PENDING, f"{len(open_ones)} of {len(states)} workspaces are not finished"
    return StatusState.SUCCESS, _success([run for _, run, _, _ in states if run])


def conflict_headline(merge: MergeResult) -> Headline:
    """Say that a change is not planned, because it can't be merged."""
    if merge.conflicts == ("",):
        return StatusState.FAILURE, f"No history in common with {merge.base_branch}: nothing is planned"
    files = len(merge.conflicts)
    where = f" in {files} file{'s' if files != 1 else ''}" if files else ""
    return StatusState.FAILURE, f"Conflicts with {merge.base_branch}{where}: nothing is planned"


def outdated_words(why: str, words: str) -> str:
    """Say that a plan is not of the change as it would be merged now, before what the plan found."""
    return f"Outdated, {why}; it was: {words}"


def why_ended(change: Change) -> str:
    """Say why a change gets no more plans. Empty while it is open."""
    if change.open:
        return ""
    return f"the change was {'merged' if change.merged else 'closed'}"


def _whole(run: Run | None, waits: str) -> Headline:
    return headline(run, waits) if run else (StatusState.PENDING, "Planning")


def _success(runs: Sequence[Run]) -> str:
    applied = sum(run.status is RunStatus.APPLIED for run in runs)
    total = Counts(
        sum(run.counts.add for run in runs if run.counts),
        sum(run.counts.change for run in runs if run.counts),
        sum(run.counts.destroy for run in runs if run.counts),
    )
    workspaces = f"{len(runs)} workspace{'s' if len(runs) != 1 else ''}"
    if applied == len(runs):
        return f"{workspaces} applied: {total}"
    if not any(run.has_changes for run in runs):
        return f"{workspaces} planned: no changes"
    some = f", {applied} applied" if applied else ""
    return f"{workspaces} planned{some}: {total}"
