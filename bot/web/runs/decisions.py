"""The decisions that the run's page asks for: its banner and its buttons."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from flask import url_for

from bot.domain.changes.requirements import needs
from bot.domain.errors import Invalid
from bot.domain.people.permissions import NEEDS, Action, Person
from bot.domain.policies.policy import PolicyCheck
from bot.domain.runs.actions import force_cancel_in, possible
from bot.domain.runs.lifecycle import RunStatus, StageStatus
from bot.domain.runs.run import Run, RunEvent
from bot.domain.workspaces.workspace import Workspace
from bot.web.page import wording
from bot.web.page.layout import Banner, Tone
from bot.web.page.output import harmless
from bot.web.request.services import services
from bot.web.runs import outcome
from bot.web.runs.context import DecisionButton

# In the order in which they stand: each with its place in the address, its words and its look.
_BUTTONS = {
    Action.CONFIRM: ("confirm", "Confirm & Apply", "primary"),
    Action.OVERRIDE_POLICY: ("override", "Override Policy", "primary"),
    Action.DISCARD: ("discard", "Discard", "plain"),
    Action.CANCEL: ("cancel", "Cancel Run", "danger"),
    Action.FORCE_CANCEL: ("force-cancel", "Force Cancel", "danger"),
    Action.RETRY: ("retry", "Retry", "plain"),
}
_DESTROYS = "This destroys everything that the workspace manages."
_OPTIONAL, _REASON = "Comment (optional)", "Reason"


def asks(run: Run, workspace: Workspace, person: Person, may_override: bool) -> tuple[DecisionButton, ...]:
    """Return only the actions that this person may take now; services/runs/controls checks again."""
    legal = set(possible(run, person, services().clock.now(), services().config.cool_off))
    legal.discard(Action.OVERRIDE_POLICY)
    if may_override:
        # The owners of the policy sets decide who may, not the role.
        legal.add(Action.OVERRIDE_POLICY)
    once = secrets.token_hex(8)
    return tuple(
        DecisionButton(
            verb=verb,
            label=label,
            look=look,
            url=url_for("runs.act", run_id=run.id, verb=verb),
            says=_says(run, action),
            comment=_REASON if action is Action.OVERRIDE_POLICY else _OPTIONAL,
            required=action is Action.OVERRIDE_POLICY,
            once=once,
            loud=_loud(run) if action is Action.CONFIRM else (),
            named=workspace.name if action is Action.CONFIRM and run.modes.destroy else "",
        )
        for action, (verb, label, look) in _BUTTONS.items()
        if action in legal
    )


def check_name(run: Run, workspace: Workspace, named: str) -> None:
    """Check that a person who destroys everything has typed the workspace's name. Raises Invalid."""
    if run.modes.destroy and named.strip() != workspace.name:
        raise Invalid(
            f"{_DESTROYS} To confirm that, type the name of the workspace, {workspace.name}, into the field."
        )


def retry_id(run_id: str, person: Person, once: str) -> str:
    """Return the id of the run that a retry creates: the same however often this button is pressed."""
    key = services().vault.key("retry")
    text = f"{run_id}\n{person.login}\n{once}".encode("utf-8", "replace")
    return f"run-{hmac.new(key, text, hashlib.sha256).hexdigest()[:24]}"


def done_already(run: Run, verb: str, person: Person, overridden_by: Collection[str]) -> bool:
    """Whether the run already has the effect of this button: it was pressed twice."""
    match verb:
        case "confirm":
            return run.confirmed_by == person.login
        case "discard":
            return run.status is RunStatus.DISCARDED
        case "cancel":
            return run.cancel_requested_by == person.login
        case "force-cancel":
            return run.force_cancel
        case "override":
            return person.login in overridden_by
        case _:
            return False


