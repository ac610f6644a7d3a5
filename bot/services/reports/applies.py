"""The comments on applies: one for each `/apply`, filled in as its workspaces finish.

A comment of its own, because an edit of the change's comment would notify nobody.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from bot.domain.reports import headlines
from bot.domain.reports.report import ApplyReport
from bot.domain.runs.lifecycle import UNDER_WAY, StageStatus
from bot.domain.runs.run import Run, RunSource
from bot.services.ports import Addresses, ChangeRecord, CommentTexts, Post, Transaction
from bot.services.reports.inputs import ReportInputs
from bot.services.reports.posts import PostBuilder
from bot.services.runs.half_done import may_be_continued

_OF_ONE = "outcome:"


class ApplyOutcomes:
    """Derives the comments on a change's applies."""

    def __init__(self, texts: CommentTexts, post_builder: PostBuilder, addresses: Addresses) -> None:
        self._texts = texts
        self._post_builder = post_builder
        self._addresses = addresses

    def posts(
        self, tx: Transaction, inputs: ReportInputs, record: ChangeRecord, runs: Sequence[Run], limit: int
    ) -> list[Post]:
        """Return a comment for each `/apply` of which an apply has ended. `runs` are newest first."""
        applies = [run for run in runs if not run.plan_only]
        if not any(map(_has_applied, applies)):
            return []
        newest: dict[str, Run] = {}
        for run in filter(_has_applied, applies):
            newest.setdefault(run.workspace_id, run)
        latest: dict[str, Run] = {}
        for run in runs:
            latest.setdefault(run.workspace_id, run)
        found = []
        for name, group in _groups(tx, record, applies).items():
            if not any(map(_has_applied, group)):
                continue
            inputs.load_plans(group)
            group.sort(key=lambda run: inputs.workspace(run.workspace_id).name)
            reports = [
                replace(self._report(inputs, run, newest), may_go_on=_may_go_on(record, run, latest))
                for run in group
            ]
            body = self._texts.applies_comment(reports, self._addresses.change(record.id), limit)
            settled = not any(run.status in UNDER_WAY for run in group)
            number = record.change.number
            found.append(
                self._post_builder.comment(record.id, record.change.repo, number, name, body, settled=settled)
            )
        return found

    def _report(self, inputs: ReportInputs, run: Run, newest: Mapping[str, Run]) -> ApplyReport:
        applied = _has_applied(run)
        later = newest.get(run.workspace_id, run)
        output, errors = inputs.applied(run) if applied else ("", "")
        return ApplyReport(
            workspace=inputs.workspace(run.workspace_id),
            run=run,
            run_url=self._addresses.run(run.id),
            output_tail=output,
            errors=errors if run.apply_status is StageStatus.ERRORED else "",
            superseded_by=self._addresses.run(later.id) if applied and later is not run else "",
            headline=headlines.state_words(run, inputs.waits(run)),
        )


def _may_go_on(record: ChangeRecord, run: Run, latest: Mapping[str, Run]) -> bool:
    """Whether `/retry` would go on with what a run has left, under its approval."""
    current = record.change.open and run.commit == record.change.head_sha and run.change_number is not None
    return current and latest.get(run.workspace_id) is run and may_be_continued(run)


def _has_applied(run: Run) -> bool:
    """Whether a run began to apply, and has ended."""
    return (
        not run.plan_only and run.final and run.apply_status not in (StageStatus.PENDING, StageStatus.QUEUED)
    )


def _groups(tx: Transaction, record: ChangeRecord, runs: Sequence[Run]) -> dict[str, list[Run]]:
    """Return the runs by the name of their comment. Stored keys and markers contain it: it can't change.

    The runs of one `/apply` were approved at one time. Those that a merge applied without being asked are
    together too. A retry has a comment of its own, because an edit notifies nobody. A run that has one of its
    own from an earlier version keeps it.
    """
    approved = tx.approvals.of_runs([run.id for run in runs])
    old = frozenset(tx.shown.comment_names(record.id, _OF_ONE))
    groups: dict[str, list[Run]] = {}
    for run in runs:
        name = f"{_OF_ONE}{run.id}"
        approval = approved.get(run.id) or run.approval
        if name not in old and run.rest_of is None:
            if approval is not None:
                name = f"apply:{round(approval.at.timestamp() * 1_000_000)}"
            elif run.source is RunSource.PUSH:
                name = f"merge:{run.commit}"
        groups.setdefault(name, []).append(run)
    return groups
