"""Builds the page of a run from what the database says of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from flask import url_for

from bot.domain import lifecycle
from bot.domain.actions import force_cancel_in, possible
from bot.domain.errors import EngineError
from bot.domain.lifecycle import RunStatus, StageStatus
from bot.domain.permissions import Action, Person
from bot.domain.plan import Plan, ResourceChange
from bot.domain.requirements import needs
from bot.domain.run import Run, RunEvent
from bot.domain.workspace import Workspace
from bot.services.ports import Transaction
from bot.services.showing import shown_plan
from bot.services.turns import why_it_waits
from bot.web import policy_card, rows, wording
from bot.web.access import form_token
from bot.web.needs import services
from bot.web.output import harmless, lines_of, whole_lines
from bot.web.pages import (
    Banner,
    Button,
    Fact,
    Link,
    ResourceLine,
    RunPage,
    Stage,
    TimelineRow,
    Tone,
)
from bot.web.policy_card import Judgement

MOST_RESOURCES = 200
"""How many resources the plan's card lists by name; the output below has them all."""

_KINDS = {"+": "add", "-": "destroy", "~": "change", "-/+": "destroy", "+/-": "destroy"}
_NOTES = {"-/+": "replaced", "+/-": "replaced", ".": "forgotten"}


@dataclass(frozen=True)
class Piece:
    """A stage's output from a character on."""

    begin: int
    text: str


@dataclass(frozen=True)
class Found:
    """Everything of a run that its page is built from, read in one transaction."""

    run: Run
    workspace: Workspace
    waits: str
    timeline: Sequence[RunEvent]
    plan_output: Piece
    apply_output: Piece
    plan: Plan | None
    change_url: str
    policies: Judgement
    may_override: bool = False


def find(tx: Transaction, run_id: str, seen: Mapping[str, int] | None = None) -> Found:
    """Read a run for its page. Raises NotFound.

    `seen` says up to which character a page that renews itself has the stages' output already.
    """
    seen = seen or {}
    run = tx.runs.get(run_id)
    workspace = tx.workspaces.get(run.workspace_id)
    record = None
    if run.change_number is not None:
        record = tx.changes.numbered(workspace.repo, run.change_number)
    return Found(
        run=run,
        workspace=workspace,
        waits=why_it_waits(tx, workspace, run),
        timeline=tx.runs.timeline(run.id),
        plan_output=_piece(tx, run.id, "plan", seen),
        apply_output=_piece(tx, run.id, "apply", seen),
        plan=_plan(tx, run.id),
        change_url=record.change.url if record else "",
        policies=policy_card.judgement(tx, run.id),
    )


def _piece(tx: Transaction, run_id: str, stage: str, seen: Mapping[str, int]) -> Piece:
    begin = seen.get(stage, 0)
    if begin > 0:
        text = tx.artifacts.output(run_id, stage, begin - 1)
        # What was seen ends with a line's end. If it does not, the stage has started again.
        if text.startswith("\n"):
            return Piece(begin, text[1:])
    return Piece(0, tx.artifacts.output(run_id, stage))


def build(found: Found, person: Person) -> RunPage:
    """Return the run's page for a person."""
    run, now = found.run, services().clock.now()
    buttons = _buttons(found, person)
    stages = [_plan_stage(found)] if run.plan_only else [_plan_stage(found), _apply_stage(found)]
    message = rows.message_of(run)
    return RunPage(
        chrome=rows.chrome(f"{message} · {found.workspace.name}", person, "workspaces", live=not run.final),
        id=run.id,
        message=message,
        badge=wording.badge_of(run),
        kind=wording.kind_of(run),
        how=harmless(wording.how_started(run, rows.words_of(found.workspace.repo))),
        when=wording.moment(run.created_at, now),
        workspace=Link(found.workspace.name, rows.workspace_url(found.workspace.name)),
        facts=_facts(found),
        banners=tuple(_banners(found)),
        counts=wording.chips(run.counts),
        nothing_to_do=run.has_changes is False,
        stages=tuple(stages),
        policies=policy_card.card(run, found.policies),
        timeline=tuple(_timeline_row(event, now) for event in reversed(found.timeline)),
        buttons=buttons,
        form_token=form_token(person),
        takes_comment=any(button.label != "Retry" for button in buttons),
    )


