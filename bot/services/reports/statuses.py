"""The statuses of commits. Every status that was set gets a final state, on any commit (promise 3)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from bot.domain.events import RepoRef
from bot.domain.reports import headlines
from bot.domain.reports.posts import StatusPost
from bot.domain.reports.report import StatusReport, StatusState
from bot.domain.reports.speaking_run import speaking_run
from bot.domain.runs.lifecycle import PLAN_STAGES, UNDER_WAY, RunStatus
from bot.domain.runs.run import Run, RunSource
from bot.domain.workspaces.workspace import Workspace
from bot.services.ports import Addresses, ChangeRecord, Post, RunQuery, Transaction
from bot.services.ports.changes import GAVE_UP
from bot.services.reports.inputs import ReportInputs, conflict_of
from bot.services.reports.posts import PostBuilder
from bot.services.runs.change_runs import by_workspace
from bot.services.runs.merge_results import why_plan_outdated
from bot.services.runs.report_subjects import CommitSubject

_CONTEXT = "plangate"
_GAVE_UP = "handling the webhook failed; comment /plan"
# With more workspaces, only the status of the commit tells of those whose runs wait for a worker, or were
# taken by one just before the newest event: forges limit the number of calls.
_MANY = 10
_SOON = timedelta(seconds=10)
_WAITING = frozenset({RunStatus.PENDING, RunStatus.CONFIRMED, RunStatus.APPLY_QUEUED})


@dataclass(frozen=True)
class _Commit:
    """A commit whose statuses are derived.

    `record` is the change that shows it. `ended` says why workspaces without a run will get none.
    `told` are the contexts that are pending on the forge.
    """

    subject: str
    repo: RepoRef
    sha: str
    record: ChangeRecord | None
    ended: str
    told: frozenset[str]


@dataclass(frozen=True)
class _Status:
    """A status, and whether it only tells of progress: it changes by itself, without a person.

    `first_since`: since when it is so, if there was no status before. If its run still waits for a worker,
    it is `waiting`.
    """

    report: StatusReport
    progress: bool = False
    first_since: datetime | None = None
    waiting: bool = False

    def is_left_out(self, now: datetime) -> bool:
        """Whether a change of many workspaces has no call to spare for it: it will soon be replaced."""
        return self.first_since is not None and (self.waiting or now - self.first_since < _SOON)


def is_of_commit(post: Post) -> bool:
    """Whether a post is the status of a commit as a whole."""
    return isinstance(post.content, StatusPost) and post.content.status.context == _CONTEXT


class CommitStatuses:
    """Derives the statuses of a subject: of its commit, and of older commits with a pending status."""

    def __init__(self, post_builder: PostBuilder, addresses: Addresses) -> None:
        self._post_builder = post_builder
        self._addresses = addresses

    def of_commit(
        self, tx: Transaction, inputs: ReportInputs, subject: str, commit: CommitSubject
    ) -> list[Post]:
        """Return the statuses of a branch's commit."""
        unsettled = tx.shown.unsettled(subject)
        about = _Commit(subject, commit.repo, commit.sha, None, "", _contexts(unsettled, commit.sha))
        posts, busy = self._posts(tx, inputs, about)
        why = "Plangate does not report this workspace here any more"
        return posts + self._left(about, unsettled, posts, busy, why)

    def of_change(
        self,
        tx: Transaction,
        inputs: ReportInputs,
        record: ChangeRecord,
        others: Sequence[Post],
        *,
        runs: bool,
    ) -> list[Post]:
        """Return the statuses of a change's commits. `others` are its derived statuses that are not of runs.

        `runs` says whether the change's runs are reported at all.
        """
        change = record.change
        unsettled = tx.shown.unsettled(record.id)
        ended = headlines.why_ended(change) or (_GAVE_UP if record.deciding == GAVE_UP else "")
        told = _contexts(unsettled, change.head_sha)
        latest = _Commit(record.id, change.repo, change.head_sha, record, ended, told)
        posts, busy = self._posts(tx, inputs, latest) if runs else ([], frozenset())
        why = ended or "this workspace is not reported here any more"
        posts += self._left(latest, unsettled, [*others, *posts], busy, why)
        newer = f"Superseded by commit {change.head_sha[:7]}"
        for sha in dict.fromkeys(status.sha for status in unsettled):
            if sha == change.head_sha:
                continue
            about = replace(latest, sha=sha, ended=newer, told=_contexts(unsettled, sha))
            older, busy = self._posts(tx, inputs, about)
            posts += older + self._left(about, unsettled, older, busy, newer)
        return posts

    def _left(
        self,
        about: _Commit,
        unsettled: Sequence[StatusReport],
        posts: Sequence[Post],
        busy: Collection[str],
        why: str,
    ) -> list[Post]:
        """End the pending statuses of a commit that nothing is derived for."""
        keys = {post.key for post in posts}
        found = []
        for status in unsettled:
            name = status.context.removeprefix(f"{_CONTEXT}/").rpartition("/")[0]
            if status.sha != about.sha or name in busy:
                continue
            words = why[:1].upper() + why[1:]
            ended = replace(status, state=StatusState.ERROR, description=words)
            post = self._post_builder.status(about.subject, about.repo, ended)
            if post.key not in keys:
                found.append(post)
        return found

    def _posts(
        self, tx: Transaction, inputs: ReportInputs, about: _Commit
    ) -> tuple[list[Post], frozenset[str]]:
        """Return the statuses of a commit, and the names of the workspaces whose runs are not finished."""
        found = tx.runs.find(RunQuery(repo=about.repo, commit=about.sha, limit=None))
        runs_by_id = by_workspace([run for run in found if run.reported])
        record = about.record
        latest = record is not None and record.change.head_sha == about.sha
        ids = dict.fromkeys([*(record.workspace_ids if record and latest else ()), *runs_by_id])
        inputs.load(ids, [run for runs in runs_by_id.values() for run in runs])
        speaking = {each: speaking_run(runs) for each, runs in runs_by_id.items()}
        planned = {
            each: _whose_plan(run, runs_by_id[each], inputs.waits(run))
            for each, run in speaking.items()
            if run
        }
        inputs.load_plans([*filter(None, speaking.values()), *planned.values()])
        statuses: list[_Status] = []
        whole: list[tuple[str, Run | None, str]] = []
        busy = set()
        for workspace in inputs.by_name(ids):
            runs = runs_by_id.get(workspace.id, [])
            run = speaking.get(workspace.id)
            waits = inputs.waits(run) if run is not None else ""
            whole.append((workspace.name, run, waits))
            if any(not each.final for each in runs):
                busy.add(workspace.name)
            if run is not None:
                statuses += self._of_workspace(inputs, about, workspace, run, planned[workspace.id], runs)
                statuses += self._of_policies(inputs, about.sha, workspace, runs)
        if whole or latest or record is None:
            note = record.note if record and latest else ""
            if len(whole) > _MANY and statuses:
                newest = max(run.status_at for runs in runs_by_id.values() for run in runs)
                statuses = [
                    each
                    for each in statuses
                    if each.report.context in about.told or not each.is_left_out(newest)
                ]
            state, words = headlines.aggregate(whole, note, about.ended)
            if latest and record is not None and (conflict := conflict_of(record, inputs)):
                state, words = headlines.conflict_headline(conflict)
            report = StatusReport(about.sha, _CONTEXT, state, words, self._target(whole, record))
            statuses.append(_Status(report, any(_is_progress(report, run) for _, run, _ in whole)))
        showing = [*(run for _, run, _ in whole if run), *planned.values()]
        shown = {self._addresses.run(run.id): run.id for run in showing if run.has_changes}
        posts = []
        for each in statuses:
            shows = tuple(filter(None, [shown.get(each.report.target_url)]))
            post = self._post_builder.status(about.subject, about.repo, each.report, shows)
            posts.append(replace(post, progress=each.progress))
        return posts, frozenset(busy)

    def _of_workspace(
        self,
        inputs: ReportInputs,
        about: _Commit,
        workspace: Workspace,
        run: Run,
        planned: Run,
        runs: Sequence[Run],
    ) -> list[_Status]:
        waits = inputs.waits(run)
        state, words = headlines.plan_headline(planned, waits)
        # The state moves because the run applies the plan.
        judged = run if run.digest else planned
        if inputs.is_outdated(judged):
            words = f"Outdated, the state has moved since: {words}"
        if judged.final and (why := why_plan_outdated(about.record, workspace, judged)):
            words = headlines.outdated_words(why, words)
        url = self._addresses.run(planned.id)
        plan = StatusReport(about.sha, f"{_CONTEXT}/{workspace.name}/plan", state, words, url)
        found = [_status(plan, planned, first=len(runs) == 1)]
        newest = next((r for r in runs if not r.plan_only), None)
        context = f"{_CONTEXT}/{workspace.name}/apply"
        apply = headlines.apply_headline(newest, waits, told=context in about.told) if newest else None
        if newest is not None and apply is not None:
            url = self._addresses.run(newest.id)
            report = StatusReport(about.sha, context, *apply, url)
            found.append(_status(report, newest, first=sum(not each.plan_only for each in runs) == 1))
        return found

    def _of_policies(
        self, inputs: ReportInputs, sha: str, workspace: Workspace, runs: Sequence[Run]
    ) -> list[_Status]:
        """The policy headline of the newest run that policies judged; nothing if there is none."""
        for run in runs:
            if checks := inputs.checks(run):
                state, words = headlines.policy_headline(run, checks)
                context = f"{_CONTEXT}/{workspace.name}/policy"
                return [_Status(StatusReport(sha, context, state, words, self._addresses.run(run.id)))]
        return []

    def _target(self, whole: Sequence[tuple[str, Run | None, str]], record: ChangeRecord | None) -> str:
        runs = [run for _, run, _ in whole if run is not None]
        if len(runs) == 1:
            return self._addresses.run(runs[0].id)
        return self._addresses.change(record.id) if record is not None else self._addresses.public


