"""The words that pages use for a run: its state, its start, its times and its effect."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from bot.domain.plans.plan import Counts
from bot.domain.runs import lifecycle
from bot.domain.runs.lifecycle import RunStatus, StageStatus
from bot.domain.runs.run import Run, RunSource
from bot.domain.terms import ForgeWords
from bot.web.page.layout import Badge, CountChips, Timestamp, Tone
from bot.web.page.output import harmless

_STATUS_TONES: dict[RunStatus, Tone] = {
    RunStatus.PENDING: Tone.WAIT,
    RunStatus.POLICY_OVERRIDE: Tone.ASK,
    RunStatus.APPLIED: Tone.GOOD,
    RunStatus.PLANNED_AND_FINISHED: Tone.GOOD,
    RunStatus.PLANNED_AND_SAVED: Tone.ASK,
    RunStatus.POLICY_SOFT_FAILED: Tone.ASK,
    RunStatus.DISCARDED: Tone.OFF,
    RunStatus.ERRORED: Tone.BAD,
    RunStatus.CANCELED: Tone.OFF,
}
_STAGE_BADGES: dict[StageStatus, Badge] = {
    StageStatus.PENDING: Badge("Pending", Tone.WAIT),
    StageStatus.QUEUED: Badge("Queued", Tone.WAIT),
    StageStatus.RUNNING: Badge("Running", Tone.WORK),
    StageStatus.FINISHED: Badge("Finished", Tone.GOOD),
    StageStatus.ERRORED: Badge("Errored", Tone.BAD),
    StageStatus.CANCELED: Badge("Canceled", Tone.OFF),
    StageStatus.UNREACHABLE: Badge("Not reached", Tone.OFF),
}


def badge_of(run: Run) -> Badge:
    """Return a run's state as a badge; a run that is being canceled says so."""
    if run.cancel_requested_at is not None and not run.final:
        return Badge("Canceling", Tone.WAIT)
    if run.awaits_confirmation and not run.saved:
        return Badge("Needs confirmation", Tone.ASK)
    label = lifecycle.LABELS[run.status]
    if run.status is RunStatus.PLANNED_AND_FINISHED and run.has_changes is False:
        label = "No changes"
    elif run.status is RunStatus.PLANNED_AND_FINISHED and run.plan_only:
        label = "Planned"
    elif run.status is RunStatus.ERRORED and run.apply_status is StageStatus.ERRORED:
        label = "Apply errored"
    elif run.status is RunStatus.ERRORED and run.plan_status is StageStatus.ERRORED:
        label = "Plan errored"
    elif run.status is RunStatus.PLANNED:
        label = "Planned"
    return Badge(label, _STATUS_TONES.get(run.status, Tone.WORK))


def status_badge(kind: str) -> Badge:
    """Return the badge of a line of the timeline: a status, or another event."""
    try:
        status = RunStatus(kind)
    except ValueError:
        return Badge(kind[:1].upper() + kind[1:], Tone.WAIT)
    tone = Tone.ASK if status in lifecycle.AWAITS_CONFIRMATION else _STATUS_TONES.get(status, Tone.WORK)
    label = "Planned" if status is RunStatus.PLANNED else lifecycle.LABELS[status]
    return Badge(label, tone)


def stage_badge(run: Run, status: StageStatus) -> Badge:
    """Return the badge of a plan's or an apply's card; a stage that the run never reached says so."""
    if run.final and status in (StageStatus.PENDING, StageStatus.QUEUED):
        return _STAGE_BADGES[StageStatus.UNREACHABLE]
    return _STAGE_BADGES[status]


def how_started(run: Run, words: ForgeWords) -> str:
    """Say who started a run and how, in the words of its forge."""
    change = words.numbered(run.change_number) if run.change_number is not None else ""
    match run.source:
        case RunSource.PUSH:
            return f"{run.created_by} pushed to {run.branch}"
        case RunSource.TAG:
            return f"{run.created_by} pushed tag {run.branch}"
        case RunSource.CHANGE:
            return f"{run.created_by} updated {change or run.branch}"
        case RunSource.COMMENT:
            return f"{run.created_by} commented on {change or run.branch}"
        case RunSource.MANUAL:
            return f"{run.created_by} queued it by hand"
        case RunSource.RETRY:
            return f"{run.created_by} retried it" + (f" for {change}" if change else "")
        case RunSource.QUEUE:
            return f"{change or run.branch} is in the merge queue"
        case RunSource.DRIFT:
            return "it was time for a drift check"
        case RunSource.FORECAST:
            return run.message
        case RunSource.API:
            program = harmless(run.client.replace("/", " ")) or "the API"
            return f"{run.created_by} started it with {program}"
        case RunSource.TRIGGER:
            return "started by another workspace's apply"


def kind_of(run: Run) -> str:
    """Say what kind of run it is: a preview, a destroy run, or a run that may apply."""
    special = "Destroy run" if run.modes.destroy else "Refresh-only run" if run.modes.refresh_only else ""
    if run.source is RunSource.FORECAST:
        return "Forecast"
    if run.source is RunSource.DRIFT:
        return "Drift check"
    if run.plan_only:
        return f"Preview of a {special.lower()}" if special else "Preview"
    return special or "Plan and apply"


def chips(counts: Counts | None) -> CountChips | None:
    """Return the counts for a page."""
    return CountChips(counts.add, counts.change, counts.destroy, counts.imports) if counts else None


def effect(counts: Counts | None) -> str:
    """Say what a plan does, in words: "adds 2, changes 1 and destroys nothing"."""
    if not counts:
        return "changes no resource"
    parts = [("adds", counts.add), ("changes", counts.change), ("destroys", counts.destroy)]
    parts += [("imports", counts.imports)] if counts.imports else []
    said = [f"{verb} {number or 'nothing'}" for verb, number in parts]
    return ", ".join(said[:-1]) + " and " + said[-1]


def destroys(counts: Counts | None) -> tuple[str, ...]:
    """Return the part of `effect` that must not be missed: what a plan destroys."""
    return (f"destroys {counts.destroy}",) if counts and counts.destroy else ()


def moment(at: datetime, now: datetime) -> Timestamp:
    """Return a time for a page, in UTC, and in words as seen from `now`."""
    at = at.astimezone(UTC)
    return Timestamp(at.isoformat(timespec="seconds"), f"{at:%Y-%m-%d %H:%M:%S} UTC", _ago(now - at))


def took(span: timedelta) -> str:
    """Say how long something took: `12 s`, `3 min 5 s`, `2 h 10 min`."""
    seconds = max(0, round(span.total_seconds()))
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60} min"


def size(count: int) -> str:
    """Say how many bytes something has."""
    if count < 1024:
        return f"{count} bytes"
    return f"{count / 1024:.1f} KiB" if count < 1024**2 else f"{count / 1024**2:.1f} MiB"


def _ago(span: timedelta) -> str:
    seconds = span.total_seconds()
    if seconds < 45:
        return "just now"
    for size, unit in ((86400, "day"), (3600, "hour"), (60, "minute")):
        number = int(seconds // size)
        if number:
            return f"{number} {unit}{'' if number == 1 else 's'} ago"
    return "a minute ago"


def short(sha: str) -> str:
    """Return the first seven digits of a commit."""
    return sha[:7]


def first_line(message: str, limit: int = 200) -> str:
    """Return a message's first line, shortened to `limit` characters."""
    line = message.strip().partition("\n")[0].strip()
    return line if len(line) <= limit else line[: limit - 1] + "…"
