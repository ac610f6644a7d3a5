"""What should stand on the forge, derived from the runs as they are, whatever was sent before (promise 4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bot.domain import headlines
from bot.domain.delta import DeltaRow
from bot.domain.events import RepoRef
from bot.domain.lifecycle import UNDER_WAY, RunStatus, StageStatus
from bot.domain.plan_text import apply_text, error_text, plan_text, tail, warnings_text
from bot.domain.report import ChangeReport, OutcomeReport, Section, StatusReport, StatusState
from bot.domain.run import Run, RunSource
from bot.domain.workspace import Workspace
from bot.services.automerging import approved_for_merge, decided, merge_posts, said_of_merge
from bot.services.basis import is_outdated
from bot.services.merging import runs_of_merge
from bot.services.neighbours import overlaps
from bot.services.ports import (
    Addresses,
    ChangeRecord,
    Forge,
    Post,
    RunQuery,
    Texts,
    Transaction,
)
from bot.services.posting import Posting
from bot.services.replay_posts import ReplayPosts
from bot.services.showing import shown_delta, shown_plan
from bot.services.subjects import Commit, parse_commit
from bot.services.turns import why_it_waits

# How many characters of a comment are ours: the marker and the line before it.
_RESERVED = 200


class Deriving:
    """Derives the posts of a subject: a change, or a commit of a branch."""

    def __init__(
        self, forges: Mapping[str, Forge], texts: Texts, posting: Posting, addresses: Addresses
    ) -> None:
        self._forges = forges
        self._texts = texts
        self._posting = posting
        self._addresses = addresses
        self._replay_posts = ReplayPosts(texts, posting, addresses)

    def posts(self, tx: Transaction, subject: str) -> Sequence[Post]:
        """Return everything that should stand for a subject. Raises NotFound for a change never seen."""
        commit = parse_commit(subject)
        if commit is not None:
            return self._statuses(tx, subject, commit, None)
        record = tx.changes.get(subject)
        repo, sha = record.change.repo, record.change.head_sha
        replays = tx.replays.of_change(record.id)
        posts = list(self._replay_posts.posts(record, replays, self._limit(repo)))
        # Where only policies live, nothing is said of workspaces.
        if record.workspace_ids or not replays or tx.workspaces.of_repo(repo):
            posts += self._statuses(tx, subject, Commit(repo, sha), record)
        found = tx.runs.find(RunQuery(repo=repo, change_number=record.change.number, limit=500))
        queued = [run for run in found if run.source is RunSource.QUEUE]
        runs = [*_of_merge(tx, record), *(run for run in found if run.source is not RunSource.QUEUE)]
        posts += self._outcomes(tx, record, runs)
        merge = decided(tx, record)
        if runs:
            said = (
                said_of_merge(tx, record, merge),
                _said_of_queue(tx, queued) if record.change.open else "",
            )
            posts.append(self._comment(tx, record, runs, ". ".join(filter(None, said))))
        return [*posts, *merge_posts(tx, record, merge)]

    # --- statuses -------------------------------------------------------------------------------------------

    def _statuses(
        self, tx: Transaction, subject: str, commit: Commit, record: ChangeRecord | None
    ) -> Sequence[Post]:
        found = tx.runs.find(RunQuery(repo=commit.repo, commit=commit.sha, limit=1000))
        by_workspace = _grouped([run for run in found if run.reported])
        ids = dict.fromkeys([*(record.workspace_ids if record else ()), *by_workspace])
        workspaces = sorted((tx.workspaces.get(i) for i in ids), key=lambda w: w.name)
        statuses: list[StatusReport] = []
        whole: list[tuple[str, Run | None, str]] = []
        for workspace in workspaces:
            runs = by_workspace.get(workspace.id, [])
            run = headlines.current(runs)
            waits = self._waits(tx, workspace, run)
            whole.append((workspace.name, run, waits))
            if run is not None:
                statuses += self._of_workspace(tx, commit.sha, workspace, run, runs, waits)
                statuses += self._of_policies(tx, commit.sha, workspace, runs)
        shown = {self._addresses.run(run.id): run.id for _, run, _ in whole if run and run.has_changes}
        state, words = headlines.aggregate(whole, record.note if record else "")
        statuses.append(StatusReport(commit.sha, "plangate", state, words, self._target(whole, record)))
        return [
            self._posting.status(
                subject, commit.repo, each, tuple(filter(None, [shown.get(each.target_url)]))
            )
            for each in statuses
        ]

    def _of_workspace(
        self, tx: Transaction, sha: str, workspace: Workspace, run: Run, runs: Sequence[Run], waits: str
    ) -> list[StatusReport]:
        state, words = headlines.plan_headline(run, waits)
        if is_outdated(tx, run):
            words = f"Outdated, the state has moved since: {words}"
        url = self._addresses.run(run.id)
        found = [StatusReport(sha, f"plangate/{workspace.name}/plan", state, words, url)]
        newest = next((r for r in runs if not r.plan_only), None)
        apply = headlines.apply_headline(newest, waits) if newest else None
        if newest is not None and apply is not None:
            url = self._addresses.run(newest.id)
            found.append(StatusReport(sha, f"plangate/{workspace.name}/apply", *apply, url))
        return found

    def _of_policies(
        self, tx: Transaction, sha: str, workspace: Workspace, runs: Sequence[Run]
    ) -> list[StatusReport]:
        """What policies said of the newest run that they judged; nothing where none did."""
        for run in runs:
            if checks := tx.policies.of_run(run.id):
                state, words = headlines.policy_headline(run, checks)
                context = f"plangate/{workspace.name}/policy"
                return [StatusReport(sha, context, state, words, self._addresses.run(run.id))]
        return []

    def _target(self, whole: Sequence[tuple[str, Run | None, str]], record: ChangeRecord | None) -> str:
        runs = [run for _, run, _ in whole if run is not None]
        if len(runs) == 1:
            return self._addresses.run(runs[0].id)
        return self._addresses.change(record.id) if record is not None else self._addresses.public

    def _waits(self, tx: Transaction, workspace: Workspace, run: Run | None) -> str:
        return why_it_waits(tx, workspace, run) if run is not None else ""

    # --- comments -------------------------------------------------------------------------------------------

    def _comment(self, tx: Transaction, record: ChangeRecord, runs: Sequence[Run], merging: str) -> Post:
        change = record.change
        by_workspace = _grouped(runs)
        sections = []
        for workspace_id in dict.fromkeys([*record.workspace_ids, *by_workspace]):
            mine = by_workspace.get(workspace_id, [])
            at_head = [run for run in mine if run.commit in (change.head_sha, change.merge_sha)]
            # What only an older commit touched is said no more, unless it applied something.
            touched = workspace_id in record.workspace_ids
            run = headlines.current(at_head) or (headlines.current(mine) if touched else None)
            if run is not None:
                workspace = tx.workspaces.get(workspace_id)
                approver = approved_for_merge(tx, record, workspace_id, run.digest) if change.open else ""
                open_ = change.open or run.change_number is None
                sections.append(self._section(tx, workspace, run, open_, approver))
        sections.sort(key=lambda section: section.workspace.name)
        none = "" if sections else "No workspace is affected by the latest commit."
        report = ChangeReport(
            change.head_sha, tuple(sections), none, merging, self._addresses.change(record.id)
        )
        body = self._texts.change_comment(report, self._limit(change.repo))
        settled = not any(section.run.status in UNDER_WAY for section in sections)
        shows = [section.run.id for section in sections if section.run.has_changes]
        return self._posting.comment(
            record.id, change.repo, change.number, "summary", body, settled=settled, shows=shows
        )

    def _section(
        self, tx: Transaction, workspace: Workspace, run: Run, open_: bool, approver: str
    ) -> Section:
        words = headlines.state_words(run, self._waits(tx, workspace, run))
        words = headlines.approved_words(approver) if approver and run.plan_only else words
        plan = shown_plan(tx, run.id) if run.has_changes else None
        output = tx.artifacts.output(run.id, "plan") if run.has_changes or run.final else ""
        failed = run.plan_status is StageStatus.ERRORED
        begun = run.apply_status is not StageStatus.PENDING
        old = open_ and is_outdated(tx, run)
        planned = open_ and run.has_changes and not begun
        return Section(
            workspace=workspace,
            run=run,
            headline=f"{words}, outdated: the state has moved since" if old else words,
            next_step=next_step(workspace, run) if open_ and not approver else "",
            run_url=self._addresses.run(run.id),
            resources=plan.resources if plan else (),
            counts=run.counts,
            plan_text=(error_text(output) or run.error) if failed else plan_text(output),
            policies=tuple(tx.policies.of_run(run.id)),
            delta=_delta(tx, run),
            drift=plan.drift if plan and not run.modes.refresh_only else (),
            warnings=warnings_text(output),
            notes=(*_lacks(run), *(self._overlaps(tx, workspace, run) if planned else ())),
        )

    def _overlaps(self, tx: Transaction, workspace: Workspace, run: Run) -> tuple[str, ...]:
        return overlaps(tx, workspace, run, self._forges[workspace.repo.forge].words)

    def _outcomes(self, tx: Transaction, record: ChangeRecord, runs: Sequence[Run]) -> list[Post]:
        """A new comment for how each apply ended: that is news, and an edit would notify nobody."""
        found = []
        repo = record.change.repo
        newest: dict[str, Run] = {}
        for run in runs:
            began = run.apply_status not in (StageStatus.PENDING, StageStatus.QUEUED)
            if run.plan_only or not run.final or not began:
                continue
            later = newest.setdefault(run.workspace_id, run)
            report = OutcomeReport(
                workspace=tx.workspaces.get(run.workspace_id),
                run=run,
                run_url=self._addresses.run(run.id),
                output_tail=tail(apply_text(tx.artifacts.output(run.id, "apply"))),
                superseded_by=self._addresses.run(later.id) if later is not run else "",
            )
            body = self._texts.outcome_comment(report, self._limit(repo))
            name = f"outcome:{run.id}"
            found.append(self._posting.comment(record.id, repo, record.change.number, name, body))
        return found

    def _limit(self, repo: RepoRef) -> int:
        return self._forges[repo.forge].comment_limit - _RESERVED


def _grouped(runs: Sequence[Run]) -> dict[str, list[Run]]:
    found: dict[str, list[Run]] = {}
    for run in runs:
        found.setdefault(run.workspace_id, []).append(run)
    return found


def _of_merge(tx: Transaction, record: ChangeRecord) -> list[Run]:
    """What came of the merge: a run of the branch asks on the change too."""
    workspaces = (tx.workspaces.get(each) for each in record.workspace_ids)
    return [run for workspace in workspaces for run in runs_of_merge(tx, workspace, record.change)]


def _delta(tx: Transaction, run: Run) -> tuple[DeltaRow, ...]:
    """What is new since the approval, while the run asks for another."""
    if not run.delta or run.approval is None or not run.awaits_confirmation:
        return ()
    return shown_delta(tx, run.approval.shown_run_id, run.id) or ()


def _said_of_queue(tx: Transaction, queued: Sequence[Run]) -> str:
    """Say why the merge queue's newest commit may not be merged, empty where it may."""
    newest = [run for run in queued if run.commit == queued[0].commit]
    states = [(tx.workspaces.get(run.workspace_id).name, *headlines.plan_headline(run)) for run in newest]
    bad = [f"{name}: {words}" for name, state, words in states if state is StatusState.FAILURE]
    return f"Not merged by the queue, as {newest[0].commit[:7]}: {'; '.join(bad)}" if bad else ""


def _lacks(run: Run) -> tuple[str, ...]:
    return (headlines.lacking_words(run),) if run.lacks and run.awaits_confirmation else ()


def next_step(workspace: Workspace, run: Run) -> str:
    """Return the command that is next for this workspace, empty where none is."""
    planned = (RunStatus.PLANNED_AND_FINISHED, RunStatus.POLICY_SOFT_FAILED)
    if run.plan_only and run.status in planned and run.has_changes:
        return f"/apply {workspace.name}"
    if run.awaits_confirmation:
        return f"/apply {workspace.name}"
    if run.status is RunStatus.POLICY_OVERRIDE:
        return f"/override {workspace.name} <reason>"
    if run.status in (RunStatus.ERRORED, RunStatus.CANCELED, RunStatus.DISCARDED):
        return " ".join(("/plan", *run.modes.flags, workspace.name))
    return ""
