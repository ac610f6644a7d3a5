"""The subject of a report: a change with its comment, or a commit of a branch with its statuses."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from bot.domain.events import NO_REPO, RepoRef
from bot.domain.runs.run import Run, RunSource
from bot.services.ports import Transaction


@dataclass(frozen=True)
class CommitSubject:
    """A commit of a repository, as the subject of a report."""

    repo: RepoRef
    sha: str

    def __str__(self) -> str:
        return f"commit:{self.repo.forge}:{self.repo.path}:{self.sha}"


def parse_commit(subject: str) -> CommitSubject | None:
    """Parse a commit's subject. None if the subject is a change's id."""
    kind, _, rest = subject.partition(":")
    if kind != "commit":
        return None
    forge, path, sha = rest.split(":")
    return CommitSubject(RepoRef(forge, path), sha)


def subject_of(tx: Transaction, run: Run) -> str:
    """Return the subject of a run: its change if it has one, else its commit."""
    return _subject(tx, tx.workspaces.get(run.workspace_id).repo, run)


def subjects_of(tx: Transaction, workspace_id: str, runs: Iterable[Run]) -> frozenset[str]:
    """Return the subjects of runs in one workspace. None if it has no repository: nobody gets reports."""
    repo = tx.workspaces.get(workspace_id).repo
    if repo == NO_REPO:
        return frozenset()
    return frozenset(_subject(tx, repo, run) for run in runs)


def _subject(tx: Transaction, repo: RepoRef, run: Run) -> str:
    if run.change_number is not None:
        found = tx.changes.id_of(repo, run.change_number)
        if found is not None:
            return found
    return str(CommitSubject(repo, run.commit))


def all_subjects_of(tx: Transaction, run: Run) -> tuple[str, ...]:
    """Return all subjects of a run. A run of the branch is also reported on the change that it merged."""
    first = subject_of(tx, run)
    if run.source is RunSource.QUEUE:
        # The queue's own commit has its statuses. The change shows the result.
        here = str(CommitSubject(tx.workspaces.get(run.workspace_id).repo, run.commit))
        return tuple(dict.fromkeys((here, first)))
    if run.change_number is not None:
        return (first,)
    merged = tx.changes.merged_as(tx.workspaces.get(run.workspace_id).repo, run.commit)
    return (first, merged.id) if merged else (first,)
