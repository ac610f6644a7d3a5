"""Writes the audit log: actions within their own transaction, refusals in a transaction of their own.

So each action has its line, and no line reports an action that was rolled back (promise 3).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import wraps
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from bot.domain.errors import Conflict, ForgeError, NotFound, PlangateError, Refused
from bot.domain.people.audit import AuditAction, AuditEntry, AuditResult
from bot.domain.people.origins import Via
from bot.domain.people.permissions import Person, Role
from bot.domain.runs.run import Run
from bot.domain.workspaces.workspace import Workspace
from bot.services.ports import Clock, Store, Transaction

LONGEST = 1000
AUTO_APPLY = "auto-apply"
"""Who applies what nobody asked for."""

_P = ParamSpec("_P")
_R = TypeVar("_R")


class _Desk(Protocol):
    """A service that writes refusals to the audit log."""

    _store: Store
    _clock: Clock


_D = TypeVar("_D", bound=_Desk)


def audited(
    deed: AuditAction,
) -> Callable[[Callable[Concatenate[_D, _P], _R]], Callable[Concatenate[_D, _P], _R]]:
    """Log the refusals of a method to the Person among its arguments. Its first argument is the subject."""

    def decorate(method: Callable[Concatenate[_D, _P], _R]) -> Callable[Concatenate[_D, _P], _R]:
        @wraps(method)
        def noting(desk: _D, /, *args: _P.args, **kwargs: _P.kwargs) -> _R:
            try:
                return method(desk, *args, **kwargs)
            except (Refused, Conflict, NotFound, ForgeError) as error:
                given = (*args, *kwargs.values())
                person = next(each for each in given if isinstance(each, Person))
                with desk._store.transaction() as tx:
                    refused(tx, desk._clock, person, deed, _name_of(given[0]), error)
                raise

        return noting

    return decorate


def done(
    tx: Transaction,
    clock: Clock,
    person: Person,
    deed: AuditAction,
    about: Run | Workspace | str,
    detail: str = "",
    subject: str = "",
) -> None:
    """Log an action, within its transaction. `about` is its subject."""
    found = _meant(tx, about) if isinstance(about, str) else about
    tx.audit.add(_entry(tx, clock, person, deed, found, detail, subject))


def applied_by_itself(tx: Transaction, run: Run, at: datetime) -> None:
    """Log an apply that nobody asked for: the workspace applies automatically."""
    workspace = tx.workspaces.get(run.workspace_id)
    tx.audit.add(
        AuditEntry(
            at=at,
            login=AUTO_APPLY,
            forge="",
            role=Role.NONE,
            via=Via.SERVER,
            deed=AuditAction.APPLY,
            subject=run.id,
            workspace=workspace.name,
            repo=workspace.repo,
        )
    )


def refused(
    tx: Transaction,
    clock: Clock,
    person: Person,
    deed: AuditAction,
    about: str,
    error: PlangateError | str,
    detail: str = "",
) -> None:
    """Log a refusal and its reason. `about` is a run's id, a workspace's name, or any other word."""
    entry = _entry(tx, clock, person, deed, _meant(tx, about), detail)
    tx.audit.add(_with(entry, AuditResult.REFUSED, str(error)))


def _name_of(given: object) -> str:
    """Return the name of a method's first argument: itself, or the owner of a variable."""
    return given if isinstance(given, str) else str(getattr(given, "name", given))


def _meant(tx: Transaction, about: str) -> Run | Workspace | str:
    """Return the run or workspace with this name, or the name itself."""
    try:
        if about.startswith("run-"):
            return tx.runs.get(about)
        return tx.workspaces.get(about) if about.startswith("ws-") else tx.workspaces.named(about)
    except NotFound:
        return about


def _entry(
    tx: Transaction,
    clock: Clock,
    person: Person,
    deed: AuditAction,
    about: Run | Workspace | str,
    detail: str = "",
    subject: str = "",
) -> AuditEntry:
    workspace = None
    if isinstance(about, Run):
        workspace, subject = tx.workspaces.get(about.workspace_id), about.id
    elif isinstance(about, Workspace):
        workspace = about
    else:
        subject = subject or about
    origin = person.origin
    return AuditEntry(
        at=clock.now(),
        login=person.login,
        forge=origin.forge,
        role=person.role,
        via=origin.via,
        deed=deed,
        subject=subject[:LONGEST],
        workspace=workspace.name if workspace else "",
        repo=workspace.repo if workspace else None,
        detail=" ".join(detail.split())[:LONGEST],
        address=origin.address,
        token=origin.token,
    )


def _with(entry: AuditEntry, ending: AuditResult, why: str) -> AuditEntry:
    return AuditEntry(**{**vars(entry), "ending": ending, "why": why[:LONGEST]})