def _status(report: StatusReport, run: Run, *, first: bool) -> _Status:
    """`first`: no run before it gave this context a status, which would stand until the run begins."""
    progress = _is_progress(report, run)
    since = run.status_at if progress and first else None
    return _Status(report, progress, since, run.status in _WAITING)


def _whose_plan(run: Run, runs: Sequence[Run], waits: str) -> Run:
    """Return the run whose plan a workspace's plan status tells, of the runs of one commit.

    A run that waits for something else than a worker says so.

    An apply plans again. Until it finds another plan than the one that was approved, the status stays as it
    is: it would only be replaced by the same words, twice for each workspace of a change.
    """
    if run.plan_only or run.source is not RunSource.COMMENT or waits:
        return run
    before = next((each for each in runs if each.plan_only and each.digest), None)
    if before is None or run.awaits_confirmation:
        return run
    again = run.status in PLAN_STAGES | {RunStatus.PENDING} and not run.digest
    return before if again or run.digest == before.digest else run


def _is_progress(status: StatusReport, run: Run | None) -> bool:
    """Whether a status is pending until a run goes on by itself."""
    pending = status.state in (StatusState.PENDING, StatusState.RUNNING)
    return pending and run is not None and run.status in UNDER_WAY


def _contexts(unsettled: Sequence[StatusReport], sha: str) -> frozenset[str]:
    return frozenset(status.context for status in unsettled if status.sha == sha)
