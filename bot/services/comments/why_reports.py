"""Why a change's workspaces run or not, where they stand, and what their applies lack (promise 7).

The answer to `/why` in a comment, and to `plangate why`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from bot.domain.changes.apply_order import ApplyPlace, place_of, why_others_first
from bot.domain.changes.decisions import Refuse, StartApply, decide_apply
from bot.domain.changes.requirements import Facts
from bot.domain.changes.why import WhyReport, WhySection, why_decided, why_sentences, with_checks
from bot.domain.errors import Invalid, NotFound
from bot.domain.events import RepoRef
from bot.domain.reports import headlines
from bot.domain.reports.speaking_run import speaking_run_of_change
from bot.domain.runs.run import Run
from bot.domain.workspaces.order import Order
from bot.domain.workspaces.workspace import Workspace
from bot.services.approvals.requirements import RequirementChecker
from bot.services.ports import Addresses, ChangeRecord, Transaction
from bot.services.reports.automerge import approved_for_merge, decided, said_of_merge
from bot.services.runs.change_runs import runs_about, runs_of_change
from bot.services.runs.merge_results import why_not_planned, why_plan_outdated
from bot.services.runs.queue_position import why_it_waits

LONGEST = 500
"""How many characters the name of a run or a change may have."""

_RUN, _CHANGE = re.compile("run-[A-Za-z0-9]{1,40}"), re.compile("chg-[A-Za-z0-9]{1,40}")
_NUMBERED = re.compile(r"(?:([^:/\s]+):)?([^\s:#!]+)[#!]([0-9]{1,9})", re.ASCII)
_PAGE = re.compile(r"/(.+?)/(?:pull|-/merge_requests)/([0-9]{1,9})(?:/.*)?", re.ASCII)


@dataclass(frozen=True)
class WhyQuestion:
    """When it was asked, by our clock, and what the forge knows of requirements; None if it was not asked."""

    at: datetime
    facts: Facts | None = None


@dataclass(frozen=True)
class WhySubject:
    """What is asked about: a run, or a change. A run's change is None if it has none that is known."""

    repo: RepoRef
    run: Run | None
    record: ChangeRecord | None


def find_subjects(tx: Transaction, about: str) -> Sequence[WhySubject]:
    """Return the run with this id, or every change that may be meant. Raises Invalid."""
    if len(about) > LONGEST:
        raise Invalid("this is too long for the name of a run or a change")
    try:
        if _RUN.fullmatch(about):
            run = tx.runs.get(about)
            repo = tx.workspaces.get(run.workspace_id).repo
            number = run.change_number
            record = None if number is None else tx.changes.numbered(repo, number)
            return [WhySubject(repo, run, record)]
        records = [tx.changes.get(about)] if _CHANGE.fullmatch(about) else _numbered(tx, about)
    except NotFound:
        return ()
    return [WhySubject(record.change.repo, None, record) for record in records]


def one_subject(about: str, found: Sequence[WhySubject]) -> WhySubject:
    """Return the one that is meant, of those that the person may see. Raises NotFound, Invalid."""
    if not found:
        raise NotFound(
            f"there is no run or change {about}. Write a run's id, such as run-CKuwsxMGgMd2X7zS. For a "
            "change, write the address of its page, or its repository and number, such as acme/infra#7"
        )
    if len(found) > 1:
        names = ", ".join(f"{it.repo}#{it.record.change.number}" for it in found if it.record)
        raise Invalid(f"{about} may be any of {names}: write one of these")
    return found[0]


def _numbered(tx: Transaction, about: str) -> Sequence[ChangeRecord]:
    """Return the changes with this page, or with this number in a repository of that path."""
    if about.startswith(("https://", "http://")):
        try:
            page = _PAGE.fullmatch(urlsplit(about).path)
        except ValueError:
            page = None
        forge, path, number = ("", page[1], int(page[2])) if page else ("", "", 0)
    else:
        named = _NUMBERED.fullmatch(about)
        forge, path, number = (named[1] or "", named[2], int(named[3])) if named else ("", "", 0)
    repos = {
        each.repo
        for each in tx.workspaces.all()
        if path and each.repo.path.lower() == path.lower() and forge in ("", each.repo.forge)
    }
    found = [it for repo in sorted(repos, key=str) if (it := tx.changes.numbered(repo, number))]
    if about.startswith(("https://", "http://")):
        return [it for it in found if it.change.url and about.lower().startswith(it.change.url.lower())]
    return found


