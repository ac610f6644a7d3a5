"""The database: every repository port on SQLAlchemy, for SQLite and PostgreSQL alike."""

from bot.store.migrating import migrate, pending
from bot.store.rekeying import rekey
from bot.store.unit import SqlStore

__all__ = ["SqlStore", "migrate", "pending", "rekey"]
