"""Derives what the forge should show from the runs as they are now, whatever was sent before (promise 4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from bot.domain.changes.apply_order import place_of, step_in_order
from bot.domain.events import RepoRef
from bot.domain.reports import headlines
from bot.domain.reports.report import ChangeReport, StatusState, WorkspaceSection
from bot.domain.reports.speaking_run import is_of_latest_commit, speaking_run_of_change
from bot.domain.runs.lifecycle import UNDER_WAY, RunStatus, StageStatus
from bot.domain.runs.run import Run, RunSource
from bot.domain.workspaces.order import Order
from bot.domain.workspaces.workspace import Workspace
from bot.services.ports import (
    Addresses,
    ChangeRecord,
    CommentTexts,
    Forge,
    Post,
    Transaction,
)
from bot.services.reports.applies import ApplyOutcomes
from bot.services.reports.apply_steps import ApplyStep, apply_step
from bot.services.reports.automerge import decided, merge_posts, said_of_merge
from bot.services.reports.inputs import ReportInputs, conflict_of
from bot.services.reports.labels import labels_posts
from bot.services.reports.plan_facts import FactsMemory, KeptFacts
from bot.services.reports.posts import PostBuilder
from bot.services.reports.replay_posts import ReplayPosts
from bot.services.reports.statuses import CommitStatuses
from bot.services.runs.change_runs import all_runs_of_merge, by_workspace, runs_to_report
from bot.services.runs.half_done import may_be_continued
from bot.services.runs.merge_results import why_plan_outdated
from bot.services.runs.report_subjects import parse_commit

# Characters of a comment that are reserved: the marker and the line before it.
_RESERVED = 200
_MOST_TOPS = 3


@dataclass(frozen=True)
class Derived:
    """What a derivation found: the posts, and the facts of plans that are to be kept for the next one."""

    posts: Sequence[Post]
    facts: Sequence[KeptFacts] = ()


class ReportBuilder:
    """Derives the posts of a subject: a change, or a commit of a branch."""

    def __init__(
        self,
        forges: Mapping[str, Forge],
        texts: CommentTexts,
        post_builder: PostBuilder,
        addresses: Addresses,
    ) -> None:
        self._forges = forges
        self._texts = texts
        self._post_builder = post_builder
        self._addresses = addresses
        self._memory = FactsMemory()
        self._statuses = CommitStatuses(post_builder, addresses)
        self._applies = ApplyOutcomes(texts, post_builder, addresses)
        self._replay_posts = ReplayPosts(texts, post_builder, addresses)

    def derive(self, tx: Transaction, subject: str) -> Derived:
        """Return all posts of a subject. Raises NotFound if the change is unknown."""
        inputs = ReportInputs(tx, self._memory)
        commit = parse_commit(subject)
        if commit is not None:
            posts: Sequence[Post] = self._statuses.of_commit(tx, inputs, subject, commit)
        else:
            posts = self._of_change(tx, inputs, subject)
        return Derived(posts, inputs.new_facts)

    def _of_change(self, tx: Transaction, inputs: ReportInputs, subject: str) -> Sequence[Post]:
        record = tx.changes.get(subject)
        repo = record.change.repo
        replays = tx.replays.of_change(record.id)
        posts = list(self._replay_posts.posts(record, replays, self._limit(repo)))
        # A repository with policies only has no workspaces to report.
        has_runs = bool(record.workspace_ids or not replays or repo in tx.overviews.repos())
        posts += self._statuses.of_change(tx, inputs, record, posts, runs=has_runs)
        found = runs_to_report(tx, record.change, record.workspace_ids)
        queued = [run for run in found if run.source is RunSource.QUEUE]
        merged = all_runs_of_merge(tx, record.change, record.workspace_ids)
        runs = [*merged, *(run for run in found if run.source is not RunSource.QUEUE)]
        inputs.load(record.workspace_ids, runs)
        posts += self._applies.posts(tx, inputs, record, runs, self._limit(repo))
        if record.in_parts:
            # Without all plans the comment would show those of an older commit. Soon they are all there.
            return posts
        merge = decided(tx, record)
        if runs or conflict_of(record, inputs):
            said = (
                said_of_merge(tx, record, merge),
                _said_of_queue(tx, queued) if record.change.open else "",
            )
            posts += self._comment(tx, inputs, record, runs, ". ".join(filter(None, said)))
        return [*posts, *merge_posts(tx, record, merge)]

    # --- comments -------------------------------------------------------------------------------------------

    def _comment(
        self, tx: Transaction, inputs: ReportInputs, record: ChangeRecord, runs: Sequence[Run], merging: str
    ) -> list[Post]:
        """Return the change's comment, and the labels that say the same in short."""
        change = record.change
        speaking = _speaking(record, runs)
        inputs.load_plans(speaking)
        inputs.load_neighbours(change, speaking)
        inputs.load_forecasts(change, speaking)
        if change.open:
            inputs.load_approvers(change, [run.workspace_id for run in speaking])
        sections = _in_order(record, [self._section(inputs, record, run) for run in speaking], runs)
        sections.sort(key=lambda section: section.workspace.name)
        none = "" if sections else "No workspace is affected by the latest commit."
        conflict = conflict_of(record, inputs)
        report = ChangeReport(
            change.head_sha,
            tuple(sections),
            none,
            merging,
            self._addresses.change(record.id),
            record.edited,
            top=_top(speaking),
            conflict=conflict.why_conflicting if conflict else "",
            conflicts=conflict.conflicts if conflict else (),
            alerts=self._forges[change.repo.forge].words.alerts,
            asked=change.asked,
        )
        told = self._texts.change_comment(report, self._limit(change.repo))
        settled = not any(section.run.status in UNDER_WAY for section in sections)
        planned = [section.run.id for section in sections if section.run.has_changes]
        whole = set(told.whole)
        comment = self._post_builder.comment(
            record.id,
            change.repo,
            change.number,
            "summary",
            told.text,
            settled=settled,
            shows=[run_id for run_id in planned if run_id in whole],
            lists=[run_id for run_id in planned if run_id not in whole],
        )
        return [comment, *labels_posts(tx, record, sections)]

    def _section(self, inputs: ReportInputs, record: ChangeRecord, run: Run) -> WorkspaceSection:
        change = record.change
        workspace, facts = inputs.workspace(run.workspace_id), inputs.facts(run)
        forge_words = self._forges[change.repo.forge].words
        open_ = change.open or run.change_number is None
        approver = inputs.approver(run) if change.open else ""
        words = headlines.state_words(run, inputs.waits(run))
        words = headlines.approved_words(approver) if approver and run.plan_only else words
        begun = run.apply_status is not StageStatus.PENDING
        old = open_ and inputs.is_outdated(run)
        planned = open_ and run.has_changes and not begun
        moved = why_plan_outdated(record, workspace, run) if run.final and not begun else ""
        following = next_step(workspace, run) if open_ and not approver else ""
        step = ApplyStep(following)
        if moved:
            words, step = f"{words}, outdated: {moved}", ApplyStep(_replan(record, workspace))
        elif following.startswith("/apply"):
            step = apply_step(workspace, run, record, inputs.checks(run), following)
            words += step.also
        return WorkspaceSection(
            workspace=workspace,
            run=run,
            headline=f"{words}, outdated: the state has moved since" if old else words,
            next_step=step.following,
            run_url=self._addresses.run(run.id),
            resources=facts.resources,
            counts=run.counts,
            code=run.plan_code if run.has_changes else "",
            plan_text=facts.diff,
            at_apply=facts.at_apply if open_ and not begun else (),
            policies=tuple(inputs.checks(run)),
            delta=inputs.delta(run),
            drift=() if run.modes.refresh_only else facts.drift,
            warnings=facts.warnings,
            likeness=facts.likeness,
            requires=step.requires,
            met=step.met,
            unapproved=step.unapproved,
            errors=facts.errors if run.plan_status is StageStatus.ERRORED else "",
            notes=(
                *_kept_elsewhere(run, facts.backend),
                *_lacks(run),
                *_of_the_rest(run),
                *_asked_again(run),
                *(inputs.overlaps(run, forge_words) if planned else ()),
                *(inputs.forecast(run, forge_words) if planned and not (old or moved) else ()),
            ),
        )

    def _limit(self, repo: RepoRef) -> int:
        return self._forges[repo.forge].comment_limit - _RESERVED


