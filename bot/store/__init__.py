"""The database: every repository port on SQLAlchemy, for SQLite and PostgreSQL alike."""

from bot.store.migrating import migrate, pending
from bot.store.rekeying import Rekeyed, rekey
from bot.store.unit import SqlStore

__all__ = ["Rekeyed", "SqlStore", "migrate", "pending", "rekey"]
