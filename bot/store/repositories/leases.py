"""Leases in the database: who works on what, with fencing numbers that only grow (promise 3)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa

from bot.domain.errors import LeaseLost
from bot.store.connection.upserts import insert_or_update
from bot.store.schema.runs import leases

# A lease that was not taken over or released. An expired lease is ours until another worker takes it.
_OURS = (leases.c.name == sa.bindparam("of"), leases.c.fence == sa.bindparam("by"), leases.c.owner != "")
# Built once: building a statement costs as much as carrying it out, and every job asks for leases.
_FENCE = sa.select(leases.c.fence).where(leases.c.name == sa.bindparam("of"))
_RENEW = sa.update(leases).where(*_OURS).values(expires_at=sa.bindparam("until"))
_RELEASE = _RENEW.values(owner="")
_CHECK = sa.select(leases.c.fence).where(*_OURS).with_for_update()
_EXPIRED = sa.select(leases.c.name).where(
    leases.c.name == sa.bindparam("of"), leases.c.owner != "", leases.c.expires_at <= sa.bindparam("now")
)

# SQLite before 3.32 takes no more than 999 values in one statement.
_AT_ONCE = 500


class SqlLeases:
    """Leases of one transaction."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def take(self, name: str, owner: str, now: datetime, ttl: timedelta) -> int | None:
        """Take a lease that nobody holds at `now`; return its fencing number, None if somebody does.

        A holder that asks again gets None too: it must renew.
        """
        # A released lease is free at once, even for a worker whose clock is late.
        free = sa.or_(leases.c.owner == "", leases.c.expires_at <= now)
        row = {"name": name, "owner": owner, "fence": 1, "expires_at": now + ttl}
        update = {"owner": owner, "fence": leases.c.fence + 1, "expires_at": now + ttl}
        if not insert_or_update(self._connection, leases, ["name"], row, update, where=free):
            return None
        return int(self._connection.execute(_FENCE, {"of": name}).scalar_one())

    def renew(self, name: str, fence: int, now: datetime, ttl: timedelta) -> None:
        """Renew the lease, even an expired one. Raises LeaseLost if another worker has taken it."""
        given = {"of": name, "by": fence, "until": now + ttl}
        if not self._connection.execute(_RENEW, given).rowcount:
            raise LeaseLost(f"another worker has taken {name} over")

    def check(self, name: str, fence: int) -> None:
        """Check within this transaction that the lease is still ours. Raises LeaseLost.

        Locks the lease's row: no other worker can take it before this transaction commits.
        """
        if self._connection.execute(_CHECK, {"of": name, "by": fence}).first() is None:
            raise LeaseLost(f"another worker has taken {name} over")

    def release(self, name: str, fence: int, now: datetime) -> None:
        """Release the lease; does nothing if another worker has it."""
        self._connection.execute(_RELEASE, {"of": name, "by": fence, "until": now})

    def held(self, names: Sequence[str], now: datetime) -> frozenset[str]:
        """Return the names that are held at `now`."""
        found: set[str] = set()
        for start in range(0, len(names), _AT_ONCE):
            some = names[start : start + _AT_ONCE]
            query = sa.select(leases.c.name).where(
                leases.c.name.in_(some), leases.c.owner != "", leases.c.expires_at > now
            )
            found.update(self._connection.execute(query).scalars())
        return frozenset(found)

    def expired(self, name: str, now: datetime) -> bool:
        """Return whether a lease has expired that its holder has not released."""
        return self._connection.execute(_EXPIRED, {"of": name, "now": now}).first() is not None