def _speaking(record: ChangeRecord, runs: Sequence[Run]) -> list[Run]:
    """Return the run that speaks for each workspace.

    A workspace that only an older commit touched is left out, unless it applied something.
    """
    runs_by_id, found = by_workspace(runs), []
    touched = frozenset(record.workspace_ids)
    for workspace_id in dict.fromkeys([*record.workspace_ids, *runs_by_id]):
        run = speaking_run_of_change(record.change, runs_by_id.get(workspace_id, []))
        if run is not None and (workspace_id in touched or is_of_latest_commit(record.change, run)):
            found.append(run)
    return found


def _in_order(
    record: ChangeRecord, sections: Sequence[WorkspaceSection], runs: Sequence[Run]
) -> list[WorkspaceSection]:
    """Return the sections with next commands that name what is applied first, too.

    If people have to approve one of those, the command needs their approval.
    """
    if not record.change.open or not any(section.workspace.depends_on for section in sections):
        return list(sections)
    order, mine = Order(section.workspace for section in sections), by_workspace(runs)
    steps = {section.workspace.id: section.next_step for section in sections}
    unapproved = {section.workspace.id for section in sections if section.unapproved}

    def placed(section: WorkspaceSection) -> WorkspaceSection:
        workspace = section.workspace
        run = section.run
        if not run.plan_only or run.modes.destroy or not workspace.merging.apply_when.before:
            return section
        place = place_of(workspace, record.change, order, lambda other: mine.get(other.id, ()))
        step = step_in_order(place, workspace, steps)
        waits = not unapproved.isdisjoint(each.id for each in (*place.first, workspace))
        return replace(section, next_step=step, unapproved=bool(step) and waits)

    return [placed(section) for section in sections]


