"""Sessions of browsers in the database: the SessionRecords port."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from bot.domain.accounts import Account
from bot.services.ports.people import SessionRecord
from bot.store.schema import sessions


class SqlSessions:
    """Sessions, within one transaction."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def add(self, record: SessionRecord) -> None:
        """Keep a session."""
        account = record.account
        self._connection.execute(
            sa.insert(sessions).values(
                hash=record.hash,
                forge=account.forge,
                login=account.login,
                uid=account.uid,
                begun_at=record.begun_at,
                seen_at=record.seen_at,
            )
        )

    def get(self, hashed: str) -> SessionRecord | None:
        """Return a session, None where there is none."""
        query = sa.select(sessions).where(sessions.c.hash == hashed)
        row = self._connection.execute(query).mappings().first()
        if row is None:
            return None
        account = Account(row["forge"], row["login"], row["uid"])
        return SessionRecord(row["hash"], account, row["begun_at"], row["seen_at"])

    def seen(self, hashed: str, at: datetime) -> None:
        """Keep that a session was used."""
        self._connection.execute(sa.update(sessions).where(sessions.c.hash == hashed).values(seen_at=at))

    def remove(self, hashed: str) -> None:
        """Forget a session; nothing happens where there is none."""
        self._connection.execute(sa.delete(sessions).where(sessions.c.hash == hashed))

    def forget(self, begun_before: datetime, seen_before: datetime) -> None:
        """Forget the sessions that began, or were last used, before."""
        over = sa.or_(sessions.c.begun_at < begun_before, sessions.c.seen_at < seen_before)
        self._connection.execute(sa.delete(sessions).where(over))