# In the order in which they stand, each with its words and its look.
_BUTTONS = {
    Action.CONFIRM: ("confirm", "Confirm & Apply", "primary"),
    Action.OVERRIDE_POLICY: ("override", "Override Policy", "primary"),
    Action.DISCARD: ("discard", "Discard", "plain"),
    Action.CANCEL: ("cancel", "Cancel Run", "danger"),
    Action.FORCE_CANCEL: ("force-cancel", "Force Cancel", "danger"),
    Action.RETRY: ("retry", "Retry", "plain"),
}


def _buttons(found: Found, person: Person) -> tuple[Button, ...]:
    """Only what is legal for this person now; services/controls checks it again when it comes."""
    run = found.run
    legal = set(possible(run, person, services().clock.now(), services().config.cool_off))
    legal.discard(Action.OVERRIDE_POLICY)
    if found.may_override:
        # Who may is said by the policy sets' owners, not by the role.
        legal.add(Action.OVERRIDE_POLICY)
    return tuple(
        Button(label, url_for("runs.act", run_id=run.id, verb=verb), look)
        for action, (verb, label, look) in _BUTTONS.items()
        if action in legal
    )


def _facts(found: Found) -> tuple[Fact, ...]:
    run, repo = found.run, found.workspace.repo
    hook = services().hooks.get(repo.forge)
    commit_url = hook.commit_url(repo, run.commit) if hook else ""
    facts = [
        Fact("Commit", Link(wording.short(run.commit), web_address(commit_url))),
        Fact("Repository", Link(repo.path)),
        Fact("Branch", Link(harmless(run.branch))),
    ]
    if run.change_number is not None:
        words = rows.words_of(repo)
        number = Link(words.numbered(run.change_number), web_address(found.change_url))
        facts.insert(0, Fact(words.title, number))
    if run.approval is not None:
        facts.append(Fact("Approved by", Link(run.approval.by)))
    if run.confirmed_by:
        facts.append(Fact("Confirmed by", Link(run.confirmed_by)))
    if run.modes.target_addrs:
        facts.append(Fact("Only", Link(harmless(", ".join(run.modes.target_addrs)))))
    if run.modes.replace_addrs:
        facts.append(Fact("Replaces", Link(harmless(", ".join(run.modes.replace_addrs)))))
    facts.append(
        Fact("Engine", Link(" ".join((found.workspace.engine.value, found.workspace.engine_version))))
    )
    return tuple(facts)


def _banners(found: Found) -> list[Banner]:
    run = found.run
    banners = []
    if run.cancel_requested_at is not None and not run.final:
        stopping = f"Terraform was asked to stop; it finishes the step that it is at. {_forcing(run)}".strip()
        banners.append(Banner(Tone.WAIT, f"{run.cancel_requested_by} canceled this run", stopping))
    if run.delta:
        banners.append(Banner(Tone.ASK, "The plan is not the one that was approved", harmless(run.delta)))
    if run.awaits_confirmation and run.lacks:
        banners.append(Banner(Tone.ASK, "Approved before, but not applied by itself", harmless(run.lacks)))
    if run.awaits_confirmation:
        text = f"The plan {wording.effect(run.counts)}. Confirming applies exactly this plan."
        if run.modes.destroy:
            text = f"This destroys everything that the workspace manages. {text}"
        if run.change_number is not None and found.workspace.require:
            text = f"{text} {needs(found.workspace)}"
        banners.append(Banner(Tone.ASK, "Needs confirmation", text))
    if run.status is RunStatus.POLICY_OVERRIDE:
        banners.append(Banner(Tone.ASK, "A policy failed", "An owner may override it, or discard the run."))
    if waits := found.waits:
        banners.append(Banner(Tone.WAIT, "Waiting for its turn", harmless(waits[:1].upper() + waits[1:])))
    if run.error:
        title = "The apply failed" if run.apply_status is StageStatus.ERRORED else "The run failed"
        banners.append(Banner(Tone.BAD, title, "\n".join(map(harmless, run.error.splitlines()))))
    return banners


