"""`/apply` in a comment: for each workspace that is meant, confirm, start an apply, or say why not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from bot.domain.decisions import ApplyDecision, ConfirmRun, KeepApproval, Refuse, StartApply, decide_apply
from bot.domain.events import Change
from bot.domain.permissions import Person
from bot.domain.requirements import Facts, unmet
from bot.domain.run import Run
from bot.domain.workspace import Workspace
from bot.services.answering import Answer
from bot.services.approving import approve, keep, used
from bot.services.confirming import confirmed
from bot.services.making import NewRuns
from bot.services.outcome import Outcome
from bot.services.ports import Clock, Transaction
from bot.services.requiring import Requiring
from bot.services.shown_plans import was_shown
from bot.services.transitions import Transitions

_NOT_SHOWN = "the newest plan was not shown here yet when you asked: look at it, and comment again"


class ApplyComments:
    """Carries out the apply commands of comments."""

    def __init__(
        self, clock: Clock, new_runs: NewRuns, transitions: Transitions, requiring: Requiring
    ) -> None:
        self._requiring = requiring
        self._clock = clock
        self._new_runs = new_runs
        self._transitions = transitions

    def carry_out(
        self,
        tx: Transaction,
        targets: Sequence[Workspace],
        person: Person,
        change: Change,
        answer: Answer,
        outcome: Outcome,
        facts: Facts,
        *,
        named: bool,
    ) -> None:
        """Apply in the workspaces; `named` says that the comment named them."""
        refused: list[tuple[str, str]] = []
        done = 0
        for workspace in targets:
            runs = self._new_runs.about(tx, workspace, change)
            decision = decide_apply(change, runs, answer.asked_at, workspace.merging.apply_when)
            decision = _of_what_was_shown(tx, decision, answer.asked_at)
            if (run := _meant(decision)) is not None:
                checks = self._requiring.checks(tx, workspace, facts, run, person)
                if missing := unmet(checks):
                    answer.tables.append((workspace.name, checks))
                    outcome.say("refused", missing, workspace.name)
                    continue
            match decision:
                case StartApply(preview):
                    record = approve(tx, preview, person, self._clock.now())
                    run = self._new_runs.of_approval(tx, workspace, change, preview, record, outcome.wake)
                    outcome.say("run", f"/apply by {person.login}", workspace.name, run.id)
                    done += 1
                case KeepApproval(preview):
                    record = approve(tx, preview, person, self._clock.now())
                    keep(tx, record, "waits for the merge")
                    why = f"approved by {person.login}: applied once the change is merged"
                    tx.runs.note(self._transitions.event(preview, "approved", person.login, why))
                    outcome.say("approved", why, workspace.name, preview.id)
                    done += 1
                case ConfirmRun(run):
                    record = approve(tx, run, person, self._clock.now())
                    used(tx, record, run, self._clock.now())
                    for moved, line in confirmed(self._transitions, run, person.login, "/apply"):
                        run = tx.runs.save(replace(moved, version=run.version), line)
                    self._transitions.after(tx, decision.run, run, outcome.wake)
                    outcome.wake.runs.append(run)
                    outcome.say("confirmed", f"/apply by {person.login}", workspace.name, run.id)
                    done += 1
                case Refuse(reason):
                    refused.append((workspace.name, reason))
                    outcome.say("refused", reason, workspace.name)
        answer.done += done
        # `/apply` without names means "all that can be": what can't is only said where nothing could.
        if named or not done:
            answer.refusals.extend(refused)


def _of_what_was_shown(tx: Transaction, decision: ApplyDecision, asked_at: datetime) -> ApplyDecision:
    run = _meant(decision)
    return decision if run is None or was_shown(tx, run, asked_at) else Refuse(_NOT_SHOWN)


def _meant(decision: ApplyDecision) -> Run | None:
    """Return the run whose plan would be applied, None where none would."""
    match decision:
        case ConfirmRun(run):
            return run
        case StartApply(preview) | KeepApproval(preview):
            return preview
        case Refuse():
            return None