def _said_of_queue(tx: Transaction, queued: Sequence[Run]) -> str:
    """Say why the newest commit of the merge queue may not be merged. Empty if it may."""
    newest = [run for run in queued if run.commit == queued[0].commit]
    states = [(tx.workspaces.get(run.workspace_id).name, *headlines.plan_headline(run)) for run in newest]
    bad = [f"{name}: {words}" for name, state, words in states if state is StatusState.FAILURE]
    return f"Not merged by the queue, as {newest[0].commit[:7]}: {'; '.join(bad)}" if bad else ""


def _kept_elsewhere(run: Run, backend: str) -> tuple[str, ...]:
    """Say where the state is, if not here: it decides what looks new to a plan."""
    if not backend or not run.has_changes:
        return ()
    return (f"the state is not kept in Plangate, but by the configuration's own backend: `{backend}`",)


def _lacks(run: Run) -> tuple[str, ...]:
    return (headlines.lacking_words(run),) if run.lacks and run.awaits_confirmation else ()


def _of_the_rest(run: Run) -> tuple[str, ...]:
    """Say how much a failed apply has left for this run."""
    return (run.rest_of.words,) if run.rest_of is not None and run.rest_of.words else ()


def _asked_again(run: Run) -> tuple[str, ...]:
    """Say why an approval does not stand for a preview, which has to be approved again."""
    return (run.delta,) if run.plan_only and run.delta and run.source is not RunSource.QUEUE else ()


def _top(runs: Sequence[Run]) -> str:
    """Say which commits of the base the plans are on top of; mostly it is one."""
    tops = dict.fromkeys(run.merge.top for run in runs if run.merge is not None)
    return ", ".join(list(tops)[:_MOST_TOPS]) + (" and others" if len(tops) > _MOST_TOPS else "")


def _replan(record: ChangeRecord, workspace: Workspace) -> str:
    conflicting = record.merge is not None and record.merge.conflicting
    return "" if conflicting else f"/plan {workspace.name}"


def next_step(workspace: Workspace, run: Run) -> str:
    """Return the next command for this workspace, empty if there is none, or if the workspace was removed."""
    if not workspace.active:
        return ""
    planned = (RunStatus.PLANNED_AND_FINISHED, RunStatus.POLICY_SOFT_FAILED)
    if run.plan_only and run.status in planned and run.has_changes:
        return f"/apply {workspace.name} {run.plan_code}"
    if run.awaits_confirmation:
        return f"/apply {workspace.name} {run.plan_code}"
    if run.status is RunStatus.POLICY_OVERRIDE:
        return f"/override {workspace.name} <reason>"
    if may_be_continued(run) and run.change_number is not None:
        return f"/retry {workspace.name}"
    if run.status in (RunStatus.ERRORED, RunStatus.CANCELED, RunStatus.DISCARDED):
        return " ".join(("/plan", *run.modes.flags, workspace.name))
    return ""