def _says(run: Run, action: Action) -> str:
    """Say what the button will do."""
    match action:
        case Action.CONFIRM if run.modes.destroy:
            return f"{_DESTROYS} The plan {wording.effect(run.counts)}."
        case Action.CONFIRM:
            return f"Exactly this plan is applied: it {wording.effect(run.counts)}."
        case Action.OVERRIDE_POLICY:
            return "Overrides the failed policies for this run only. Your reason is stored."
        case Action.DISCARD:
            return "Nothing of this run is applied, and the next run in the queue starts."
        case Action.CANCEL if run.status is RunStatus.APPLYING:
            return "Terraform finishes its current step and stops. Changes made until then stay."
        case Action.CANCEL:
            return "The run stops. Nothing is applied."
        case Action.FORCE_CANCEL:
            return (
                "Kills Terraform. The state may lack the last changes. Use it only if a cancel does not help."
            )
        case _:
            return (
                "Creates a run of the same kind on the same commit, with the current values of the variables."
            )


@dataclass(frozen=True)
class BannerFacts:
    """What the banners of a run are about. `waits` says why it waits, `overriders` who may override."""

    run: Run
    workspace: Workspace
    waits: str
    overriders: str
    timeline: Sequence[RunEvent]
    policies: Sequence[PolicyCheck]


def banners(it: BannerFacts, person: Person, may_override: bool) -> tuple[Banner, ...]:
    """Return the banner: the decision and who must take it, why the run waits, or what went wrong."""
    found, run = list(outcome.banners(it.run, it.timeline, it.policies)), it.run
    if run.cancel_requested_at is not None and not run.final:
        stopping = f"Terraform was asked to stop; it finishes its current step. {_forcing(run)}".strip()
        by = harmless(run.cancel_requested_by)
        found.append(Banner(Tone.WAIT, f"{by} canceled this run", stopping))
    if run.delta:
        found.append(Banner(Tone.ASK, "The plan is not the one that was approved", harmless(run.delta)))
    if run.awaits_confirmation and run.lacks:
        found.append(Banner(Tone.ASK, "Approved before, but not applied automatically", harmless(run.lacks)))
    if run.awaits_confirmation:
        found.append(_confirmation(run, it.workspace, person))
    if run.status is RunStatus.POLICY_OVERRIDE:
        whom = "You may override it" if may_override else f"{it.overriders or 'An owner'} may override it"
        text = f"{whom} with a reason. The alternative is to discard the run."
        found.append(Banner(Tone.ASK, "Override or discard", harmless(text)))
    if it.waits:
        where = "for the end of a freeze" if run.waits_for_freeze else "in the queue"
        words = harmless(it.waits[:1].upper() + it.waits[1:])
        found.append(Banner(Tone.WAIT, f"Waiting {where}", words))
    if run.error and not outcome.by_policy(run, it.policies):
        title = "The apply failed" if run.apply_status is StageStatus.ERRORED else "The run failed"
        found.append(Banner(Tone.BAD, title, "\n".join(map(harmless, run.error.splitlines()))))
    return tuple(found)


def _confirmation(run: Run, workspace: Workspace, person: Person) -> Banner:
    text = f"The plan {wording.effect(run.counts)}. Confirming applies exactly this plan."
    if run.modes.destroy:
        text = f"{_DESTROYS} {text}"
    if run.change_number is not None and workspace.require:
        text = f"{text} {needs(workspace)}"
    if not person.may(Action.CONFIRM):
        text = f"{text} Somebody with {NEEDS[Action.CONFIRM].name.lower()} access must decide."
    return Banner(Tone.ASK, "Needs confirmation", text, _loud(run))


def _loud(run: Run) -> tuple[str, ...]:
    """Return the words about a plan that must not be missed."""
    return (*((_DESTROYS,) if run.modes.destroy else ()), *wording.destroys(run.counts))


def _forcing(run: Run) -> str:
    """Say when a force-cancel becomes possible."""
    left = force_cancel_in(run, services().clock.now(), services().config.cool_off)
    if left is None:
        return "It is being killed." if run.force_cancel else ""
    return f"In {left} s an administrator may force it." if left else "An administrator may force it now."