class WhyReports:
    """Builds the answer, from the database as it is now."""

    def __init__(self, requirement_checker: RequirementChecker, addresses: Addresses) -> None:
        self._requirement_checker = requirement_checker
        self._addresses = addresses

    def of(self, tx: Transaction, subject: WhySubject, asked: WhyQuestion) -> WhyReport:
        """Return the answer about a run, or about all workspaces of a change's repository."""
        if subject.run is not None:
            return self.of_run(tx, tx.runs.get(subject.run.id), subject.record, asked)
        assert subject.record is not None, "a subject is a run or a change"
        there = tx.workspaces.of_repo(subject.repo)
        return self.of_change(tx, subject.record, there, asked, named=False)

    def of_change(
        self,
        tx: Transaction,
        record: ChangeRecord,
        chosen: Sequence[Workspace],
        asked: WhyQuestion,
        *,
        named: bool,
    ) -> WhyReport:
        """Return the answer for some workspaces of a change. `named`: they were, so all are told in full."""
        found = [self._because(tx, workspace, record, asked) for workspace in chosen]
        open_ones = found if named else [each for each in found if each.touched]
        others = [] if named else [each for each in found if not each.touched]
        merging = said_of_merge(tx, record, decided(tx, record), all_=True)
        return WhyReport(record.change.head_sha, tuple(open_ones), tuple(others), merging)

    def of_run(self, tx: Transaction, run: Run, record: ChangeRecord | None, asked: WhyQuestion) -> WhyReport:
        """Return why a run is where it is. If it is of a change, also what holds of its workspace there."""
        workspace = tx.workspaces.get(run.workspace_id)
        said = [f"{run.id}: {headlines.headline(run, why_it_waits(tx, workspace, run))[1]}"]
        if run.delta:
            said.append(f"the plan is not the one that was approved: {run.delta}")
        if run.lacks:
            said.append(f"approved before, but not applied automatically: {run.lacks}")
        if run.error:
            said.append(run.error)
        section = WhySection(workspace.name, True, tuple(said), (), self._addresses.run(run.id))
        if record is None or not run.plan_only:
            return WhyReport(run.commit, (section,))
        whole = self.of_change(tx, record, (workspace,), asked, named=True)
        return WhyReport(run.commit, (section, *whole.parts), (), whole.merging)

    def _because(
        self, tx: Transaction, workspace: Workspace, record: ChangeRecord, asked: WhyQuestion
    ) -> WhySection:
        change = record.change
        here = why_decided(workspace, change, record.reasons)
        if workspace.id not in record.workspace_ids:
            return WhySection(workspace.name, False, (f"does not run on this change: {here}",))
        runs = runs_about(tx, workspace, change)
        run = speaking_run_of_change(change, runs)
        applying = decide_apply(change, runs, asked.at, workspace.merging.apply_when)
        if conflict := why_not_planned(tx, workspace, change):
            applying = Refuse(conflict)
        waits = why_it_waits(tx, workspace, run) if run else ""
        approver = approved_for_merge(tx, record, workspace.id, run.digest) if run and change.open else ""
        moved = why_plan_outdated(record, workspace, run) if run is not None else ""
        if moved and not isinstance(applying, Refuse):
            applying = Refuse(moved)
        order = Order(tx.workspaces.get(each) for each in record.workspace_ids)
        if isinstance(applying, StartApply) and not applying.preview.modes.destroy:
            place = place_of(workspace, change, order, lambda other: runs_of_change(tx, other, change))
            applying = (
                Refuse(self._others_first(tx, place, workspace, record, asked)) if place.first else applying
            )
        earlier = tuple(each.name for each in order.before(workspace) if each.active)
        note = conflict or record.note
        said = why_sentences(workspace, here, run, waits, note, applying, approver, moved, earlier)
        if run is None:
            return WhySection(workspace.name, True, said)
        facts = asked.facts
        checks = (
            self._requirement_checker.checks(tx, workspace, facts, run, None) if facts is not None else ()
        )
        if facts is None and workspace.require:
            said = (*said, f"an apply needs: {', '.join(workspace.require)}")
        return WhySection(
            workspace.name, True, with_checks(said, checks, applying), checks, self._addresses.run(run.id)
        )

    @staticmethod
    def _others_first(
        tx: Transaction, place: ApplyPlace, workspace: Workspace, record: ChangeRecord, asked: WhyQuestion
    ) -> str:
        """Say what has to be applied before a workspace, and how."""

        def refusal_of(other: Workspace) -> str:
            runs = runs_about(tx, other, record.change)
            decided = decide_apply(record.change, runs, asked.at, other.merging.apply_when)
            return decided.reason if isinstance(decided, Refuse) else ""

        return why_others_first(place, workspace, {}, refusal_of)
