"""`/why` in a comment: gathers, for each workspace that is meant, what domain/why has to say of it."""

from __future__ import annotations

from bot.domain import headlines
from bot.domain.commands import Command
from bot.domain.decisions import decide_apply
from bot.domain.targets import meant
from bot.domain.why import Because, WhyReport, why_here, why_so, with_checks
from bot.domain.workspace import Workspace
from bot.services.answering import Answer
from bot.services.automerging import approved_for_merge, decided, said_of_merge
from bot.services.making import NewRuns
from bot.services.outcome import Outcome
from bot.services.ports import Addresses, ChangeRecord, Transaction
from bot.services.requiring import Requiring
from bot.services.turns import why_it_waits


class WhyComments:
    """Carries out the why commands of comments."""

    def __init__(self, new_runs: NewRuns, requiring: Requiring, addresses: Addresses) -> None:
        self._new_runs = new_runs
        self._requiring = requiring
        self._addresses = addresses

    def carry_out(
        self, tx: Transaction, command: Command, record: ChangeRecord, answer: Answer, outcome: Outcome
    ) -> None:
        """Answer for the workspaces that are named, else for all of the repository."""
        change = record.change
        there = tx.workspaces.of_repo(change.repo)
        chosen, unknown = meant(command, there)
        for word in unknown:
            answer.refuse(outcome, word, f"{change.repo.path} has no such workspace", word)
        if not chosen:
            return
        found = [self._because(tx, workspace, record, answer) for workspace in chosen]
        open_ones = found if command.named else [each for each in found if each.touched]
        others = [] if command.named else [each for each in found if not each.touched]
        merging = said_of_merge(tx, record, decided(tx, record), all_=True)
        answer.why = WhyReport(change.head_sha, tuple(open_ones), tuple(others), merging)
        answer.done += 1
        outcome.say("why", str(command))

    def _because(
        self, tx: Transaction, workspace: Workspace, record: ChangeRecord, answer: Answer
    ) -> Because:
        change = record.change
        here = why_here(workspace, change, record.reasons)
        if workspace.id not in record.workspace_ids:
            return Because(workspace.name, False, (f"does not run on this change: {here}",))
        runs = self._new_runs.about(tx, workspace, change)
        run = headlines.current([r for r in runs if r.commit == change.head_sha] or runs)
        applying = decide_apply(change, runs, answer.asked_at, workspace.merging.apply_when)
        waits = why_it_waits(tx, workspace, run) if run else ""
        approver = approved_for_merge(tx, record, workspace.id, run.digest) if run and change.open else ""
        said = why_so(workspace, here, run, waits, record.note, applying, approver)
        if run is None:
            return Because(workspace.name, True, said)
        facts = answer.facts
        checks = self._requiring.checks(tx, workspace, facts, run, None) if facts is not None else ()
        if facts is None and workspace.require:
            said = (*said, f"an apply needs: {', '.join(workspace.require)}")
        return Because(
            workspace.name, True, with_checks(said, checks, applying), checks, self._addresses.run(run.id)
        )
