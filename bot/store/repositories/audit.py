"""What people did, in the database: the AuditLog port."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import sqlalchemy as sa

from bot.domain.events import RepoRef
from bot.domain.people.audit import AuditAction, AuditEntry, AuditResult
from bot.domain.people.origins import Via
from bot.domain.people.permissions import Role
from bot.services.ports.people import AuditQuery
from bot.store.schema.audit import audit

# Lines of earlier versions say this of an apply that was confirmed on a page or by the command line.
_EARLIER = {"confirm": AuditAction.APPLY.value}


class SqlAuditLog:
    """Lines of one transaction. Nothing here changes or removes one."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def add(self, entry: AuditEntry) -> None:
        """Store a line, in the same transaction as the action that it records."""
        repo = entry.repo
        self._connection.execute(
            sa.insert(audit).values(
                at=entry.at,
                login=entry.login,
                forge=entry.forge,
                role=entry.role.name.lower(),
                via=entry.via.value,
                deed=entry.deed.value,
                subject=entry.subject,
                workspace=entry.workspace,
                repo_forge=repo.forge if repo else "",
                repo_path=repo.path if repo else "",
                detail=entry.detail,
                ending=entry.ending.value,
                why=entry.why,
                address=entry.address,
                token=entry.token,
            )
        )

    def find(self, query: AuditQuery) -> Sequence[AuditEntry]:
        """Return the lines that match, newest first."""
        statement = (
            sa.select(audit)
            .where(*_conditions(query))
            .order_by(audit.c.id.desc())
            .limit(query.limit)
            .offset(query.offset)
        )
        return [_read(row) for row in self._connection.execute(statement).mappings()]


def _conditions(query: AuditQuery) -> Iterator[sa.ColumnElement[bool]]:
    if query.login:
        yield sa.func.lower(audit.c.login) == query.login.lower()
    if query.deed:
        deed = _EARLIER.get(query.deed, query.deed)
        yield audit.c.deed.in_([deed, *(old for old, new in _EARLIER.items() if new == deed)])
    if query.workspace:
        yield audit.c.workspace == query.workspace
    if query.since is not None:
        yield audit.c.at >= query.since
    if query.until is not None:
        yield audit.c.at < query.until
    if query.before is not None:
        yield audit.c.id < query.before
    if query.repos is not None:
        seen = [
            sa.and_(audit.c.repo_forge == repo.forge, audit.c.repo_path == repo.path)
            for repo in sorted(query.repos)
        ]
        if query.own is not None:
            login = sa.func.lower(audit.c.login) == query.own.login.lower()
            seen.append(sa.and_(audit.c.forge == query.own.forge, login))
        yield sa.or_(sa.false(), *seen)


def _read(row: sa.RowMapping) -> AuditEntry:
    return AuditEntry(
        id=row["id"],
        at=row["at"],
        login=row["login"],
        forge=row["forge"],
        role=Role[row["role"].upper()],
        via=Via(row["via"]),
        deed=AuditAction(_EARLIER.get(row["deed"], row["deed"])),
        subject=row["subject"],
        workspace=row["workspace"],
        repo=RepoRef(row["repo_forge"], row["repo_path"]) if row["repo_path"] else None,
        detail=row["detail"],
        ending=AuditResult(row["ending"]),
        why=row["why"],
        address=row["address"],
        token=row["token"],
    )