def _forcing(run: Run) -> str:
    """Say when a run that does not stop may be killed."""
    left = force_cancel_in(run, services().clock.now(), services().config.cool_off)
    if left is None:
        return "It is being killed." if run.force_cancel else ""
    return f"In {left} s an administrator may force it." if left else "An administrator may force it now."


def _plan_stage(found: Found) -> Stage:
    run = found.run
    text = _text(found.plan_output, run.plan_status)
    lines, shortened = lines_of(text)
    resources = found.plan.resources if found.plan else ()
    undecided = run.awaits_confirmation or run.status is RunStatus.POLICY_OVERRIDE
    return Stage(
        name="plan",
        title="Plan",
        badge=wording.stage_badge(run, run.plan_status),
        took=_took(found, RunStatus.PLANNING),
        open=run.plan_status in (StageStatus.RUNNING, StageStatus.ERRORED) or undecided,
        resources=tuple(_resource(resource) for resource in resources[:MOST_RESOURCES]),
        more_resources=max(0, len(resources) - MOST_RESOURCES),
        lines=lines,
        begin=found.plan_output.begin,
        end=found.plan_output.begin + len(text),
        shortened=shortened,
        raw_url=url_for("runs.output", run_id=run.id, stage="plan"),
        empty=_empty(run.plan_status, found.plan_output, run.final),
    )


def _apply_stage(found: Found) -> Stage:
    run = found.run
    text = _text(found.apply_output, run.apply_status)
    lines, shortened = lines_of(text)
    return Stage(
        name="apply",
        title="Apply",
        badge=wording.stage_badge(run, run.apply_status),
        took=_took(found, RunStatus.APPLYING),
        open=run.apply_status in (StageStatus.RUNNING, StageStatus.ERRORED),
        resources=(),
        more_resources=0,
        lines=lines,
        begin=found.apply_output.begin,
        end=found.apply_output.begin + len(text),
        shortened=shortened,
        raw_url=url_for("runs.output", run_id=run.id, stage="apply"),
        empty=_empty(run.apply_status, found.apply_output, run.final),
    )


def _text(output: Piece, status: StageStatus) -> str:
    return whole_lines(output.text) if status is StageStatus.RUNNING else output.text


def _empty(status: StageStatus, output: Piece, final: bool) -> str:
    if output.begin or output.text:
        return ""
    if status is StageStatus.RUNNING:
        return "Terraform is at work; its output appears here."
    return "There was no output." if final or status is StageStatus.FINISHED else "It has not started yet."


def _took(found: Found, begins: RunStatus) -> str:
    """Say how long a stage took: from the status that begins it to the next one, as the timeline has it."""
    start: datetime | None = None
    for event in found.timeline:
        if event.kind == begins.value:
            start = event.at
        elif start is not None and event.kind in {status.value for status in lifecycle.TRANSITIONS}:
            return wording.took(event.at - start)
    return ""


def _resource(resource: ResourceChange) -> ResourceLine:
    note = _NOTES.get(resource.symbol, "")
    if resource.importing:
        note = "imported"
    elif resource.previous_address:
        note = f"moved from {resource.previous_address}"
    kind = _KINDS.get(resource.symbol, "")
    return ResourceLine(resource.symbol.strip() or "→", kind, harmless(resource.address), harmless(note))


def _timeline_row(event: RunEvent, now: datetime) -> TimelineRow:
    return TimelineRow(
        badge=wording.status_badge(event.kind),
        actor=event.actor,
        message=harmless(wording.first_line(event.message, 500)),
        when=wording.moment(event.at, now),
    )


def _plan(tx: Transaction, run_id: str) -> Plan | None:
    try:
        return shown_plan(tx, run_id)
    except EngineError:
        return None


def web_address(url: str) -> str:
    """Return an address that a browser may follow, empty for any other: payloads bring them (promise 5)."""
    return url if url.startswith(("https://", "http://")) else ""
