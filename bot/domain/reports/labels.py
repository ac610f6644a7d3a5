"""The labels of a change: where its workspaces stand, in words that a forge can search."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from bot.domain.reports.report import WorkspaceSection
from bot.domain.runs.lifecycle import RunStatus


class Label(StrEnum):
    """Our labels. Others are never touched."""

    DESTROYS = "plangate: destroys"
    FAILED = "plangate: failed"
    READY = "plangate: ready"
    APPLIED = "plangate: applied"


def labels_of(sections: Iterable[WorkspaceSection]) -> tuple[Label, ...]:
    """Return the labels that a change should have, from the sections of its comment.

    Only workspaces with `labels` count. Ready: an apply is recommended, and no person has to approve first.
    Applied: something was applied, and no workspace has a change left.
    """
    counted = [section for section in sections if section.workspace.labels]
    applied = [section for section in counted if section.run.status is RunStatus.APPLIED]
    left = [section for section in counted if section.run.has_changes and section not in applied]
    holds = {
        Label.DESTROYS: any(map(_destroys, counted)),
        Label.FAILED: any(section.run.status is RunStatus.ERRORED for section in counted),
        Label.READY: any(each.next_step.startswith("/apply") and not each.unapproved for each in counted),
        Label.APPLIED: bool(applied) and not left and all(each.run.final for each in counted),
    }
    return tuple(label for label, held in holds.items() if held)


def _destroys(section: WorkspaceSection) -> bool:
    return bool(section.run.has_changes and section.counts is not None and section.counts.destroy)
