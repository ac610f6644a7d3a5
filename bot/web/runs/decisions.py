"""What the run's page asks of people: the banner that names the decision, the buttons that are legal."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Collection

from flask import url_for

from bot.domain.actions import force_cancel_in, possible
from bot.domain.lifecycle import RunStatus, StageStatus
from bot.domain.permissions import NEEDS, Action, Person
from bot.domain.requirements import needs
from bot.domain.run import Run
from bot.domain.workspace import Workspace
from bot.web import wording
from bot.web.needs import services
from bot.web.output import harmless
from bot.web.pages import Banner, Tone
from bot.web.run_context import Ask

# In the order in which they stand: each with its place in the address, its words and its look.
_BUTTONS = {
    Action.CONFIRM: ("confirm", "Confirm & Apply", "primary"),
    Action.OVERRIDE_POLICY: ("override", "Override Policy", "primary"),
    Action.DISCARD: ("discard", "Discard", "plain"),
    Action.CANCEL: ("cancel", "Cancel Run", "danger"),
    Action.FORCE_CANCEL: ("force-cancel", "Force Cancel", "danger"),
    Action.RETRY: ("retry", "Retry", "plain"),
}
_OPTIONAL, _REASON = "Comment (optional)", "Reason"


def asks(run: Run, person: Person, may_override: bool) -> tuple[Ask, ...]:
    """Return only what is legal for this person now; services/controls checks it again when it comes."""
    legal = set(possible(run, person, services().clock.now(), services().config.cool_off))
    legal.discard(Action.OVERRIDE_POLICY)
    if may_override:
        # Who may is said by the policy sets' owners, not by the role.
        legal.add(Action.OVERRIDE_POLICY)
    once = secrets.token_hex(8)
    return tuple(
        Ask(
            verb=verb,
            label=label,
            look=look,
            url=url_for("runs.act", run_id=run.id, verb=verb),
            says=_says(run, action),
            comment=_REASON if action is Action.OVERRIDE_POLICY else _OPTIONAL,
            required=action is Action.OVERRIDE_POLICY,
            once=once,
        )
        for action, (verb, label, look) in _BUTTONS.items()
        if action in legal
    )


def retry_id(run_id: str, person: Person, once: str) -> str:
    """Return the id of the run that a retry makes: the same however often this very button is pressed."""
    key = services().vault.key("retry")
    text = f"{run_id}\n{person.login}\n{once}".encode("utf-8", "replace")
    return f"run-{hmac.new(key, text, hashlib.sha256).hexdigest()[:24]}"


def done_already(run: Run, verb: str, person: Person, overridden_by: Collection[str]) -> bool:
    """Whether the run is what this person's button would make of it: they pressed it twice."""
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
    """Say what will happen, before it does."""
    match action:
        case Action.CONFIRM if run.modes.destroy:
            return f"This destroys what the workspace manages: the plan {wording.effect(run.counts)}."
        case Action.CONFIRM:
            return f"Exactly this plan is applied: it {wording.effect(run.counts)}."
        case Action.OVERRIDE_POLICY:
            return "What the policies failed for is let be, for this run only. The reason is kept."
        case Action.DISCARD:
            return "The run is put aside: nothing of it is applied, and the next one in the queue goes on."
        case Action.CANCEL if run.status is RunStatus.APPLYING:
            return "Terraform finishes the step that it is at and stops. What it has done by then stays done."
        case Action.CANCEL:
            return "The run stops. Nothing is applied."
        case Action.FORCE_CANCEL:
            return (
                "Terraform is killed: the state may lack what it did last. Only where a cancel does not help."
            )
        case _:
            return "A new run of the same kind on the same commit, with the variables as they are now."


def banners(
    run: Run, workspace: Workspace, waits: str, person: Person, may_override: bool, overriders: str
) -> tuple[Banner, ...]:
    """Return what the page says first: the decision awaited and of whom, why it waits, what went wrong."""
    found = []
    if run.cancel_requested_at is not None and not run.final:
        stopping = f"Terraform was asked to stop; it finishes the step that it is at. {_forcing(run)}".strip()
        by = harmless(run.cancel_requested_by)
        found.append(Banner(Tone.WAIT, f"{by} canceled this run", stopping))
    if run.delta:
        found.append(Banner(Tone.ASK, "The plan is not the one that was approved", harmless(run.delta)))
    if run.awaits_confirmation and run.lacks:
        found.append(Banner(Tone.ASK, "Approved before, but not applied by itself", harmless(run.lacks)))
    if run.awaits_confirmation:
        found.append(_confirmation(run, workspace, person))
    if run.status is RunStatus.POLICY_OVERRIDE:
        whom = "You may override it" if may_override else f"{overriders or 'An owner'} may override it"
        text = f"{whom}, with a reason; or the run is discarded."
        found.append(Banner(Tone.ASK, "A policy failed: override or discard", harmless(text)))
    if waits:
        found.append(Banner(Tone.WAIT, "Waiting for its turn", harmless(waits[:1].upper() + waits[1:])))
    if run.error:
        title = "The apply failed" if run.apply_status is StageStatus.ERRORED else "The run failed"
        found.append(Banner(Tone.BAD, title, "\n".join(map(harmless, run.error.splitlines()))))
    return tuple(found)


def _confirmation(run: Run, workspace: Workspace, person: Person) -> Banner:
    text = f"The plan {wording.effect(run.counts)}. Confirming applies exactly this plan."
    if run.modes.destroy:
        text = f"This destroys everything that the workspace manages. {text}"
    if run.change_number is not None and workspace.require:
        text = f"{text} {needs(workspace)}"
    if not person.may(Action.CONFIRM):
        text = f"{text} Somebody with {NEEDS[Action.CONFIRM].name.lower()} access has to decide."
    return Banner(Tone.ASK, "Needs confirmation", text)


def _forcing(run: Run) -> str:
    """Say when a run that does not stop may be killed."""
    left = force_cancel_in(run, services().clock.now(), services().config.cool_off)
    if left is None:
        return "It is being killed." if run.force_cancel else ""
    return f"In {left} s an administrator may force it." if left else "An administrator may force it now."
