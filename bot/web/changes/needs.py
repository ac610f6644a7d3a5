"""What an apply of a change needs, the step that is next, and its buttons.

Only the forge knows some of it, and the forge may be slow. So the page asks for this part after it is shown.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from flask import url_for

from bot.domain.changes.apply_order import ApplyPlace, why_not_in_order
from bot.domain.changes.requirements import Check, Facts, Requirement, evaluate, needed_by
from bot.domain.errors import ForgeError
from bot.domain.events import Change
from bot.domain.people.permissions import NEEDS, Action, Person
from bot.domain.runs.lifecycle import UNDER_WAY
from bot.domain.runs.run import Run
from bot.domain.workspaces.workspace import Workspace
from bot.services.approvals.shown_plans import shown_whole, told_of
from bot.services.ports import ChangeRecord, Transaction
from bot.services.reports.derive import next_step
from bot.services.runs.merge_results import why_not_planned
from bot.web.changes.context import ApplyButton, Needs, RequirementCheck
from bot.web.changes.recent_facts import recent_facts
from bot.web.page import wording
from bot.web.page.layout import Badge, Tone
from bot.web.page.output import harmless
from bot.web.request.services import services

_FROM_FORGE = frozenset(
    {
        Requirement.APPROVED,
        Requirement.CODEOWNERS,
        Requirement.UP_TO_DATE,
        Requirement.MERGEABLE,
        Requirement.OTHER_PERSON,
    }
)
_NOT_ASKED = "only the forge knows"


@dataclass(frozen=True)
class Asked:
    """What is known of the requirements. `problem` is why the forge could not be asked."""

    facts: Facts
    problem: str = ""


def asks_forge(change: Change, workspaces: Sequence[Workspace]) -> bool:
    """Whether only the forge knows something that applies of the change need."""
    return bool(needed_by(workspaces) & _FROM_FORGE) and (change.open or change.merged)


def unasked(change: Change) -> Asked:
    """Return what is known without the forge."""
    return Asked(Facts(change, unknown=dict.fromkeys(_FROM_FORGE, _NOT_ASKED)))


def ask(change: Change, workspaces: Sequence[Workspace]) -> Asked:
    """Ask the forge if only it knows something. If it does not answer, say so. Raises NotFound."""
    if not asks_forge(change, workspaces):
        return unasked(change)
    answer = recent_facts().of(change, workspaces)
    if isinstance(answer, ForgeError):
        return Asked(unasked(change).facts, f"Can't reach the forge: {harmless(str(answer))}")
    return Asked(answer)


class ChangeNeeds:
    """What applies of a change need in each of its workspaces, as one person sees it.

    `shown` are the runs whose plans the comment shows whole: only these have a button (promise 1). If a plan
    is still to be shown, it `waits_for_comment`: then the page changes without a step of a run.
    """

    def __init__(self, tx: Transaction, record: ChangeRecord, asked: Asked, person: Person) -> None:
        self._tx = tx
        self._record = record
        self._asked = asked
        self._person = person
        self._refusals: dict[str, str] = {}
        self.shown = shown_whole(tx, record.change.repo, record.change.number)
        self._told = told_of(tx, record.change.repo, record.change.number)
        self.waits_for_comment = False

    def of(self, workspace: Workspace, run: Run | None, step: str, place: ApplyPlace) -> Needs:
        """Return the needs of one workspace.

        `step` is its next command, if nothing is missing. `place` says what that command applies first.
        """
        facts, person = self._asked.facts, self._person
        policies = self._tx.policies.of_run(run.id) if run is not None else ()
        checks = evaluate(workspace, facts, policies)
        applies = step.startswith("/apply")
        waits = bool(step) and any(map(self._is_unasked, (*(place.first if applies else ()), workspace)))
        button, why = None, ""
        if applies and run is not None:
            self.waits_for_comment |= run.plan_only and run.id not in self._told
            if not waits:
                why = self._refusal(workspace) or why_not_in_order(place, self._refusal)
            # A button applies one plan. Where others come first, the command names them all.
            alone = step == next_step(workspace, run) and (run.awaits_confirmation or run.id in self.shown)
            if alone and not waits and not why and person.may(Action.CONFIRM):
                button = _button(self._record, workspace, run)
        if step.startswith("/plan"):
            why, waits = why_not_planned(self._tx, workspace, self._record.change), False
        shown = "" if waits or why else step
        return Needs(
            next_step=harmless(shown),
            who=_who(shown, self._record.change, person),
            why_not=harmless(why) if not _told(why, checks) else "",
            button=button,
            checks=tuple(_check(check, facts) for check in checks),
            waits=waits and not self._asked.problem,
            problem=self._asked.problem,
        )

    def _is_unasked(self, workspace: Workspace) -> bool:
        """Whether the forge is still to be asked for what the workspace requires."""
        return any(check.why == _NOT_ASKED for check in evaluate(workspace, self._asked.facts, ()))

    def _refusal(self, workspace: Workspace) -> str:
        """Say why an apply would be refused. Looks once for each workspace: many may depend on it."""
        if workspace.id not in self._refusals:
            somebody, facts = _somebody(self._person), self._asked.facts
            refused = services().page_applies.why_refused
            self._refusals[workspace.id] = refused(self._tx, self._record, workspace, somebody, facts)
        return self._refusals[workspace.id]


def signature(record: ChangeRecord, runs: Sequence[Run], shown: Collection[str]) -> str:
    """Return what changes whenever the requirements should be asked for again.

    The stages of a run on its way do not count: with many workspaces, some run is always at another one.
    """
    stands = (f"{run.id}:{'' if run.status in UNDER_WAY else run.status}:{run.id in shown}" for run in runs)
    text = " ".join((record.change.head_sha, *stands))
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:12]


def _somebody(person: Person) -> Person | None:
    """Return the person if they may apply: then what is missing counts for them. Else, for anybody."""
    return person if person.may(Action.CONFIRM) else None


def _who(step: str, change: Change, person: Person) -> str:
    """Say who may give a command, if the person may not."""
    verb = step.partition(" ")[0]
    need = Action.CONFIRM if verb == "/apply" or change.from_fork else Action.PLAN
    if verb not in ("/apply", "/plan") or person.may(need):
        return ""
    return f"somebody with {NEEDS[need].name.lower()} access"


def _button(record: ChangeRecord, workspace: Workspace, run: Run) -> ApplyButton:
    says = f"Exactly this plan is applied: it {wording.effect(run.counts)}."
    if run.awaits_confirmation:
        url, label, code = url_for("runs.act", run_id=run.id, verb="confirm"), "Confirm & Apply", ""
    else:
        url, label, code = url_for("changes.apply", change_id=record.id), "Apply", run.plan_code
    if not workspace.merging.apply_when.before and run.plan_only:
        label, says = "Approve", f"{says} Plangate applies it after the merge."
    if run.modes.destroy:
        says = f"This destroys everything that the workspace manages. {says}"
    return ApplyButton(
        id=f"apply-{workspace.id}",
        label=label,
        url=url,
        says=says,
        loud=wording.destroys(run.counts),
        workspace=workspace.name,
        code=code,
        destroys=run.modes.destroy,
    )


def _told(why: str, checks: Sequence[Check]) -> bool:
    """Whether the table of checks says all of it."""
    missing = [f"{check.requirement}: {check.why}" for check in checks if not check.met]
    return why == "; ".join(missing)


def _check(check: Check, facts: Facts) -> RequirementCheck:
    if check.why == _NOT_ASKED and check.requirement in facts.unknown:
        badge = Badge("Not asked", Tone.WAIT)
    else:
        badge = Badge("Met", Tone.GOOD) if check.met else Badge("Missing", Tone.ASK)
    return RequirementCheck(badge, check.requirement.replace("_", " "), harmless(check.why))
