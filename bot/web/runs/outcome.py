"""The banners of a run that was stopped: by a person, or by a policy."""

from __future__ import annotations

from collections.abc import Sequence

from bot.domain.policies.policy import EnforcementLevel, PolicyCheck, failing
from bot.domain.runs.lifecycle import RunStatus, StageStatus
from bot.domain.runs.run import Run, RunEvent
from bot.web.page.layout import Banner, Tone
from bot.web.page.output import harmless

_MOST_POLICIES, _MOST_MESSAGES = 5, 3
_REACHED = frozenset({StageStatus.RUNNING, StageStatus.FINISHED, StageStatus.ERRORED, StageStatus.CANCELED})
_DONE = {RunStatus.CANCELED: "canceled", RunStatus.DISCARDED: "discarded"}


def banners(run: Run, timeline: Sequence[RunEvent], checks: Sequence[PolicyCheck]) -> tuple[Banner, ...]:
    """Return what stopped a run, and with which words. Empty if nothing did."""
    stopped = _stopped(run, timeline)
    judged = _judged(run, checks)
    return tuple(banner for banner in (stopped, judged) if banner is not None)


def by_policy(run: Run, checks: Sequence[PolicyCheck]) -> bool:
    """Whether a mandatory policy ended the run or holds it."""
    hard = run.status is RunStatus.ERRORED and bool(failing(checks, EnforcementLevel.HARD))
    soft = run.status in (RunStatus.POLICY_SOFT_FAILED, RunStatus.POLICY_OVERRIDE)
    return hard or (soft and bool(failing(checks, EnforcementLevel.SOFT)))


def _stopped(run: Run, timeline: Sequence[RunEvent]) -> Banner | None:
    done = _DONE.get(run.status)
    if done is None:
        return None
    ended = next((event for event in reversed(timeline) if event.kind == run.status.value), None)
    asked = next((event for event in reversed(timeline) if event.kind == "cancel requested"), None)
    actor = (ended and ended.actor) or run.cancel_requested_by
    title = f"{harmless(actor)} {done} this run" if actor else f"This run was {done}"
    reasons = dict.fromkeys(event.message for event in (asked, ended) if event and event.message)
    went = "Nothing was applied."
    if run.apply_status in _REACHED:
        went = "Its apply was stopped. What it had changed by then stays."
    return Banner(Tone.OFF, title, "\n".join((*map(_lines, reasons), went)))


def _judged(run: Run, checks: Sequence[PolicyCheck]) -> Banner | None:
    if not by_policy(run, checks):
        return None
    level = EnforcementLevel.HARD if run.status is RunStatus.ERRORED else EnforcementLevel.SOFT
    stopping = failing(checks, level)
    said = [line for check in stopping[:_MOST_POLICIES] for line in _said(check)]
    if len(stopping) > _MOST_POLICIES:
        said.append(f"And {len(stopping) - _MOST_POLICIES} more policies.")
    many = "Policies" if len(stopping) > 1 else "A policy"
    match run.status:
        case RunStatus.ERRORED:
            title = f"{many} stopped this run"
        case RunStatus.POLICY_SOFT_FAILED:
            title = f"{many} failed: an apply needs an override"
        case _:
            title = f"{many} failed"
    return Banner(Tone.BAD, title, "\n".join(said))


def _said(check: PolicyCheck) -> list[str]:
    """Return a policy with its messages, a line each."""
    messages = [_lines(message) for message in check.messages[:_MOST_MESSAGES]]
    if check.total > _MOST_MESSAGES:
        messages.append(f"and {check.total - _MOST_MESSAGES:,} more, below")
    if not messages:
        return [harmless(check.name)]
    if len(messages) == 1:
        return [f"{harmless(check.name)}: {messages[0]}"]
    return [f"{harmless(check.name)}:", *(f"  {message}" for message in messages)]


def _lines(text: str) -> str:
    return " ".join(map(harmless, text.split("\n")))[:1000]
